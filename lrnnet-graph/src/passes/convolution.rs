//! Convolutions of constants, which passes take apart and put together.

use crate::graph::{Conv, Graph, Node, Op, Value};
use crate::tensor::Tensor;

/// A convolution that stands for `node`, with constants called as PyTorch would call them.
pub fn push_conv(graph: &mut Graph, node: &Node, x: Value, conv: Conv, weight: Tensor, bias: Tensor) -> Value {
    let weight = graph.constant(format!("{}.weight", node.name), weight);
    let bias = graph.constant(format!("{}.bias", node.name), bias);
    graph.push_for(node, Op::Conv(conv), &[x, weight, bias])
}

/// The constants of a convolution of `operands`, with a bias of zeros where it has none.
pub fn weight_and_bias(graph: &Graph, operands: &[Value]) -> Option<(Tensor, Tensor)> {
    let constant = |&operand: &Value| graph.constant_of(operand).cloned();
    let weight = operands.get(1).and_then(constant)?;
    let bias = match operands.get(2) {
        Some(operand) => constant(operand)?,
        None => Tensor::from_fn([weight.shape()[0]], |_| 0.0),
    };
    Some((weight, bias))
}
