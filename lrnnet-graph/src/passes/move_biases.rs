//! A bias is a constant wherever it is added, so a pointwise convolution's own can hold that of the convolution before.
//!
//! What is between the two then needs no bias, and lies around zero, where integers reach furthest.

use super::convolution::{push_conv, weight_and_bias};
use crate::graph::{Conv, Graph, Node, Op, Value};
use crate::tensor::Tensor;

/// Moves the bias of every convolution that only a pointwise convolution reads into that one's.
pub fn run(graph: &Graph) -> Graph {
    let mut readers = vec![0; graph.nodes().len()];
    graph.nodes().iter().flat_map(|node| &node.inputs).for_each(|operand| readers[operand.index()] += 1);
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let once = |&value: &Value| readers[value.index()] == 1 && !graph.is_output(value);
        let moved = node.inputs.first().filter(|x| once(x)).and_then(|_| moved(new, node, inputs));
        moved.unwrap_or_else(|| new.copy(node, inputs))
    })
}

/// The pointwise convolution `node` of `inputs` with the bias of the one before.
fn moved(graph: &mut Graph, node: &Node, inputs: &[Value]) -> Option<Value> {
    let Op::Conv(conv @ Conv { kernel: [1, 1], groups: 1, .. }) = node.op else { return None };
    let before = graph.node(inputs[0]).clone();
    let (Op::Conv(first), &[x, first_weight, first_bias]) = (&before.op, before.inputs.as_slice()) else { return None };
    if before.arithmetic != node.arithmetic {
        return None;
    }
    let (weight, own) = weight_and_bias(graph, inputs)?;
    let total = sum(&own, &weight, graph.constant_of(first_bias)?);
    let unbiased = graph.push_for(&before, Op::Conv(*first), &[x, first_weight]);
    Some(push_conv(graph, node, unbiased, conv, weight, total))
}

/// `own + weight first`, in double precision.
fn sum(own: &Tensor, weight: &Tensor, first: &Tensor) -> Tensor {
    let rows = weight.data().chunks(first.data().len());
    let product = |row: &[f32]| row.iter().zip(first.data()).map(|(w, b)| f64::from(*w) * f64::from(*b)).sum::<f64>();
    let sums: Vec<f32> =
        own.data().iter().zip(rows).map(|(own, row)| (f64::from(*own) + product(row)) as f32).collect();
    Tensor::from_fn([sums.len()], |out| sums[out])
}
