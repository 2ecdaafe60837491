//! Small graphs by chance, of the kinds of nodes that passes look for.

use super::evaluate::Array;
use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Conv, Dim, ElementType, Graph, Op, Value};
use crate::tensor::Tensor;

pub const HEIGHT: usize = 4;
pub const WIDTH: usize = 8;
pub const CHANNELS: usize = 6;

/// A multiplicative congruential generator, which is all that a choice among a few needs.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(2 * seed + 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0xD134_2543_DE82_EF95);
        ((self.0 >> 33) as usize) % end
    }

    /// A value from `low` up to `high`, in steps of a thousandth of the way.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.below(1001) as f32 / 1000.0
    }

    pub fn tensor(&mut self, shape: &[usize], low: f32, high: f32) -> Tensor {
        Tensor::from_fn(shape, |_| self.between(low, high))
    }

    pub fn picture(&mut self, batch: usize) -> Array {
        Array::new(&[batch, CHANNELS, HEIGHT, WIDTH], |_| f64::from(self.between(-1.0, 1.0)))
    }
}

/// A graph that begins with its picture, float32 `[1, 6, 4, 8]`, or of free batch, height and width.
pub fn with_picture(dynamic: bool) -> (Graph, Value) {
    let mut graph = Graph::default();
    let shape = match dynamic {
        false => [1, CHANNELS, HEIGHT, WIDTH].map(Dim::fixed),
        true => [Dim::BATCH, Dim::fixed(CHANNELS), Dim::HEIGHT, Dim::WIDTH],
    };
    let picture = graph.input("image", shape.to_vec(), ElementType::Float32);
    (graph, picture)
}

pub fn width(graph: &Graph, x: Value) -> usize {
    graph.shape(x)[1].as_fixed().unwrap()
}

/// A convolution of constants; with a bias at every other time.
pub fn conv(graph: &mut Graph, random: &mut Random, x: Value, out: usize, conv: Conv) -> Value {
    let [kh, kw] = conv.kernel;
    let inputs = width(graph, x) / conv.groups;
    let name = format!("conv{}", graph.nodes().len());
    let mut operands = vec![x];
    operands.push(graph.constant(format!("{name}.weight"), random.tensor(&[out, inputs, kh, kw], -1.0, 1.0)));
    if random.below(2) == 0 {
        operands.push(graph.constant(format!("{name}.bias"), random.tensor(&[out], -1.0, 1.0)));
    }
    graph.push(name, Op::Conv(conv), &operands)
}

/// A batch normalisation of constants, some of whose scales are negative.
pub fn batch_norm(graph: &mut Graph, random: &mut Random, x: Value) -> Value {
    let c = width(graph, x);
    let name = format!("bn{}", graph.nodes().len());
    let mut operands = vec![x];
    for (part, low, high) in [("scale", -1.5, 1.5), ("shift", -1.0, 1.0), ("mean", -1.0, 1.0), ("variance", 0.1, 2.0)] {
        operands.push(graph.constant(format!("{name}.{part}"), random.tensor(&[c], low, high)));
    }
    graph.push(name, Op::BatchNorm { epsilon: 1e-3 }, &operands)
}

/// A network of convolutions, normalisations, joins, splits, residual sums and shuffles in any order, whose outputs are
/// its last value and one from the middle.
pub fn network(seed: u64) -> Graph {
    let random = &mut Random::new(seed);
    let (mut graph, picture) = with_picture(seed % 4 == 3);
    let mut values = vec![picture];
    for _ in 0..14 {
        let i = random.below(values.len().min(4));
        let x = values[values.len() - 1 - i];
        let next = node(&mut graph, random, x, &values);
        values.push(next);
    }
    graph.output("last", values[14]);
    let inner = values[1 + random.below(13)];
    if seed.is_multiple_of(2) && inner != picture {
        graph.output("inner", inner);
    }
    graph
}

fn node(graph: &mut Graph, random: &mut Random, x: Value, values: &[Value]) -> Value {
    let c = width(graph, x);
    let name = format!("node{}", graph.nodes().len());
    let like = |graph: &Graph| values.iter().copied().filter(|&y| graph.shape(y) == graph.shape(x)).collect::<Vec<_>>();
    match random.below(10) {
        0 | 1 => {
            let out = [c, c, 4, 6][random.below(4)];
            let kernel = [[1, 1], [3, 1], [1, 3], [3, 3]][random.below(4)];
            let dilation = 1 + random.below(2);
            conv(graph, random, x, out, Conv::new(kernel).dilation(dilation))
        }
        // Depthwise, with one or two filters for each channel.
        2 => {
            let filters = 1 + usize::from(c < 8 && random.below(3) == 0);
            conv(graph, random, x, filters * c, Conv::new([3, 3]).groups(c))
        }
        3 => batch_norm(graph, random, x),
        4 => graph.push(name, Op::Relu, &[x]),
        5 if c.is_multiple_of(2) => graph.push(name, Op::Shuffle, &[x]),
        6 if c < 12 => {
            let fits = |y: &Value| graph.shape(*y)[2..] == graph.shape(x)[2..] && width(graph, *y) + c < 16;
            let others: Vec<_> = values.iter().copied().filter(fits).collect();
            match others.as_slice() {
                [] => graph.push(name, Op::Relu, &[x]),
                _ => graph.push(name, Op::Concat(1), &[x, others[random.below(others.len())]]),
            }
        }
        7 if c > 4 => {
            let start = random.below(c - 3);
            graph.push(name, Op::Channels { start, end: start + 3 + random.below(c - start - 3) }, &[x])
        }
        // A residual sum, whose second operand is often made by a convolution.
        _ => {
            let others = like(graph);
            let y = others[random.below(others.len())];
            let y = if random.below(2) == 0 { conv(graph, random, y, c, Conv::new([1, 1])) } else { y };
            let operands = if random.below(3) == 0 { [y, x] } else { [x, y] };
            graph.push(name, Op::Add, &operands)
        }
    }
}

/// What the values of an attention are to its keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// The keys, transposed.
    KeysTransposed,
    /// The transposed of what the keys are transposed of.
    SameVectors,
    /// The keys as they are, of as many keys as channels.
    Keys,
    /// Of other vectors.
    Others,
}

/// `(q K) V` over all positions, followed by a sum: the context module's shape, in small.
pub fn attention(seed: u64, values: Values) -> Graph {
    let random = &mut Random::new(seed);
    let (mut graph, picture) = with_picture(false);
    let c = 3 + random.below(3);
    let q = conv(&mut graph, random, picture, c, Conv::new([1, 1]));
    let flat = |graph: &mut Graph, x| graph.push("flat", Op::Reshape(vec![Keep, Fixed(1), Fixed(c), Rest]), &[x]);
    let (keys, values) = match values {
        Values::KeysTransposed => {
            let keys = flat(&mut graph, q);
            (keys, graph.push("values", Op::Transpose(vec![0, 1, 3, 2]), &[keys]))
        }
        Values::SameVectors => {
            let last = graph.push("last", Op::Reshape(vec![Keep, Fixed(c), Rest, Fixed(1)]), &[q]);
            let vectors = graph.push("vectors", Op::Concat(2), &[last]);
            let keys = graph.push("keys", Op::Transpose(vec![0, 3, 1, 2]), &[vectors]);
            (keys, graph.push("values", Op::Transpose(vec![0, 3, 2, 1]), &[vectors]))
        }
        Values::Keys => {
            let keys = graph.constant("keys", random.tensor(&[1, 1, c, c], -1.0, 1.0));
            (keys, keys)
        }
        Values::Others => {
            let other = conv(&mut graph, random, picture, c, Conv::new([1, 1]));
            let other = flat(&mut graph, other);
            let keys = flat(&mut graph, q);
            (keys, graph.push("values", Op::Transpose(vec![0, 1, 3, 2]), &[other]))
        }
    };
    let queries = graph.push("queries", Op::Transpose(vec![0, 2, 3, 1]), &[q]);
    let scores = graph.push("scores", Op::MatMul, &[queries, keys]);
    let attended = graph.push("attended", Op::MatMul, &[scores, values]);
    let planes = graph.push("planes", Op::Transpose(vec![0, 3, 1, 2]), &[attended]);
    let sum = graph.push("sum", Op::Add, &[q, planes]);
    graph.output("sum", sum);
    if seed.is_multiple_of(2) {
        graph.output("scores", scores);
    }
    graph
}
