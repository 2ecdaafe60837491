//! Channel shuffle in ONNX's own operators.

use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Dim, Graph, Node, Op, Value};

/// The source channel of each channel of a shuffle in two groups: `out[2 i + g] = in[g c/2 + i]`.
pub fn shuffled(channels: usize) -> impl Iterator<Item = usize> {
    (0..channels).map(move |out| (out % 2) * (channels / 2) + out / 2)
}

/// Writes every shuffle as reshape, transpose, reshape.
///
/// A fixed size takes `[n, 2, c/2, h, w]`, as PyTorch's `channel_shuffle` does. With symbolic `h` and `w` the last
/// reshape could not name both, so there the channels go last first, where every other extent is kept.
pub fn lower_shuffles(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        match (&node.op, inputs) {
            (Op::Shuffle, [x]) => lower(new, node, *x),
            _ => new.copy(node, inputs),
        }
    })
}

fn lower(graph: &mut Graph, node: &Node, x: Value) -> Value {
    let extents: Vec<_> = graph.shape(x).iter().copied().map(Dim::as_fixed).collect();
    let [_, Some(c), h, w] = extents[..] else { return graph.copy(node, &[x]) };
    let steps = match (h, w) {
        (Some(h), Some(w)) => vec![
            ("groups", Op::Reshape(vec![Keep, Fixed(2), Fixed(c / 2), Fixed(h), Fixed(w)])),
            ("swapped", Op::Transpose(vec![0, 2, 1, 3, 4])),
            ("", Op::Reshape(vec![Keep, Fixed(c), Fixed(h), Fixed(w)])),
        ],
        _ => vec![
            ("channels_last", Op::Transpose(vec![0, 2, 3, 1])),
            ("groups", Op::Reshape(vec![Keep, Keep, Keep, Fixed(2), Fixed(c / 2)])),
            ("swapped", Op::Transpose(vec![0, 1, 2, 4, 3])),
            ("joined", Op::Reshape(vec![Keep, Keep, Keep, Rest])),
            ("", Op::Transpose(vec![0, 3, 1, 2])),
        ],
    };
    steps.into_iter().fold(x, |x, (suffix, op)| match suffix {
        "" => graph.push_for(node, op, &[x]),
        _ => graph.push_beside(node, suffix, op, &[x]),
    })
}
