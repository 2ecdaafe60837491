//! Versions of ONNX's operator set.

use crate::error_kind::ErrorKind;
/// A version of ONNX's own operators that this crate can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opset(u8);

impl Opset {
    /// Oldest version.
    pub const MIN: u8 = 11;
    /// Newest version.
    pub const MAX: u8 = 21;
    /// The first version in which a weight has a scale for each of its outputs.
    pub const FOR_INT8: Self = Self(13);

    /// Checks a version.
    ///
    /// # Errors
    ///
    /// If `version` is older than [`Self::MIN`] or newer than [`Self::MAX`].
    pub fn new(version: u8) -> Result<Self, OpsetError> {
        if (Self::MIN..=Self::MAX).contains(&version) { Ok(Self(version)) } else { Err(OpsetError(version)) }
    }

    /// The version as the file holds it.
    pub fn version(self) -> i64 {
        self.0.into()
    }

    /// The oldest file format that may hold this version, so that the oldest readers take the file.
    pub(super) fn ir_version(self) -> i64 {
        match self.0 {
            ..=11 => 6,
            12..=14 => 7,
            15..=18 => 8,
            19..=20 => 9,
            _ => 10,
        }
    }

    /// Whether ReduceSum takes its axes as an operand.
    pub(super) fn sums_take_axes(self) -> bool {
        self.0 >= 13
    }

    /// Whether ReduceMean and ReduceMax take their axes as an operand.
    pub(super) fn reductions_take_axes(self) -> bool {
        self.0 >= 18
    }

    /// Whether Resize may leave out the region it only uses for cropping.
    pub(super) fn resize_region_is_optional(self) -> bool {
        self.0 >= 13
    }
}

impl Default for Opset {
    /// 17 (IR 8), which every current engine reads.
    fn default() -> Self {
        Self(17)
    }
}

/// An operator set that this crate does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("opset {0} is not supported; expected {min} to {max}", min = Opset::MIN, max = Opset::MAX)]
pub struct OpsetError(u8);

impl OpsetError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}
