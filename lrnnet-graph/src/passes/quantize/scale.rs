//! What an integer stands for.

/// The least and the largest of values.
pub type Range = [f32; 2];

/// How a byte stands for a value: `(byte - zero) step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Between two bytes.
    pub step: f32,
    /// The byte of the value zero.
    pub zero: u8,
}

impl Scale {
    /// The finest for values of this range. Zero always has a byte of its own, since it is what surrounds a picture and
    /// what a ReLU leaves.
    pub fn of([low, high]: Range) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let step = (high - low) / 255.0;
        if !step.is_normal() {
            return Self { step: 1.0, zero: 0 };
        }
        Self { step, zero: (-low / step).round_ties_even() as u8 }
    }
}

/// Largest integer of a weight. With seven bits instead of eight, two products of a weight and a byte fit into 16 bits,
/// to which CPUs without VNNI (before 2019) add pairs; they would saturate and compute something else.
const LARGEST_WEIGHT: f32 = 63.0;

/// Largest integer of a bias, which leaves room for the products in 32 bits.
const LARGEST_BIAS: f32 = (1 << 29) as f32;

/// Integers of one output of a convolution.
pub struct Filter {
    /// Value between two integers of the weights.
    pub step: f32,
    /// Weights.
    pub weights: Vec<i8>,
    /// Bias, whose step is that of the weights and of the bytes that they are multiplied with.
    pub bias: i32,
}

impl Filter {
    /// The integers for `weights` and `bias` of a convolution of bytes whose step is `input`.
    pub fn of(weights: &[f64], bias: f64, input: f32) -> Self {
        let largest = weights.iter().fold(0.0f64, |most, weight| most.max(weight.abs()));
        let step = (largest / f64::from(LARGEST_WEIGHT)).max(bias.abs() / f64::from(input * LARGEST_BIAS)) as f32;
        let step = if step.is_normal() { step } else { 1.0 };
        let round = |value: f64, step: f64| (value / step).round_ties_even();
        Self {
            step,
            weights: weights.iter().map(|&weight| round(weight, step.into()) as i8).collect(),
            bias: round(bias, f64::from(step * input)) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_reach_over_the_range_and_zero_is_one_of_them() {
        let cases = [
            ([0.0, 25.5], Scale { step: 0.1, zero: 0 }),
            ([5.0, 25.5], Scale { step: 0.1, zero: 0 }),
            ([-255.0, -5.0], Scale { step: 1.0, zero: 255 }),
            ([-1.0, 254.0], Scale { step: 1.0, zero: 1 }),
            ([-127.5, 127.5], Scale { step: 1.0, zero: 128 }),
            ([-126.5, 128.5], Scale { step: 1.0, zero: 126 }),
            ([0.0, 0.0], Scale { step: 1.0, zero: 0 }),
        ];
        for (range, scale) in cases {
            assert_eq!(Scale::of(range), scale, "{range:?}");
        }
    }

    #[test]
    fn weights_have_seven_bits_and_round_to_even() {
        let filter = Filter::of(&[-15.75, 0.625, 0.875, 15.75, 0.0], 1.0, 0.5);
        assert_eq!((filter.step, filter.weights, filter.bias), (0.25, vec![-63, 2, 4, 63, 0], 8));
        let flat = Filter::of(&[0.0], 0.0, 0.5);
        assert_eq!((flat.step, flat.weights, flat.bias), (1.0, vec![0], 0));
    }

    #[test]
    fn a_bias_beside_weights_of_next_to_nothing_fits() {
        for (weight, bias, input) in [(1e-12, 3.0, 0.5), (0.0, -3.0, 0.5), (1e-30, 1e30, 0.5), (1e-12, 3.0, 0.01)] {
            let filter = Filter::of(&[weight], bias, input);
            let found = f64::from(filter.bias) * f64::from(filter.step) * f64::from(input);
            assert!((found - bias).abs() <= 1e-6 * bias.abs(), "{weight} {bias} {input}: {found}");
        }
    }
}
