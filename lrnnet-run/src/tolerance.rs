//! How far results may lie apart, in one place.
//!
//! Two engines that compute the same network in float32 differ in the last bits of their logits, because they add in
//! another order. Nobody can say how many bits that makes after forty layers, so every limit here is a measured figure
//! with room above it, and stands in for that bound:
//!
//! | limit | stands in for | measured with the shipped model |
//! |---|---|---|
//! | [`Tolerance::FP32`] | float32 in another order of operations | ONNX Runtime, OpenVINO, PyTorch, tract: below 1e-6 of the scale |
//! | [`Tolerance::FP16`] | float16 storage and arithmetic | 1.3e-3 of the scale where sums are float32, in tract 6e-3 |
//! | [`Tolerance::INT8`] | weights of 7 bits and bytes in between, against float32 | 0.09 of the scale; of the pixels that led by 0.05 of it, 0.1 % change |
//! | [`TIE`] | the lead at which float32 engines may name either of two classes | no pixel changes |
//! | [`VERIFY_TIE`] | the same for engines at whose precision nobody looked | TF32 and float16: changed pixels led by up to 6e-4 |
//! | [`NEAR_TIE`] | the same for engines that a self-test must let pass: TF32 and float16 for a float32 file | as above; bfloat16, which must not pass, changes pixels that led by 1.2e-2 |
//!
//! The scale is the largest logit of the reference, without its sign. `training/conformance` holds other engines to
//! the figures of [`Tolerance`] and [`TIE`].

use lrnnet_graph::Precision;

/// What is demanded of a model or an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Largest difference of a logit, as a part of the scale.
    pub logits: f32,
    /// Least part of pixels of the same class, ties aside.
    pub pixels: f64,
    /// Part of the scale by which the two best classes of a pixel may lie apart and still tie.
    pub tie: f32,
}

impl Tolerance {
    /// Of float32.
    pub const FP32: Self = Self { logits: 1e-4, pixels: 0.9999, tie: TIE };
    /// Of float16.
    pub const FP16: Self = Self { logits: 2e-2, pixels: 0.995, tie: TIE };

    /// Of int8.
    pub const INT8: Self = Self { logits: 0.25, pixels: 0.98, tie: 0.05 };

    /// Of a model of this precision.
    pub fn of(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => Self::FP32,
            Precision::Int8 => Self::INT8,
            // What float16 needs; a narrower type would not pass with it.
            _ => Self::FP16,
        }
    }
}

/// Part of the scale by which the two best classes of a pixel may lie apart and still tie, in float32.
pub const TIE: f32 = 1e-4;
/// The same where two devices are compared and either may compute with less than float32.
pub const VERIFY_TIE: f32 = 1e-3;
/// The same for the record of a self-test.
pub const NEAR_TIE: f32 = 5e-3;
/// Part of the pixels that must agree where two devices or files are compared.
pub const VERIFY_AGREEMENT: f64 = 0.999;
/// The same where one of them is int8. Engines agree on its integers, but not on how they round to bytes in between, and
/// every layer passes on what the one before has rounded: shipped model, drawn street with noise, 0.992 of the pixels.
pub const VERIFY_AGREEMENT_INT8: f64 = 0.97;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_precision_has_its_own() {
        let expected = [
            (Precision::Fp32, Tolerance::FP32),
            (Precision::Fp16, Tolerance::FP16),
            (Precision::Int8, Tolerance::INT8),
        ];
        for (precision, tolerance) in expected {
            assert_eq!(Tolerance::of(precision), tolerance, "{precision}");
        }
    }
}
