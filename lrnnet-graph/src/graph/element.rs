//! Types of single values.

use std::fmt;

/// The type of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 half precision.
    Float16,
    /// 32 bits with sign.
    Int32,
    /// 64 bits with sign.
    Int64,
    /// A byte without sign.
    Uint8,
    /// A byte with sign.
    Int8,
}

impl ElementType {
    /// Every type.
    pub const ALL: [Self; 6] = [Self::Float32, Self::Float16, Self::Int32, Self::Int64, Self::Uint8, Self::Int8];

    /// Whether values have an exponent.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float16)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
        })
    }
}
