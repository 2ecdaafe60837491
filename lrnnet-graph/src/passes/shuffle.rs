//! Channel shuffle in ONNX's own operators.

use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Dim, Graph, Op, Value};

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
            (Op::Shuffle, [x]) => lower(new, &node.name, *x),
            _ => new.copy(node, inputs),
        }
    })
}

fn lower(graph: &mut Graph, name: &str, x: Value) -> Value {
    let fixed: Vec<_> = graph.shape(x)[1..].iter().copied().map(Dim::as_fixed).collect();
    let mut root = graph.root();
    let mut at = root.at(name);
    match fixed[..] {
        [Some(c), Some(h), Some(w)] => {
            let groups = at.at("groups").reshape(x, &[Keep, Fixed(2), Fixed(c / 2), Fixed(h), Fixed(w)]);
            let swapped = at.at("swapped").transpose(groups, &[0, 2, 1, 3, 4]);
            at.reshape(swapped, &[Keep, Fixed(c), Fixed(h), Fixed(w)])
        }
        _ => {
            let half = at.channels(x) / 2;
            let last = at.at("channels_last").transpose(x, &[0, 2, 3, 1]);
            let groups = at.at("groups").reshape(last, &[Keep, Keep, Keep, Fixed(2), Fixed(half)]);
            let swapped = at.at("swapped").transpose(groups, &[0, 1, 2, 4, 3]);
            let joined = at.at("joined").reshape(swapped, &[Keep, Keep, Keep, Rest]);
            at.transpose(joined, &[0, 3, 1, 2])
        }
    }
}
