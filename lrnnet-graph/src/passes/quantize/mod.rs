//! Static quantisation: weights and activations of 8 bits, in ONNX's own way of saying so (QDQ).
//!
//! Every value that is to be bytes is followed by a `QuantizeLinear` and a `DequantizeLinear`, and every weight is stored
//! as integers before a `DequantizeLinear`. Taken at its word, the graph computes floats that are rounded here and there,
//! which every engine can do; a runtime with integer kernels sees the pairs around a convolution and takes one of those.
//! So that it can keep to them,
//!
//! - a ReLU goes where the bytes end at zero, which is the same;
//! - what only moves values moves bytes, without floats in between;
//! - what is joined has one scale, so that joining is copying;
//! - the context module and the last layer stay in float32: their results need more than 8 bits;
//! - a picture that is given in bytes stays that. Its normalisation goes into the first weights.
//!
//! The last of these is exact but for what surrounds the picture: the zeros there are the mean colour as one byte for all
//! three channels, by which the top row and the left column of the first convolution's results differ a little.

mod picture;
mod plan;
mod scale;

use std::collections::{BTreeMap, HashMap};

pub use scale::Range;
use scale::{Filter, Scale};

use super::convolution::weight_and_bias;
use crate::graph::{Conv, Graph, Node, Op, Value};
use crate::tensor::Tensor;
use plan::Plan;

/// The values whose ranges [`to_int8`] has to be given.
pub fn calibration_points(graph: &Graph) -> Vec<Value> {
    Plan::of(graph).points().collect()
}

/// `graph` with weights and activations in integers. `range` says between what the values of a point lie.
pub fn to_int8(graph: &Graph, range: impl Fn(Value) -> Range) -> Graph {
    let plan = Plan::of(graph);
    let scales = plan.scales(range);
    let mut writer = Writer {
        graph,
        plan,
        scales,
        operands: HashMap::new(),
        zeros: HashMap::new(),
        bytes: HashMap::new(),
        planes: None,
    };
    graph.rewrite(|new, value, inputs| writer.write(new, value, inputs))
}

struct Writer<'g> {
    graph: &'g Graph,
    plan: Plan<'g>,
    scales: BTreeMap<Value, Scale>,
    /// Scale and zero point as values of the new graph, by the first value that has them.
    operands: HashMap<Value, [Value; 2]>,
    /// Zero points of the new graph.
    zeros: HashMap<u8, Value>,
    /// The bytes that a value of the new graph is made of.
    bytes: HashMap<Value, Value>,
    /// The picture's bytes in the new graph.
    planes: Option<Value>,
}

impl Writer<'_> {
    /// What stands for `value`: always floats, though they may be made of bytes.
    fn write(&mut self, new: &mut Graph, value: Value, inputs: &[Value]) -> Value {
        let node = self.graph.node(value);
        if let Some(picture) = &self.plan.picture {
            if value == picture.planes {
                let planes = new.copy(node, inputs);
                self.planes = Some(planes);
                return planes;
            }
            if let Some(planes) = self.planes.filter(|_| value == picture.value) {
                return self.floats(new, value, planes);
            }
        }
        match &node.op {
            Op::Relu if self.ends_at_zero(node.inputs[0]) => inputs[0],
            Op::Conv(conv) if self.plan.is_integer_conv(value) => {
                let result = self.convolution(new, node, *conv, inputs);
                self.as_bytes(new, value, result)
            }
            // The bytes move as they are.
            _ if self.plan.is_moved(value) && self.is_bytes(value) => {
                let bytes: Vec<_> = inputs.iter().map(|input| self.bytes[input]).collect();
                let moved = new.push_beside(node, "bytes", node.op.clone(), &bytes);
                self.floats(new, value, moved)
            }
            _ => {
                let result = new.copy(node, inputs);
                self.as_bytes(new, value, result)
            }
        }
    }

    /// Whether `value` becomes bytes here. Where one that is read by a ReLU shares its scale with negative values, the
    /// ReLU comes first.
    fn is_bytes(&self, value: Value) -> bool {
        self.plan.is_bytes(value) && (!self.plan.is_clipped(value) || self.scale(value).zero == 0)
    }

    fn ends_at_zero(&self, value: Value) -> bool {
        self.plan.is_clipped(value) && self.is_bytes(value)
    }

    fn scale(&self, value: Value) -> Scale {
        self.scales[&self.plan.scale_of(value)]
    }

    /// `result`, which stands for `value`, rounded to bytes and back, if it is to be that.
    fn as_bytes(&mut self, new: &mut Graph, value: Value, result: Value) -> Value {
        if !self.is_bytes(value) {
            return result;
        }
        let [scale, zero] = self.operands(new, value);
        let bytes = new.push_beside(self.graph.node(value), "bytes", Op::Quantize, &[result, scale, zero]);
        self.floats(new, value, bytes)
    }

    /// The floats that `bytes`, which stand for `value`, are.
    fn floats(&mut self, new: &mut Graph, value: Value, bytes: Value) -> Value {
        let [scale, zero] = self.operands(new, value);
        let floats = new.push_beside(self.graph.node(value), "float", Op::Dequantize, &[bytes, scale, zero]);
        self.bytes.insert(floats, bytes);
        floats
    }

    fn operands(&mut self, new: &mut Graph, value: Value) -> [Value; 2] {
        let (first, Scale { step, zero }) = (self.plan.scale_of(value), self.scale(value));
        *self.operands.entry(first).or_insert_with(|| {
            let step = new.constant(format!("{}.step", self.graph.node(first).name), Tensor::from_fn([], |_| step));
            let zeros = &mut self.zeros;
            let zero =
                zeros.entry(zero).or_insert_with(|| new.constant(format!("zero{zero}"), Tensor::from_fn([], |_| zero)));
            [step, *zero]
        })
    }

    /// A convolution with integers for weight and bias.
    fn convolution(&self, new: &mut Graph, node: &Node, conv: Conv, inputs: &[Value]) -> Value {
        let (weight, bias) = weight_and_bias(self.graph, &node.inputs).expect("integer convolutions are of constants");
        let input = node.inputs[0];
        let outputs = bias.data().len();
        let row = weight.data().len() / outputs;
        let mut rows: Vec<Vec<f64>> =
            weight.data().chunks(row).map(|row| row.iter().copied().map(f64::from).collect()).collect();
        let mut biases: Vec<f64> = bias.data().iter().copied().map(f64::from).collect();
        if let Some(picture) = self.plan.picture.as_ref().filter(|_| self.plan.is_of_picture(input)) {
            picture.fold(&mut rows, &mut biases, weight.shape()[1], outputs / conv.groups);
        }
        let step = self.scale(input).step;
        let filters: Vec<_> = rows.iter().zip(&biases).map(|(row, &bias)| Filter::of(row, bias, step)).collect();
        let integers = filters.iter().flat_map(|filter| filter.weights.iter().copied()).collect();
        let integers = Tensor::new(weight.shape(), integers).expect("as many integers as weights");
        let weight = stored(new, node, &integers);
        let steps = Tensor::from_fn([outputs], |out| filters[out].step);
        let weight_step = new.constant(format!("{}.weight.step", node.name), steps);
        let weight = new.push_beside(node, "weight.float", Op::Dequantize, &[weight, weight_step]);
        if filters.iter().all(|filter| filter.bias == 0) {
            return new.push_for(node, Op::Conv(conv), &[inputs[0], weight]);
        }
        let bias = new.constant(format!("{}.bias", node.name), Tensor::from_fn([outputs], |out| filters[out].bias));
        let bias_step = Tensor::from_fn([outputs], |out| filters[out].step * step);
        let bias_step = new.constant(format!("{}.bias.step", node.name), bias_step);
        let bias = new.push_beside(node, "bias.float", Op::Dequantize, &[bias, bias_step]);
        new.push_for(node, Op::Conv(conv), &[inputs[0], weight, bias])
    }
}

/// A weight as a value, whose input channels without a weight are stored once if they are many: runtimes gather
/// constants when they load a file.
fn stored(new: &mut Graph, node: &Node, weight: &Tensor<i8>) -> Value {
    let name = format!("{}.weight", node.name);
    let &[out, inputs, kh, kw] = weight.shape() else { unreachable!("a convolution's weight has four axes") };
    let taps = kh * kw;
    let mut used = vec![false; inputs];
    let nonzero = weight.data().iter().enumerate().filter(|(_, weight)| **weight != 0);
    nonzero.for_each(|(i, _)| used[i / taps % inputs] = true);
    let kept: Vec<_> = (0..inputs).filter(|&channel| used[channel]).collect();
    if 4 * kept.len() > 3 * inputs {
        return new.constant(name, weight.clone());
    }
    let narrow = Tensor::from_fn([out, kept.len() + 1, kh, kw], |i| {
        let width = kept.len() + 1;
        let (out, place, tap) = (i / (width * taps), i / taps % width, i % taps);
        kept.get(place).map_or(0, |channel| weight.data()[(out * inputs + channel) * taps + tap])
    });
    let narrow = new.constant(name, narrow);
    let places = (0..inputs).map(|channel| kept.binary_search(&channel).unwrap_or(kept.len()));
    new.push_beside(node, "weight.wide", Op::GatherChannels(places.collect()), &[narrow])
}
