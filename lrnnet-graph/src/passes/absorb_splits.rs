//! A convolution of some of the channels is one of all of them whose other weights are zero.
//!
//! In float32 the products with zeros cost more than a gather. In int8 they cost less: a runtime moves bytes one by one,
//! but multiplies 64 of them at a time.

use super::convolution::{push_conv, weight_and_bias};
use crate::graph::{Conv, Graph, Op};
use crate::tensor::Tensor;

/// Absorbs every selection of channels that a dense convolution of constants reads.
pub fn run(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let absorbed = match (&node.op, inputs) {
            (Op::Conv(conv @ Conv { groups: 1, .. }), [x, ..]) => {
                let selection = new.node(*x).clone();
                selection.op.selected_channels().zip(weight_and_bias(new, inputs)).and_then(
                    |(channels, (weight, bias))| {
                        let all = selection.inputs[0];
                        let weight = widened(&weight, &channels, new.shape(all)[1].as_fixed()?);
                        Some(push_conv(new, node, all, *conv, weight, bias))
                    },
                )
            }
            _ => None,
        };
        absorbed.unwrap_or_else(|| new.copy(node, inputs))
    })
}

/// A weight `[out, in, kh, kw]` whose input `i` reads channel `channels[i]` of `width`.
fn widened(weight: &Tensor, channels: &[usize], width: usize) -> Tensor {
    let &[out, _, kh, kw] = weight.shape() else { unreachable!("a convolution's weight has four axes") };
    let (taps, filter) = (kh * kw, channels.len() * kh * kw);
    let mut wide = Tensor::from_fn([out, width, kh, kw], |_| 0.0);
    for (to, from) in wide.data_mut().chunks_mut(width * taps).zip(weight.data().chunks(filter)) {
        for (i, &channel) in channels.iter().enumerate() {
            // A channel may be selected more than once.
            let to = &mut to[channel * taps..][..taps];
            to.iter_mut().zip(&from[i * taps..]).for_each(|(to, from)| *to += from);
        }
    }
    wide
}
