//! float16 weights and arithmetic, with float32 where the range or the resolution of float16 would not do.

use std::collections::HashMap;

use half::f16;

use crate::graph::ElementType::{self, Float16, Float32};
use crate::graph::{Arithmetic, Graph, Op, Value};
use crate::tensor::Constant;

/// Convolutions and batch normalisations go to float16, and so does what has all of its operands in float16, but for
/// nodes that ask for float32. Inputs and outputs keep their types.
pub fn to_half(graph: &Graph) -> Graph {
    let mut casts = Casts::default();
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let half = match (node.arithmetic, &node.op) {
            (Arithmetic::Float32, _) => false,
            (Arithmetic::AsModel, Op::Conv(_) | Op::BatchNorm { .. }) => true,
            (Arithmetic::AsModel, _) => all_half(new, inputs),
        };
        let target = if half { Float16 } else { Float32 };
        let inputs: Vec<_> = inputs.iter().map(|&x| casts.to(new, x, target)).collect();
        let result = new.copy(node, &inputs);
        if graph.is_output(value) { casts.to(new, result, node.element) } else { result }
    })
}

/// Whether all that is computed of these operands is float16. Constants can be either.
fn all_half(graph: &Graph, operands: &[Value]) -> bool {
    let mut computed = operands.iter().map(|&x| graph.node(x)).filter(|node| !matches!(node.op, Op::Constant(_)));
    computed.all(|node| node.element == Float16)
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
