//! The context module's products in their cheaper order, and nodes that change nothing.

use crate::graph::{Graph, Op};

/// `(q K) V` becomes `q (K V)`. Without softmax both are the same, but the second costs one 32 x 32 matrix per
/// picture, whatever the number of keys; for the full non-local module, 4 G products become 17 M. Products of matrices
/// are associative, so this asks nothing of the three.
pub fn keys_and_values_first(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        if let (Op::MatMul, [scores, values]) = (&node.op, inputs) {
            let left = new.node(*scores).clone();
            if left.op == Op::MatMul {
                let gram = new.push_beside(node, "gram", Op::MatMul, &[left.inputs[1], *values]);
                return new.push_for(node, Op::MatMul, &[left.inputs[0], gram]);
            }
        }
        new.copy(node, inputs)
    })
}

/// Removes joins of one part, conversions to the same type, and reshapes and transpositions that keep everything.
pub fn remove_identities(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let keeps = match &node.op {
            Op::Concat(_) => inputs.len() == 1,
            Op::Cast(element) => new.node(inputs[0]).element == *element,
            Op::Reshape(_) => new.shape(inputs[0]) == node.shape,
            Op::Transpose(axes) => axes.is_sorted(),
            Op::GatherChannels(indices) => {
                indices.iter().copied().eq(0..indices.len()) && new.shape(inputs[0]) == node.shape
            }
            _ => false,
        };
        if keeps { inputs[0] } else { new.copy(node, inputs) }
    })
}
