//! The network, read from top to bottom as in the paper (section 3, Fig. 3).

mod blocks;
mod context;

use crate::config::{Block, Config, Head, InputKind, InputSize, STRIDE};
use crate::graph::{Conv, Dim, ElementType, Graph, Op, Scope, Shape, Value};
use crate::tensor::Tensor;

/// One module of the encoder.
enum Stage {
    /// Halves height and width and gives this many channels.
    Down(usize),
    /// A residual block of this dilation.
    Residual(usize),
}

use Stage::{Down, Residual};

/// Encoder modules by index: LEDNet's encoder, with the dilations the paper names (section 4.1).
const ENCODER: [Stage; 16] = [
    Down(32),
    Residual(1),
    Residual(1),
    Residual(1),
    Down(64),
    Residual(1),
    Residual(1),
    Down(128),
    Residual(1),
    Residual(2),
    Residual(5),
    Residual(9),
    Residual(2),
    Residual(5),
    Residual(9),
    Residual(17),
];

/// Width of the classifier's middle layer.
const CLASSIFIER_WIDTH: usize = 32;

/// The graph of `config`, with unbound parameters named by the contract of names.
pub fn build(config: &Config) -> Graph {
    let mut graph = Graph::default();
    let mut net = graph.root();
    let image = input(&mut net, config);
    let features = encoder(&mut net.at("encoder"), config.block, image);
    let features = context::attend(&mut net.at("svn"), &config.context, features);
    let logits8 = classifier(&mut net.at("classifier"), config.classes.names.len(), features);
    for (name, value) in head(&mut net, config.head, logits8) {
        graph.output(name, value);
    }
    graph
}

/// The picture as the network sees it: float32 `[n, 3, h, w]`, normalised.
///
/// A `u8-nhwc` picture is normalised here: `(x / 255 - mean) / std` as one product and one sum per channel.
fn input(net: &mut Scope<'_>, config: &Config) -> Value {
    let [n, h, w] = match config.size {
        InputSize::Static { batch, height, width } => [batch, height, width].map(Dim::fixed),
        InputSize::FreeBatch { height, width } => [Dim::BATCH, Dim::fixed(height), Dim::fixed(width)],
        InputSize::Dynamic => [Dim::BATCH, Dim::HEIGHT, Dim::WIDTH],
    };
    let rgb = Dim::fixed(3);
    let mut declare = |shape: Shape, element| net.graph().input("image", shape, element);
    if config.input == InputKind::F32Nchw {
        return declare(vec![n, rgb, h, w], ElementType::Float32);
    }
    let bytes = declare(vec![n, h, w, rgb], ElementType::Uint8);
    let mut normalize = net.at("normalize");
    let mut normalize = normalize.in_float32();
    let per_channel = |value: fn(f64, f64) -> f64| {
        let stats = &config.normalization;
        Tensor::from_fn([1, 3, 1, 1], |c| value(stats.mean[c].into(), stats.std[c].into()) as f32)
    };
    let planes = normalize.at("planes").transpose(bytes, &[0, 3, 1, 2]);
    let x = normalize.at("float").push(Op::Cast(ElementType::Float32), &[planes]);
    let factor = normalize.at("factor").constant(per_channel(|_, std| 1.0 / (255.0 * std)));
    let x = normalize.at("scale").push(Op::Mul, &[x, factor]);
    let offset = normalize.at("offset").constant(per_channel(|mean, std| -mean / std));
    normalize.at("shift").add(x, offset)
}

/// `[n, 3, h, w] -> [n, 128, h/8, w/8]` (Table 3).
fn encoder(encoder: &mut Scope<'_>, block: Block, mut x: Value) -> Value {
    for (i, stage) in ENCODER.iter().enumerate() {
        let at = &mut encoder.at(i);
        x = match *stage {
            Down(channels) => blocks::downsample(at, x, channels),
            Residual(dilation) => match block {
                Block::Fcb => blocks::fcb(at, x, dilation),
                Block::SsNbt => blocks::ss_nbt(at, x, dilation),
                Block::NonBt1d => blocks::non_bt_1d(at, x, dilation),
            },
        };
    }
    x
}

/// `[n, 128, h, w] -> [n, classes, h, w]`: a 3x3 convolution, then a 1x1 one (section 3.2).
fn classifier(classifier: &mut Scope<'_>, classes: usize, x: Value) -> Value {
    let x = classifier.at("conv").conv(x, CLASSIFIER_WIDTH, Conv::new([3, 3]));
    let x = classifier.at("bn").batch_norm(x);
    let x = classifier.at("relu").relu(x);
    classifier.at("predict").conv_with_bias(x, classes, Conv::new([1, 1]))
}

/// The outputs a caller asked for, from logits `[n, classes, h/8, w/8]`.
fn head(net: &mut Scope<'_>, head: Head, logits8: Value) -> Vec<(&'static str, Value)> {
    if head == Head::Logits8 {
        return vec![("logits8", logits8)];
    }
    // Interpolated in float16, near ties would become ties.
    let mut net = net.at("head");
    let mut net = net.in_float32();
    let logits = net.at("upsample").push(Op::Upsample(STRIDE), &[logits8]);
    if head == Head::Logits {
        return vec![("logits", logits)];
    }
    let index = net.at("best_class").push(Op::ArgMax, &[logits]);
    let class_map = net.at("bytes").push(Op::Cast(ElementType::Uint8), &[index]);
    let class_map = ("class_map", class_map);
    if head == Head::Both { vec![("logits", logits), class_map] } else { vec![class_map] }
}
