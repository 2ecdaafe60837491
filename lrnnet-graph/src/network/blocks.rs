//! The encoder's blocks, each as its paper draws it.

use crate::graph::{Conv, Op, Scope, Value};

const DOWN: Conv = Conv::new([3, 1]);
const ACROSS: Conv = Conv::new([1, 3]);

/// ENet's transition: `[n, i, h, w] -> [n, o, h/2, w/2]`.
///
/// `relu(bn(concat[conv3x3 stride 2 (i -> o - i), maxpool 2x2]))`
pub fn downsample(at: &mut Scope<'_>, x: Value, channels: usize) -> Value {
    let new = channels - at.channels(x);
    let conv = at.at("conv").conv(x, new, Conv::new([3, 3]).stride(2));
    let pool = at.at("pool").push(Op::MaxPool, &[x]);
    let y = at.at("concat").push(Op::Concat(1), &[conv, pool]);
    let y = at.at("bn").batch_norm(y);
    at.at("relu").relu(y)
}

/// Factorized convolution block (section 3.3, Fig. 4c): `[n, c, h, w] -> [n, c, h, w]`.
///
/// Two halves of the channels go through 3x1 then 1x3 (left) and 1x3 then 3x1 (right) convolutions; a dilated
/// depthwise and a pointwise convolution see both; then residual, ReLU and shuffle. The long-range context comes
/// from the depthwise convolution alone, which is what makes the block cheap.
pub fn fcb(at: &mut Scope<'_>, x: Value, dilation: usize) -> Value {
    let c = at.channels(x);
    let (a, b) = halves(at, x);
    let a = fcb_branch(&mut at.at("left"), a, [DOWN, ACROSS]);
    let b = fcb_branch(&mut at.at("right"), b, [ACROSS, DOWN]);
    let y = at.at("concat").push(Op::Concat(1), &[a, b]);
    let y = at.at("depthwise").conv(y, c, Conv::new([3, 3]).dilation(dilation).groups(c));
    let y = at.at("depthwise_bn").batch_norm(y);
    let y = at.at("pointwise").conv(y, c, Conv::new([1, 1]));
    let y = at.at("pointwise_bn").batch_norm(y);
    let y = residual(at, x, y);
    at.at("shuffle").push(Op::Shuffle, &[y])
}

/// `relu(bn(conv2(relu(conv1(x)))))`
fn fcb_branch(at: &mut Scope<'_>, x: Value, [first, second]: [Conv; 2]) -> Value {
    let c = at.channels(x);
    let x = at.at("conv1").conv(x, c, first);
    let x = at.at("relu1").relu(x);
    let x = at.at("conv2").conv(x, c, second);
    let x = at.at("bn").batch_norm(x);
    at.at("relu2").relu(x)
}

/// LEDNet's split-shuffle non-bottleneck, the ablation of Table 1: `[n, c, h, w] -> [n, c, h, w]`.
pub fn ss_nbt(at: &mut Scope<'_>, x: Value, dilation: usize) -> Value {
    let (a, b) = halves(at, x);
    let a = factorized_pairs(&mut at.at("left"), a, [DOWN, ACROSS], dilation);
    let b = factorized_pairs(&mut at.at("right"), b, [ACROSS, DOWN], dilation);
    let y = at.at("concat").push(Op::Concat(1), &[a, b]);
    let y = residual(at, x, y);
    at.at("shuffle").push(Op::Shuffle, &[y])
}

/// ERFNet's non-bottleneck-1D (Fig. 4a): `[n, c, h, w] -> [n, c, h, w]`.
pub fn non_bt_1d(at: &mut Scope<'_>, x: Value, dilation: usize) -> Value {
    let y = factorized_pairs(at, x, [DOWN, ACROSS], dilation);
    residual(at, x, y)
}

/// `bn2(conv4(relu(conv3(relu(bn1(conv2(relu(conv1(x)))))))))`, the second pair dilated.
fn factorized_pairs(at: &mut Scope<'_>, x: Value, [first, second]: [Conv; 2], dilation: usize) -> Value {
    let c = at.channels(x);
    let x = at.at("conv1").conv_with_bias(x, c, first);
    let x = at.at("relu1").relu(x);
    let x = at.at("conv2").conv_with_bias(x, c, second);
    let x = at.at("bn1").batch_norm(x);
    let x = at.at("relu2").relu(x);
    let x = at.at("conv3").conv_with_bias(x, c, first.dilation(dilation));
    let x = at.at("relu3").relu(x);
    let x = at.at("conv4").conv_with_bias(x, c, second.dilation(dilation));
    at.at("bn2").batch_norm(x)
}

/// The first and the second half of the channels.
fn halves(at: &mut Scope<'_>, x: Value) -> (Value, Value) {
    let c = at.channels(x);
    let mut half = |name: &str, start, end| at.at(name).push(Op::Channels { start, end }, &[x]);
    (half("left.split", 0, c / 2), half("right.split", c / 2, c))
}

/// `relu(x + y)`
fn residual(at: &mut Scope<'_>, x: Value, y: Value) -> Value {
    let y = at.at("add").add(x, y);
    at.at("relu").relu(y)
}
