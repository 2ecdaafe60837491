//! Row-major tensors: trained weights on their way into a graph, and the constants of a graph.

use std::collections::BTreeMap;

use half::f16;

use crate::graph::ElementType;

/// A row-major tensor, of `f32` values as trained weights are, unless another type is named.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T = f32> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T> Tensor<T> {
    /// Pairs extents with row-major values; `None` unless the extents multiply to the number of values.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<T>) -> Option<Self> {
        let shape = shape.into();
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (len == data.len()).then_some(Self { shape, data })
    }

    /// A tensor whose values `value(flat row-major index)` gives.
    pub fn from_fn(shape: impl Into<Vec<usize>>, value: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        let data = (0..shape.iter().product()).map(value).collect();
        Self { shape, data }
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Row-major values.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// Row-major values, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// A tensor of the same shape, whose values are `convert`ed.
    pub fn map<U>(&self, convert: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor { shape: self.shape.clone(), data: self.data.iter().map(convert).collect() }
    }
}

/// Trained tensors by the name that the contract of parameter names gives them (`encoder.0.conv.weight`, ...).
pub type Weights = BTreeMap<String, Tensor>;

/// A tensor of a graph, whose values are of one [`ElementType`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Constant {
    /// [`ElementType::Float32`]
    Float32(Tensor<f32>),
    /// [`ElementType::Float16`]
    Float16(Tensor<f16>),
    /// [`ElementType::Int32`]
    Int32(Tensor<i32>),
    /// [`ElementType::Int64`]
    Int64(Tensor<i64>),
    /// [`ElementType::Uint8`]
    Uint8(Tensor<u8>),
    /// [`ElementType::Int8`]
    Int8(Tensor<i8>),
}

/// One line for each type of values: how it becomes a [`Constant`].
macro_rules! constants {
    ($($variant:ident($value:ty)),+ $(,)?) => {
        impl Constant {
            /// Extents, outermost first.
            pub fn shape(&self) -> &[usize] {
                match self { $(Self::$variant(tensor) => tensor.shape()),+ }
            }

            /// Type of the values.
            pub fn element(&self) -> ElementType {
                match self { $(Self::$variant(_) => ElementType::$variant),+ }
            }

            /// Row-major values as little-endian bytes.
            pub fn to_le_bytes(&self) -> Vec<u8> {
                match self { $(Self::$variant(tensor) => tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect()),+ }
            }
        }

        $(impl From<Tensor<$value>> for Constant {
            fn from(tensor: Tensor<$value>) -> Self {
                Self::$variant(tensor)
            }
        })+
    };
}

constants!(Float32(f32), Float16(f16), Int32(i32), Int64(i64), Uint8(u8), Int8(i8));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_and_values_must_fit() {
        assert!(Tensor::new([2, 3], vec![0.0; 6]).is_some());
        assert!(Tensor::new([2, 3], vec![0.0; 5]).is_none());
        assert!(Tensor::new([usize::MAX, 2], vec![0.0; 6]).is_none());
        assert!(Tensor::new([], vec![1.0]).is_some(), "a scalar");
    }

    #[test]
    fn constants_know_their_type_and_bytes() {
        let f16 = f16::from_f32(1.5);
        let cases: [(Constant, ElementType, Vec<u8>); 6] = [
            (Tensor::from_fn([1], |_| 1.5f32).into(), ElementType::Float32, vec![0, 0, 0xC0, 0x3F]),
            (Tensor::from_fn([1], |_| f16).into(), ElementType::Float16, vec![0, 0x3E]),
            (Tensor::from_fn([1], |_| -2i32).into(), ElementType::Int32, vec![0xFE, 0xFF, 0xFF, 0xFF]),
            (Tensor::from_fn([1], |_| 258i64).into(), ElementType::Int64, vec![2, 1, 0, 0, 0, 0, 0, 0]),
            (Tensor::from_fn([1, 2], |i| 254 + i as u8).into(), ElementType::Uint8, vec![254, 255]),
            (Tensor::from_fn([1, 2], |i| i as i8 - 1).into(), ElementType::Int8, vec![255, 0]),
        ];
        for (constant, element, bytes) in cases {
            assert_eq!((constant.element(), constant.to_le_bytes()), (element, bytes));
        }
    }
}
