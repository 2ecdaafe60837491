//! What engines want that keep channels in blocks as wide as a vector register: [`BLOCK`] of them lie side by side, for
//! every position. ONNX Runtime does so on CPUs of x86, and OpenVINO. A node that does not know the blocks costs two
//! copies of its operand, one to planes and one back. Convolutions, sums, ReLUs, pools and joins of whole blocks know
//! them; slices and gathers of channels do not.

use std::collections::HashMap;

use super::absorb_shuffles::{move_inputs, width};
use super::convolution::push_conv;
use crate::graph::{Conv, ElementType, Graph, Node, Op, Value};
use crate::tensor::Tensor;

/// Channels of a block: 16 float32 in 512 bits. Multiples of it are whole blocks of narrower registers too.
const BLOCK: usize = 16;

/// A join of parts that are no whole blocks becomes a sum of convolutions that give all of the join's channels, zeros
/// among them. The first transition is one: 29 channels beside 3.
pub fn widen_joins(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let joined = (node.op == Op::Concat(1) && node.shape.len() == 4).then(|| widened(new, node, inputs)).flatten();
        joined.unwrap_or_else(|| new.copy(node, inputs))
    })
}

fn widened(graph: &mut Graph, node: &Node, parts: &[Value]) -> Option<Value> {
    let total: usize = parts.iter().map(|&part| width(graph, part)).sum();
    let in_blocks = parts.iter().all(|&part| width(graph, part).is_multiple_of(BLOCK));
    if in_blocks || !total.is_multiple_of(BLOCK) {
        return None;
    }
    let filters: Vec<_> = parts.iter().map(|&part| Filters::of(graph, part)).collect::<Option<_>>()?;
    let mut start = 0;
    let mut sum = None;
    for (&part, filters) in parts.iter().zip(filters) {
        let node_of_part = graph.node(part).clone();
        let rows = filters.bias.data().len();
        let wide = filters.wide(start, total);
        let conv = Conv { groups: 1, ..filters.conv };
        let wide = push_conv(graph, &node_of_part, node_of_part.inputs[0], conv, wide.weight, wide.bias);
        start += rows;
        sum = Some(match sum {
            None => wide,
            Some(sum) => graph.push_for(node, Op::Add, &[sum, wide]),
        });
    }
    sum
}

/// A convolution's constants, its weight as of one group: `[out, in, kh, kw]` and `[out]`.
struct Filters {
    conv: Conv,
    weight: Tensor,
    bias: Tensor,
}

impl Filters {
    fn of(graph: &Graph, value: Value) -> Option<Self> {
        let node = graph.node(value);
        let Op::Conv(conv) = node.op else { return None };
        let weight = graph.constant_of(node.inputs[1])?;
        let out = weight.shape()[0];
        let bias = match node.inputs.get(2) {
            Some(&bias) => graph.constant_of(bias)?.clone(),
            None => Tensor::from_fn([out], |_| 0.0),
        };
        Some(Self { conv, weight: dense(weight, conv.groups), bias })
    }

    /// The same filters as `start..` of `total`, the others zero.
    fn wide(&self, start: usize, total: usize) -> Self {
        let [rows, inputs, kh, kw] = four(&self.weight);
        let filter = inputs * kh * kw;
        let mut weight = Tensor::from_fn([total, inputs, kh, kw], |_| 0.0);
        weight.data_mut()[start * filter..][..rows * filter].copy_from_slice(self.weight.data());
        let mut bias = Tensor::from_fn([total], |_| 0.0);
        bias.data_mut()[start..][..rows].copy_from_slice(self.bias.data());
        Self { conv: self.conv, weight, bias }
    }
}

fn four(weight: &Tensor) -> [usize; 4] {
    weight.shape().try_into().expect("a convolution's weight has four axes")
}

/// A weight of `groups` with zeros for the inputs that a group does not see.
fn dense(weight: &Tensor, groups: usize) -> Tensor {
    let [out, inputs, kh, kw] = four(weight);
    let filter = inputs * kh * kw;
    let mut dense = Tensor::from_fn([out, inputs * groups, kh, kw], |_| 0.0);
    for (row, values) in weight.data().chunks(filter).enumerate() {
        let group = row / (out / groups);
        dense.data_mut()[row * filter * groups + group * filter..][..filter].copy_from_slice(values);
    }
    dense
}

/// The ReLU of a join is the join of ReLUs, which engines do in the convolutions before.
pub fn relu_before_join(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        match (&node.op, inputs) {
            (Op::Relu, &[x]) if new.node(x).op == Op::Concat(1) => {
                let join = new.node(x).clone();
                let parts = join.inputs.iter().enumerate();
                let parts: Vec<_> =
                    parts.map(|(i, &part)| new.push_beside(node, &format!("part{i}"), Op::Relu, &[part])).collect();
                new.push_for(node, Op::Concat(1), &parts)
            }
            _ => new.copy(node, inputs),
        }
    })
}

/// A depthwise convolution of a join is the join of depthwise convolutions.
pub fn depthwise_before_join(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        depthwise_of_parts(new, node, inputs).unwrap_or_else(|| new.copy(node, inputs))
    })
}

fn depthwise_of_parts(graph: &mut Graph, node: &Node, inputs: &[Value]) -> Option<Value> {
    let (Op::Conv(conv), &[x, weight, ref bias @ ..]) = (&node.op, inputs) else { return None };
    let join = graph.node(x).clone();
    let weight = graph.constant_of(weight)?.clone();
    let is_depthwise = conv.groups == width(graph, x) && weight.shape()[0] == conv.groups;
    if join.op != Op::Concat(1) || !is_depthwise {
        return None;
    }
    let bias = match bias {
        [] => Tensor::from_fn([conv.groups], |_| 0.0),
        [bias, ..] => graph.constant_of(*bias)?.clone(),
    };
    let taps = weight.data().len() / conv.groups;
    let [kh, kw] = conv.kernel;
    let mut start = 0;
    let mut parts = Vec::with_capacity(join.inputs.len());
    for (i, &part) in join.inputs.iter().enumerate() {
        let c = width(graph, part);
        let node = Node { name: format!("{}.part{i}", node.name), ..node.clone() };
        let weight = Tensor::from_fn([c, 1, kh, kw], |j| weight.data()[start * taps + j]);
        let bias = Tensor::from_fn([c], |j| bias.data()[start + j]);
        parts.push(push_conv(graph, &node, part, conv.groups(c), weight, bias));
        start += c;
    }
    Some(graph.push_for(node, Op::Concat(1), &parts))
}

/// A residual sum with a convolution of a join becomes a sum with one convolution for each part: `x + W [a, b]` is
/// `x + W_a a + W_b b`. Engines add in the convolutions, into the memory of `x`, and nothing is joined.
///
/// ONNX Runtime 1.31 takes the memory of `x` only if it has run everything else that reads `x`. It does where the file has
/// all convolutions before the sums; the other order costs a copy of `x`.
pub fn sum_parts(graph: &Graph) -> Graph {
    let readers = readers(graph);
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let (Op::Add, &[x, y]) = (&node.op, inputs) else { return new.copy(node, inputs) };
        let is_single = |i: usize| readers[node.inputs[i].index()] == 1;
        let parts = |new: &mut Graph, i: usize| is_single(i).then(|| convolved_parts(new, inputs[i])).flatten();
        let Some((x, parts)) = parts(new, 1).map(|p| (x, p)).or_else(|| parts(new, 0).map(|p| (y, p))) else {
            return new.copy(node, inputs);
        };
        let (last, first) = parts.split_last().expect("a join has parts");
        let add = |sum, (i, &part): (usize, &Value)| new.push_beside(node, &format!("part{i}"), Op::Add, &[sum, part]);
        let sum = first.iter().enumerate().fold(x, add);
        new.push_for(node, Op::Add, &[sum, *last])
    })
}

/// How often each value is read, by nodes and by the caller.
fn readers(graph: &Graph) -> Vec<usize> {
    let mut readers: Vec<_> = graph.values().map(|value| usize::from(graph.is_output(value))).collect();
    graph.nodes().iter().flat_map(|node| &node.inputs).for_each(|operand| readers[operand.index()] += 1);
    readers
}

/// One convolution for each part that `value` convolves the join of; the first has the bias.
fn convolved_parts(graph: &mut Graph, value: Value) -> Option<Vec<Value>> {
    let node = graph.node(value).clone();
    let Op::Conv(conv @ Conv { groups: 1, .. }) = node.op else { return None };
    let join = graph.node(node.inputs[0]).clone();
    let in_blocks = |graph: &Graph| join.inputs.iter().all(|&part| width(graph, part).is_multiple_of(BLOCK));
    if join.op != Op::Concat(1) || !in_blocks(graph) {
        return None;
    }
    let filters = Filters::of(graph, value)?;
    let [out, inputs, kh, kw] = four(&filters.weight);
    let taps = kh * kw;
    let mut start = 0;
    let mut parts = Vec::with_capacity(join.inputs.len());
    for (i, &part) in join.inputs.iter().enumerate() {
        let c = width(graph, part);
        let source = |j: usize| (j / (c * taps)) * inputs * taps + start * taps + j % (c * taps);
        let weight = Tensor::from_fn([out, c, kh, kw], |j| filters.weight.data()[source(j)]);
        let weight = graph.constant(format!("{}.part{i}.weight", node.name), weight);
        let mut operands = vec![part, weight];
        if i == 0 {
            operands.push(graph.constant(format!("{}.bias", node.name), filters.bias.clone()));
        }
        parts.push(graph.push_beside(&node, &format!("part{i}"), Op::Conv(conv), &operands));
        start += c;
    }
    Some(parts)
}

/// Channels that only convolutions read are taken in the order in which they lie; the weights read them from there.
pub fn gather_in_order(graph: &Graph) -> Graph {
    let only_convolved = read_by_convolutions_alone(graph);
    let mut moved: HashMap<Value, Vec<usize>> = HashMap::new();
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        match &node.op {
            Op::GatherChannels(channels) if only_convolved[value.index()] && is_unordered(channels) => {
                let mut sorted = channels.clone();
                sorted.sort_unstable();
                let place = |channel| sorted.binary_search(channel).expect("the same channels");
                moved.insert(value, channels.iter().map(place).collect());
                new.push_for(node, Op::GatherChannels(sorted), inputs)
            }
            Op::Conv(conv) => match moved.get(&node.inputs[0]) {
                Some(places) => {
                    let filters = Filters::of(graph, value).expect("constants, as was checked");
                    let weight = move_inputs(&filters.weight, places);
                    push_conv(new, node, inputs[0], *conv, weight, filters.bias)
                }
                None => new.copy(node, inputs),
            },
            _ => new.copy(node, inputs),
        }
    })
}

/// Whether the channels, no two of them the same, are out of order.
fn is_unordered(channels: &[usize]) -> bool {
    let mut sorted = channels.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len() == channels.len() && sorted != channels
}

/// For each value, whether nothing but dense convolutions of constants reads it, as what they convolve.
fn read_by_convolutions_alone(graph: &Graph) -> Vec<bool> {
    let mut alone: Vec<_> = graph.values().map(|value| !graph.is_output(value)).collect();
    for value in graph.values() {
        let node = graph.node(value);
        let is_dense = matches!(node.op, Op::Conv(conv) if conv.groups == 1) && Filters::of(graph, value).is_some();
        let others = if is_dense { &node.inputs[1..] } else { &node.inputs[..] };
        others.iter().for_each(|operand| alone[operand.index()] = false);
    }
    alone
}

/// Channels that are just one part of a join are that part.
pub fn take_parts(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let part = node.op.selected_channels().and_then(|channels| part_of(new, *inputs.first()?, &channels));
        part.unwrap_or_else(|| new.copy(node, inputs))
    })
}

fn part_of(graph: &Graph, join: Value, channels: &[usize]) -> Option<Value> {
    let join = graph.node(join);
    let mut start = 0;
    let parts = if join.op == Op::Concat(1) { join.inputs.as_slice() } else { &[] };
    parts.iter().copied().find(|&part| {
        let range = start..start + width(graph, part);
        start = range.end;
        channels.iter().copied().eq(range)
    })
}

/// Whole blocks of channels are taken by a 1 x 1 convolution of zeros and ones: of each channel one is multiplied by one and
/// added to nothing, so values stay as they are, but for infinities, which become NaN beside.
///
/// Where a half takes equally many channels of each quarter, as in a shuffled stage it does, the convolution has four
/// groups and a quarter of the products.
pub fn select_by_convolution(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let selected = node.op.selected_channels().and_then(|channels| selection(new, node, inputs[0], &channels));
        selected.unwrap_or_else(|| new.copy(node, inputs))
    })
}

fn selection(graph: &mut Graph, node: &Node, x: Value, channels: &[usize]) -> Option<Value> {
    let (from, to) = (width(graph, x), channels.len());
    let in_blocks = from.is_multiple_of(BLOCK) && to.is_multiple_of(BLOCK);
    if node.element != ElementType::Float32 || !in_blocks {
        return None;
    }
    let groups = groups(from, channels);
    let inputs = from / groups;
    let weight = Tensor::from_fn([to, inputs, 1, 1], |i| {
        let (row, input) = (i / inputs, i % inputs);
        if channels[row] % inputs == input { 1.0 } else { 0.0 }
    });
    let weight = graph.constant(format!("{}.weight", node.name), weight);
    Some(graph.push_for(node, Op::Conv(Conv::new([1, 1]).groups(groups)), &[x, weight]))
}

/// The most groups of whole blocks such that each takes its channels from its own inputs.
fn groups(from: usize, channels: &[usize]) -> usize {
    let fits = |groups: &usize| {
        let (inputs, outputs) = (from / groups, channels.len() / groups);
        let whole = (inputs * groups, outputs * groups) == (from, channels.len());
        let in_blocks = inputs.is_multiple_of(BLOCK) && outputs.is_multiple_of(BLOCK);
        whole && in_blocks && channels.iter().enumerate().all(|(row, channel)| row / outputs == channel / inputs)
    };
    (1..=from / BLOCK).rev().find(fits).unwrap_or(1)
}
