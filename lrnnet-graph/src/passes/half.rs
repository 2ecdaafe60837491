//! float16 weights and arithmetic, with float32 where the range or the resolution of float16 would not do.

use std::collections::HashMap;

use half::f16;

use crate::graph::ElementType::{self, Float16, Float32};
use crate::graph::{Graph, Op, Value};
use crate::tensor::Constant;

/// Convolutions and batch normalisation go to float16; what lies between them follows its operands. Everything else
/// (norms, products, reductions, upsampling) stays float32, and so do inputs and outputs.
pub fn to_half(graph: &Graph) -> Graph {
    let mut casts = Casts::default();
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let half = match node.op {
            Op::Conv(_) | Op::BatchNorm { .. } => true,
            Op::Relu | Op::Add | Op::Concat(_) | Op::MaxPool => computed_in_half(new, inputs),
            Op::Channels { .. } | Op::GatherChannels(_) | Op::Shuffle => computed_in_half(new, inputs),
            _ => false,
        };
        let target = if half { Float16 } else { Float32 };
        let inputs: Vec<_> = inputs.iter().map(|&x| casts.to(new, x, target)).collect();
        let result = new.copy(node, &inputs);
        if graph.is_output(value) { casts.to(new, result, node.element) } else { result }
    })
}

fn computed_in_half(graph: &Graph, inputs: &[Value]) -> bool {
    inputs.iter().all(|&x| graph.node(x).element == Float16)
}

/// Conversions made so far, so that a value is converted once.
#[derive(Default)]
struct Casts(HashMap<Value, Value>);

impl Casts {
    /// `x` as `target`, if it is a float of the other kind.
    fn to(&mut self, graph: &mut Graph, x: Value, target: ElementType) -> Value {
        let node = graph.node(x);
        let is_other_float = [Float16, Float32].contains(&node.element) && node.element != target;
        if !is_other_float {
            return x;
        }
        *self.0.entry(x).or_insert_with(|| {
            let node = graph.node(x).clone();
            match node.op {
                Op::Constant(Constant::Float32(values)) => graph.constant(node.name, values.map(|&v| f16::from_f32(v))),
                Op::Constant(Constant::Float16(values)) => graph.constant(node.name, values.map(|v| v.to_f32())),
                _ => {
                    let suffix = if target == Float16 { "half" } else { "float" };
                    graph.push(format!("{}.{suffix}", node.name), Op::Cast(target), &[x])
                }
            }
        })
    }
}
