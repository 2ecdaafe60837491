//! Types of values, and their way to `f32`.

use std::fmt;

use half::{bf16, f16};

/// Type of a tensor's values in a weight file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// IEEE 754 double precision.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// A type that no weight of the network has, by PyTorch's name for it (`int64`, `bool`, ...).
    Other(String),
}

impl ValueType {
    fn other(name: &str) -> Self {
        Self::Other(name.to_owned())
    }
}

/// Finds a type by PyTorch's name for it.
impl From<&str> for ValueType {
    fn from(name: &str) -> Self {
        let known = [Self::F64, Self::F32, Self::F16, Self::Bf16];
        known.into_iter().find(|known| known.to_string() == name).unwrap_or_else(|| Self::other(name))
    }
}

impl ValueType {
    /// The type of safetensors of this name.
    pub(super) fn dtype(&self) -> Option<safetensors::Dtype> {
        use safetensors::Dtype::*;
        let all = [F64, F32, F16, BF16, BOOL, I8, I16, I32, I64, U8, U16, U32, U64];
        all.into_iter().find(|dtype| Self::from(*dtype) == *self)
    }
}

impl From<safetensors::Dtype> for ValueType {
    fn from(dtype: safetensors::Dtype) -> Self {
        use safetensors::Dtype::*;
        match dtype {
            F64 => Self::F64,
            F32 => Self::F32,
            F16 => Self::F16,
            BF16 => Self::Bf16,
            BOOL => Self::other("bool"),
            I8 => Self::other("int8"),
            I16 => Self::other("int16"),
            I32 => Self::other("int32"),
            I64 => Self::other("int64"),
            U8 => Self::other("uint8"),
            U16 => Self::other("uint16"),
            U32 => Self::other("uint32"),
            U64 => Self::other("uint64"),
            // Types of quantised files, which a later version of the format may have more of.
            rare => Self::other(&rare.to_string().to_lowercase()),
        }
    }
}

impl From<pytorch_reader::DType> for ValueType {
    fn from(dtype: pytorch_reader::DType) -> Self {
        use pytorch_reader::DType::*;
        match dtype {
            F64 => Self::F64,
            F32 => Self::F32,
            F16 => Self::F16,
            BF16 => Self::Bf16,
            Bool => Self::other("bool"),
            I8 => Self::other("int8"),
            I16 => Self::other("int16"),
            I32 => Self::other("int32"),
            I64 => Self::other("int64"),
            U8 => Self::other("uint8"),
            U16 => Self::other("uint16"),
            U32 => Self::other("uint32"),
            U64 => Self::other("uint64"),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::Other(name) => name,
        })
    }
}

/// Little-endian values as `f32`, each the nearest one; `None` for a type that is not floating point.
pub(super) fn to_f32(value_type: &ValueType, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match value_type {
        ValueType::F64 => convert(bytes, |b| f64::from_le_bytes(b) as f32),
        ValueType::F32 => convert(bytes, f32::from_le_bytes),
        ValueType::F16 => convert(bytes, |b| f16::from_le_bytes(b).to_f32()),
        ValueType::Bf16 => convert(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        ValueType::Other(_) => return None,
    })
}

fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|chunk| value(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use pytorch_reader::DType;
    use safetensors::Dtype;

    use super::*;

    #[test]
    fn both_formats_call_types_by_the_same_names() {
        let both = [
            (Dtype::F64, DType::F64, "float64"),
            (Dtype::F32, DType::F32, "float32"),
            (Dtype::F16, DType::F16, "float16"),
            (Dtype::BF16, DType::BF16, "bfloat16"),
            (Dtype::BOOL, DType::Bool, "bool"),
            (Dtype::I8, DType::I8, "int8"),
            (Dtype::I16, DType::I16, "int16"),
            (Dtype::I32, DType::I32, "int32"),
            (Dtype::I64, DType::I64, "int64"),
            (Dtype::U8, DType::U8, "uint8"),
            (Dtype::U16, DType::U16, "uint16"),
            (Dtype::U32, DType::U32, "uint32"),
            (Dtype::U64, DType::U64, "uint64"),
        ];
        for (safetensors, pytorch, name) in both {
            let (a, b) = (ValueType::from(safetensors), ValueType::from(pytorch));
            assert_eq!((a.to_string(), &a), (name.to_owned(), &b));
            assert_eq!(to_f32(&a, &[0; 8]).is_some(), name.contains("float"), "{name}");
            assert_eq!((ValueType::from(name), a.dtype()), (a.clone(), Some(safetensors)));
        }
        assert_eq!(ValueType::from(Dtype::F8_E4M3).to_string(), "f8_e4m3");
        assert_eq!(ValueType::from("complex64").dtype(), None);
    }

    #[test]
    fn values_become_the_nearest_float32() {
        let cases: [(ValueType, Vec<u8>, f32); 5] = [
            (ValueType::F64, (1.0f64 / 3.0).to_le_bytes().into(), 1.0 / 3.0),
            (ValueType::F64, f64::MAX.to_le_bytes().into(), f32::INFINITY),
            (ValueType::F32, (-0.1f32).to_le_bytes().into(), -0.1),
            // 1.5 as IEEE 754 has it, in 16 bits and in the upper half of 32.
            (ValueType::F16, vec![0x00, 0x3e], 1.5),
            (ValueType::Bf16, vec![0xc0, 0x3f], 1.5),
        ];
        for (value_type, bytes, value) in cases {
            assert_eq!(to_f32(&value_type, &bytes), Some(vec![value]), "{value_type}");
        }
    }
}
