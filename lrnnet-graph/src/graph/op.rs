//! Operators.

use super::element::ElementType;
use crate::tensor::Constant;

/// A 2-D convolution without its channel counts, which follow from its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: usize,
    /// Step between the taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Conv {
    /// A dense convolution of stride and dilation one.
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: 1, dilation: [1, 1], groups: 1 }
    }

    /// The same with another stride.
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same with a dilation along each axis whose kernel is longer than one.
    pub const fn dilation(self, dilation: usize) -> Self {
        let [kh, kw] = self.kernel;
        Self { dilation: [if kh > 1 { dilation } else { 1 }, if kw > 1 { dilation } else { 1 }], ..self }
    }

    /// The same in groups.
    pub const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Zeros on each side that keep a stride-one convolution the size of its input.
    pub const fn padding(&self) -> [usize; 2] {
        [self.dilation[0] * (self.kernel[0] - 1) / 2, self.dilation[1] * (self.kernel[1] - 1) / 2]
    }
}

/// What a trained tensor is to the node that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Filters of a convolution.
    Weight,
    /// Bias of a convolution.
    Bias,
    /// Factor of a batch normalisation.
    Scale,
    /// Summand of a batch normalisation.
    Shift,
    /// Running mean of a batch normalisation.
    Mean,
    /// Running variance of a batch normalisation, never negative.
    Variance,
    /// Where a power iteration starts; drawn once, and not trained.
    Start,
}

impl Role {
    /// Whether training follows its gradient.
    pub const fn is_learned(self) -> bool {
        matches!(self, Self::Weight | Self::Bias | Self::Scale | Self::Shift)
    }
}

/// In which element type a node's floats are to be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arithmetic {
    /// In the type that the model's [`Precision`](crate::Precision) asks for.
    #[default]
    AsModel,
    /// In float32 whatever the precision: the values leave float16's range, or its resolution would decide the result.
    Float32,
}

/// One extent of a new shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The operand's extent of the same axis, which may depend on the caller.
    Keep,
    /// What the other extents leave; at most once.
    Rest,
    /// A number other than zero.
    Fixed(usize),
}

/// What a node computes. Axes count from the outermost; reductions keep their axis with extent one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The picture.
    Input,
    /// A trained tensor, before weights are bound.
    Param(Role),
    /// A tensor known at export.
    Constant(Constant),
    /// `x, weight[, bias]`: `[n, c, h, w] -> [n, out, h / stride, w / stride]`.
    Conv(Conv),
    /// `x, weight, bias, mean, variance`: `weight (x - mean) / sqrt(variance + epsilon) + bias` per channel.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `max(x, 0)`
    Relu,
    /// Element-wise sum, with broadcasting.
    Add,
    /// Element-wise product, with broadcasting.
    Mul,
    /// Element-wise quotient, with broadcasting.
    Div,
    /// Element-wise square root.
    Sqrt,
    /// Maximum of 2 x 2 positions, stride 2: `[n, c, h, w] -> [n, c, h/2, w/2]`.
    MaxPool,
    /// Product of the last two axes' matrices, with broadcasting of the others.
    MatMul,
    /// Sum along an axis.
    ReduceSum(usize),
    /// Mean along an axis.
    ReduceMean(usize),
    /// Maximum along an axis.
    ReduceMax(usize),
    /// Operands one after the other along an axis.
    Concat(usize),
    /// Elements `start..end` of the channel axis: `[n, c, h, w] -> [n, end - start, h, w]`.
    Channels {
        /// First channel.
        start: usize,
        /// One past the last channel.
        end: usize,
    },
    /// The named channels, in that order.
    GatherChannels(Vec<usize>),
    /// Channel shuffle in two groups: `out[2 i + g] = in[g c/2 + i]`. Runtimes have no such operator; it is lowered
    /// to reshapes and a transposition when the graph is written.
    Shuffle,
    /// Axes in another order.
    Transpose(Vec<usize>),
    /// The same values in another shape, one extent for each new axis.
    Reshape(Vec<Extent>),
    /// Fill below and to the right: `[n, c, h, w] -> [n, c, h + bottom, w + right]`.
    Pad {
        /// Rows added.
        bottom: usize,
        /// Columns added.
        right: usize,
        /// Value of what is added.
        fill: f32,
    },
    /// Bilinear upsampling with half-pixel centres (`align_corners=False`) by a whole factor.
    Upsample(usize),
    /// Index of the first largest channel: `[n, c, h, w] -> [n, h, w]`, int64.
    ArgMax,
    /// Conversion to the node's element type.
    Cast(ElementType),
    /// `x, scale, zero`: `x / scale`, rounded with ties to even, plus `zero`, kept within the range of `zero`'s type.
    Quantize,
    /// `x, scale[, zero]`: `(x - zero) scale` of integers, in float32. There is one scale, or one for each extent of the
    /// first axis.
    Dequantize,
}

impl Op {
    /// The channels that a selection of channels takes, in order; none for any other operator.
    pub(crate) fn selected_channels(&self) -> Option<Vec<usize>> {
        match self {
            Self::Channels { start, end } => Some((*start..*end).collect()),
            Self::GatherChannels(channels) => Some(channels.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dilation_spreads_long_sides_and_padding_keeps_the_size() {
        let cases = [
            (Conv::new([3, 3]), [1, 1], [1, 1]),
            (Conv::new([1, 1]), [1, 1], [0, 0]),
            (Conv::new([3, 1]).dilation(17), [17, 1], [17, 0]),
            (Conv::new([1, 3]).dilation(9), [1, 9], [0, 9]),
            (Conv::new([3, 5]).dilation(2), [2, 2], [2, 4]),
        ];
        for (conv, dilation, padding) in cases {
            assert_eq!((conv.dilation, conv.padding()), (dilation, padding), "{conv:?}");
        }
        let conv = Conv::new([3, 3]).stride(2).groups(4).dilation(5);
        assert_eq!(conv, Conv { kernel: [3, 3], stride: 2, dilation: [5, 5], groups: 4 });
    }
}
