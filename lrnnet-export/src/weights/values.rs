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
    /// The type that safetensors and Rust call `name` (`F32`, `BF16`, `I64`, `F8_E4M3`, ...).
    pub(super) fn from_short_name(name: &str) -> Self {
        match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "Bool" | "BOOL" => Self::Other("bool".into()),
            _ => Self::Other(long_name(name)),
        }
    }
}

/// `I64` -> `int64`, `U8` -> `uint8`; others in lower case.
fn long_name(name: &str) -> String {
    let integer = |prefix| name.strip_prefix(prefix).filter(|bits: &&str| bits.parse::<u8>().is_ok());
    match (integer('I'), integer('U')) {
        (Some(bits), _) => format!("int{bits}"),
        (_, Some(bits)) => format!("uint{bits}"),
        _ => name.to_lowercase(),
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
