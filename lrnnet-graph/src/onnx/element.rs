//! Element types of graphs and of ONNX.

use super::proto::DataType;
use crate::graph::ElementType;

impl From<ElementType> for DataType {
    fn from(element: ElementType) -> Self {
        match element {
            ElementType::Float32 => Self::Float32,
            ElementType::Float16 => Self::Float16,
            ElementType::Int32 => Self::Int32,
            ElementType::Int64 => Self::Int64,
            ElementType::Uint8 => Self::Uint8,
            ElementType::Int8 => Self::Int8,
        }
    }
}

impl ElementType {
    /// The type of ONNX's number `data_type`, where graphs have it.
    pub(super) fn of_onnx(data_type: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|&element| DataType::from(element) as i32 == data_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_numbers_of_the_specification() {
        // The enumeration DataType of onnx.proto.
        let numbers = [1, 10, 6, 7, 2, 3];
        for (element, number) in ElementType::ALL.into_iter().zip(numbers) {
            assert_eq!(DataType::from(element) as i32, number, "{element}");
            assert_eq!(ElementType::of_onnx(number), Some(element));
        }
        // Undefined, strings, and numbers that are no type.
        for number in [0, 8, 100, -1] {
            assert_eq!(ElementType::of_onnx(number), None, "{number}");
        }
    }
}
