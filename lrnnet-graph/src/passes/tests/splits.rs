//! Splits that go into weights.

use super::*;

fn splits(graph: &Graph) -> usize {
    count(graph, |op| matches!(op, Op::Channels { .. } | Op::GatherChannels(_)))
}

fn selected(select: Op, after: fn(&mut Graph, &mut Random, Value) -> Value) -> Graph {
    made(false, |g, r, x| {
        let y = g.push("selection", select, &[x]);
        after(g, r, y)
    })
}

#[test]
fn convolutions_read_all_channels_where_they_read_some() {
    let half = || Op::Channels { start: 2, end: 5 };
    let absorbed = named(vec![
        ("slice", selected(half(), |g, r, x| conv(g, r, x, 4, Conv::new([3, 1])))),
        ("strided and dilated", selected(half(), |g, r, x| conv(g, r, x, 4, Conv::new([3, 3]).stride(2).dilation(2)))),
        ("gather", selected(Op::GatherChannels(vec![5, 0, 2]), |g, r, x| conv(g, r, x, 4, Conv::new([1, 3])))),
        ("gathered twice", selected(Op::GatherChannels(vec![1, 4, 1]), |g, r, x| conv(g, r, x, 4, Conv::new([3, 3])))),
    ]);
    check(&ABSORB_SPLITS, absorbed, |_, found| splits(found) == 0 && ops(found).len() == 1);
}

#[test]
fn what_reads_each_channel_on_its_own_keeps_its_split() {
    let half = || Op::Channels { start: 0, end: 4 };
    let kept = named(vec![
        ("relu", selected(half(), |g, _, x| g.push("relu", Op::Relu, &[x]))),
        ("depthwise", selected(half(), |g, r, x| conv(g, r, x, 4, Conv::new([3, 3]).groups(4)))),
        (
            "unbound",
            selected(half(), |g, _, x| {
                let weight = g.constant("weight", Tensor::from_fn([2, 4, 1, 1], |i| i as f32));
                let computed = g.push("computed", Op::Relu, &[weight]);
                g.push("conv", Op::Conv(Conv::new([1, 1])), &[x, computed])
            }),
        ),
    ]);
    check(&ABSORB_SPLITS, kept, |graph, found| graph == found);
}

#[test]
fn the_dense_form_has_no_split() {
    for (name, graph) in networks() {
        let passes = crate::Form::DENSE.passes().iter();
        let found = passes.fold(graph, |graph, pass| pass.run(&graph));
        let read = |&v: &Value| match &found.node(v).op {
            Op::Conv(Conv { groups: 1, .. }) => vec![found.node(found.node(v).inputs[0]).op.clone()],
            _ => vec![],
        };
        let sources: Vec<_> = found.values().collect::<Vec<_>>().iter().flat_map(read).collect();
        let split = sources.iter().any(|op| matches!(op, Op::Channels { .. } | Op::GatherChannels(_)));
        assert!(!split, "{name}: {sources:?}");
    }
}

/// A convolution with a bias, then another one.
fn biased(first: Conv, second: Conv, between: fn(&mut Graph, Value) -> Value) -> Graph {
    made(false, |g, r, x| {
        let weight = g.constant("first.weight", r.tensor(&[6, 6 / first.groups, first.kernel[0], 3], -1.0, 1.0));
        let bias = g.constant("first.bias", r.tensor(&[6], -1.0, 1.0));
        let y = g.push("first", Op::Conv(first), &[x, weight, bias]);
        let y = between(g, y);
        conv(g, r, y, 4, second)
    })
}

#[test]
fn biases_move_into_pointwise_convolutions_that_alone_read_them() {
    let biases = |found: &Graph| -> Vec<usize> {
        let convs = found.nodes().iter().filter(|node| matches!(node.op, Op::Conv(_)));
        convs.map(|node| node.inputs.len() - 2).collect()
    };
    let (wide, pointwise) = (Conv::new([3, 3]), Conv::new([1, 1]));
    let moved = named(vec![
        ("depthwise", biased(wide.groups(6), pointwise, |_, x| x)),
        ("dense", biased(wide.dilation(2), pointwise.stride(2), |_, x| x)),
    ]);
    check(&MOVE_BIASES, moved, |_, found| biases(found) == [0, 1]);
    let kept = named(vec![
        ("not pointwise", biased(wide, wide, |_, x| x)),
        ("grouped", biased(wide, pointwise.groups(2), |_, x| x)),
        ("a relu between", biased(wide, pointwise, |g, x| g.push("relu", Op::Relu, &[x]))),
        (
            "read by two",
            biased(wide, pointwise, |g, x| {
                g.output("first", x);
                x
            }),
        ),
    ]);
    check(&MOVE_BIASES, kept, |graph, found| graph == found);
}
