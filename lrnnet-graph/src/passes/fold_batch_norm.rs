//! Batch normalisation with fixed statistics is a scale and a shift per channel, which the convolution before it
//! can do in its weight and bias.

use super::convolution::push_conv;
use crate::graph::{Conv, Graph, Node, Op, Value};
use crate::tensor::Tensor;

/// Folds every batch normalisation of constants into what computes its operand.
pub fn run(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        match (&node.op, inputs) {
            (Op::BatchNorm { epsilon }, [x, statistics @ ..]) if node.shape.len() == 4 => {
                match Affine::of(new, *epsilon, statistics) {
                    Some(affine) => affine.apply(new, node, *x),
                    None => new.copy(node, inputs),
                }
            }
            _ => new.copy(node, inputs),
        }
    })
}

/// `scale x + shift` per channel, in double precision.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    fn of(graph: &Graph, epsilon: f32, statistics: &[Value]) -> Option<Self> {
        let data = |i: usize| graph.constant_of(*statistics.get(i)?).map(Tensor::data);
        let (weight, bias, mean, variance) = (data(0)?, data(1)?, data(2)?, data(3)?);
        let scale: Vec<_> = weight
            .iter()
            .zip(variance)
            .map(|(&w, &v)| f64::from(w) / (f64::from(v) + f64::from(epsilon)).sqrt())
            .collect();
        let shift = bias.iter().zip(mean).zip(&scale).map(|((&b, &m), s)| f64::from(b) - f64::from(m) * s).collect();
        Some(Self { scale, shift })
    }

    fn channels(&self, range: std::ops::Range<usize>) -> Self {
        Self { scale: self.scale[range.clone()].to_vec(), shift: self.shift[range].to_vec() }
    }

    /// Does to `x` what the batch normalisation `norm` did.
    fn apply(&self, graph: &mut Graph, norm: &Node, x: Value) -> Value {
        let node = graph.node(x).clone();
        let folded = match &node.op {
            Op::Conv(conv) if node.arithmetic == norm.arithmetic => self.scale_conv(graph, &node, *conv),
            Op::Concat(1) => Some(self.scale_parts(graph, norm, &node)),
            _ => None,
        };
        folded.unwrap_or_else(|| self.depthwise(graph, norm, x))
    }

    /// Scales a convolution's weight and bias.
    fn scale_conv(&self, graph: &mut Graph, node: &Node, conv: Conv) -> Option<Value> {
        let weight = graph.constant_of(node.inputs[1])?;
        let per_output = weight.data().len() / self.scale.len();
        let scaled = |i: usize| (f64::from(weight.data()[i]) * self.scale[i / per_output]) as f32;
        let new_weight = Tensor::from_fn(weight.shape(), scaled);
        let bias = node.inputs.get(2).map(|&b| graph.constant_of(b).map(Tensor::data));
        let old_bias = match bias {
            Some(constant) => constant?.to_vec(),
            None => vec![0.0; self.scale.len()],
        };
        let shifted = |c: usize| (f64::from(old_bias[c]) * self.scale[c] + self.shift[c]) as f32;
        let new_bias = Tensor::from_fn([self.scale.len()], shifted);
        Some(push_conv(graph, node, node.inputs[0], conv, new_weight, new_bias))
    }

    /// Scales each joined part on its own.
    fn scale_parts(&self, graph: &mut Graph, norm: &Node, node: &Node) -> Value {
        let mut start = 0;
        let mut parts = Vec::with_capacity(node.inputs.len());
        for &part in &node.inputs {
            let channels = graph.shape(part)[1].as_fixed().expect("channels are fixed");
            parts.push(self.channels(start..start + channels).apply(graph, norm, part));
            start += channels;
        }
        graph.copy(node, &parts)
    }

    /// A 1x1 depthwise convolution, for what no weight comes before. A scale may be negative, so it cannot move in
    /// front of a maximum.
    fn depthwise(&self, graph: &mut Graph, norm: &Node, x: Value) -> Value {
        let c = self.scale.len();
        let scaled = Node { name: format!("{}.scale", graph.node(x).name), ..norm.clone() };
        let weight = Tensor::from_fn([c, 1, 1, 1], |i| self.scale[i] as f32);
        let bias = Tensor::from_fn([c], |i| self.shift[i] as f32);
        push_conv(graph, &scaled, x, Conv::new([1, 1]).groups(c), weight, bias)
    }
}
