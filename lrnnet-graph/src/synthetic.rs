//! Weights and pictures by formula, for tests and latency measurements without any trained file.
//!
//! The formulas are those of `training/lrnnet/synthetic.py`, so golden files need to hold outputs only.

use crate::bind::Param;
use crate::config::Config;
use crate::form::Form;
use crate::graph::Role;
use crate::model::{Network, Origin};
use crate::onnx::Opset;
use crate::tensor::{Tensor, Weights};

/// Weights for every parameter of `network`, with activations of ordinary size.
pub fn weights(network: &Network) -> Weights {
    network.params().map(|param| (param.name.to_owned(), weight(&param))).collect()
}

fn weight(param: &Param<'_>) -> Tensor {
    let seed = fnv1a(param.name);
    let (gain, center) = match param.role {
        Role::Weight => ((3.0 / param.shape[1..].iter().product::<usize>() as f64).sqrt(), 0.0),
        Role::Bias => (0.1, 0.0),
        Role::Scale => (0.2, 1.0),
        Role::Shift | Role::Mean => (0.2, 0.0),
        Role::Variance | Role::Start => (0.5, 1.0),
    };
    Tensor::from_fn(param.shape.clone(), |i| (center + gain * uniform(seed, i as u64)) as f32)
}

/// The bytes of a model file of `config` with such weights, in the form [`Form::DEPLOY`].
pub fn onnx(config: Config) -> Vec<u8> {
    let network = Network::new(config);
    let weights = weights(&network);
    let model = network.bind(weights).expect("each parameter has its weights").rewrite(Form::DEPLOY);
    let origin = Origin { weights_sha256: "0".repeat(64), exporter: "synthetic weights".into() };
    model.expect("a plain model can be rewritten").to_onnx(Opset::default(), &origin)
}

/// An RGB picture, `height * width * 3` bytes in rows: a street of flat shapes under a little noise, in which a trained
/// network finds most of its classes.
pub fn picture(height: usize, width: usize) -> Vec<u8> {
    let seed = fnv1a("image");
    let byte = |n: usize| {
        let (y, x, c) = (n / 3 / width, n / 3 % width, n % 3);
        let noise = (splitmix(seed, n as u64) >> 59) as u8;
        street((2 * x + 1) * 500 / width, (2 * y + 1) * 500 / height)[c] + noise - 16
    };
    (0..height * width * 3).map(byte).collect()
}

/// The street's colour at `x` and `y` in thousandths of the picture; every value leaves room for the noise.
fn street(x: usize, y: usize) -> [u8; 3] {
    match (x, y) {
        (80..110, 380..700) => [50, 50, 80],                     // post
        (620..800, 470..540) => [40, 45, 55],                    // the car's window
        (590..830, 430..640) => [120, 30, 35],                   // car
        (_, 480..) if x.abs_diff(500) < y - 400 => [90, 90, 95], // road
        (_, 480..) => [150, 140, 140],                           // pavement
        (700.., 150..) => [70, 90, 40],                          // tree
        (..280, 200..) if (x / 40).is_multiple_of(2) && (y / 60).is_multiple_of(2) => [60, 60, 70], // a window
        (..280, 200..) => [130, 80, 60],                         // wall
        _ => [200, 210, 220],                                    // sky
    }
}

/// Number `i` of stream `seed`, uniform in `[-1, 1)`.
fn uniform(seed: u64, i: u64) -> f64 {
    (splitmix(seed, i) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn splitmix(seed: u64, i: u64) -> u64 {
    let z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a, 64 bits.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_give_their_published_numbers() {
        // First outputs of SplitMix64 seeded with 0, and FNV-1a's test vectors.
        assert_eq!(splitmix(0, 0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(splitmix(0, 1), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(fnv1a(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a("a"), 0xAF63_DC4C_8601_EC8C);
    }
}
