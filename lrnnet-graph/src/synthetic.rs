//! Weights and pictures by formula, for tests and latency measurements without any trained file.
//!
//! The formulas are those of `training/lrnnet/synthetic.py`, so golden files need to hold outputs only.

use crate::model::Network;
use crate::tensor::{Tensor, Weights};

/// Weights for every parameter of `network`, with activations of ordinary size.
pub fn weights(network: &Network) -> Weights {
    let params = network.params();
    params.map(|(name, shape)| (name.to_owned(), weight(name, shape))).collect()
}

fn weight(name: &str, shape: Vec<usize>) -> Tensor {
    let seed = fnv1a(name);
    let (gain, center) = match name.rsplit_once('.') {
        _ if shape.len() == 4 => ((3.0 / shape[1..].iter().product::<usize>() as f64).sqrt(), 0.0),
        Some((module, "weight")) if is_batch_norm(module) => (0.2, 1.0),
        Some((module, "bias" | "running_mean")) if is_batch_norm(module) => (0.2, 0.0),
        Some((_, "running_var" | "u0")) => (0.5, 1.0),
        _ => (0.1, 0.0),
    };
    Tensor::from_fn(shape, |i| (center + gain * uniform(seed, i as u64)) as f32)
}

fn is_batch_norm(module: &str) -> bool {
    module.rsplit('.').next().is_some_and(|last| last.contains("bn"))
}

/// An RGB picture, `height * width * 3` bytes in rows: slanted waves under a little noise.
pub fn picture(height: usize, width: usize) -> Vec<u8> {
    let seed = fnv1a("image");
    let byte = |n: usize| {
        let (y, x, c) = (n / 3 / width, n / 3 % width, n % 3);
        let t = (3 * x + 5 * y + 40 * c) % 256;
        let wave = if t < 128 { 2 * t } else { 511 - 2 * t };
        let noise = (splitmix(seed, n as u64) >> 59) as usize;
        (wave * 7 / 8 + noise).min(255) as u8
    };
    (0..height * width * 3).map(byte).collect()
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
