//! The passes of the blocked form.

use super::*;

/// 6 channels made `c`.
fn wide(g: &mut Graph, r: &mut Random, x: Value, c: usize) -> Value {
    conv(g, r, x, c, Conv::new([1, 1]))
}

fn join(g: &mut Graph, parts: &[Value]) -> Value {
    g.push("join", Op::Concat(1), parts)
}

fn relu(g: &mut Graph, x: Value) -> Value {
    let name = format!("relu{}", g.nodes().len());
    g.push(name, Op::Relu, &[x])
}

fn stay(pass: &Pass, graphs: Vec<(&str, Graph)>) {
    for (name, graph) in graphs {
        assert_eq!(pass.run(&graph), graph, "{}: {name}", pass.name());
    }
}

fn is_join(op: &Op) -> bool {
    matches!(op, Op::Concat(_))
}

fn is_conv(op: &Op) -> bool {
    matches!(op, Op::Conv(_))
}

#[test]
fn joins_of_narrow_parts_become_sums() {
    let joined = |parts: fn(&mut Graph, &mut Random, Value) -> Vec<Value>| {
        made(false, move |g, r, x| {
            let parts = parts(g, r, x);
            let y = join(g, &parts);
            relu(g, y)
        })
    };
    let transition: fn(&mut Graph, &mut Random, Value) -> Vec<Value> = |g, r, x| {
        let strided = conv(g, r, x, 26, Conv::new([3, 3]).stride(2));
        let pool = g.push("pool", Op::MaxPool, &[x]);
        vec![strided, conv(g, r, pool, 6, Conv::new([1, 1]).groups(6))]
    };
    let three: fn(&mut Graph, &mut Random, Value) -> Vec<Value> =
        |g, r, x| [4, 10, 2].map(|c| conv(g, r, x, c, Conv::new([3, 1]))).to_vec();
    let grouped: fn(&mut Graph, &mut Random, Value) -> Vec<Value> =
        |g, r, x| vec![conv(g, r, x, 4, Conv::new([1, 1]).groups(2)), wide(g, r, x, 12)];
    let graphs = named(vec![
        ("transition", joined(transition)),
        ("three", joined(three)),
        ("groups that are not depthwise", joined(grouped)),
    ]);
    check(&WIDEN_JOINS, graphs, |graph, found| {
        let width = |node: &Node| node.shape[1].as_fixed();
        let total = width(found.node(found.outputs()[0].value));
        let all_wide = found.nodes().iter().filter(|node| is_conv(&node.op)).all(|node| width(node) == total);
        let sums = count(found, |op| *op == Op::Add);
        all_wide && count(found, is_join) == 0 && sums == count(graph, is_conv) - 1
    });
    stay(
        &WIDEN_JOINS,
        vec![
            ("whole blocks", joined(|g, r, x| vec![wide(g, r, x, 16), wide(g, r, x, 32)])),
            ("not a whole block together", joined(|g, r, x| vec![wide(g, r, x, 4), wide(g, r, x, 6)])),
            ("what no convolution makes", joined(|g, r, x| vec![x, wide(g, r, x, 10)])),
            ("weights that are not bound", {
                made(false, |g, r, x| {
                    let weight = g.param("w", Role::Weight, &[10, 6, 1, 1]);
                    let y = g.push("unbound", Op::Conv(Conv::new([1, 1])), &[x, weight]);
                    let z = wide(g, r, x, 6);
                    join(g, &[y, z])
                })
            }),
        ],
    );
}

#[test]
fn relus_of_joins_move_to_the_parts() {
    let graph = made(true, |g, r, x| {
        let y = wide(g, r, x, 3);
        let y = join(g, &[x, y]);
        relu(g, y)
    });
    check(&RELU_BEFORE_JOIN, named(vec![("join", graph)]), |_, found| {
        matches!(ops(found)[..], [Op::Conv(_), Op::Relu, Op::Relu, Op::Concat(1)])
    });
    let other = made(false, |g, r, x| {
        let y = wide(g, r, x, 3);
        let y = relu(g, y);
        let flat = g.push("rows", Op::Concat(2), &[y, y]);
        relu(g, flat)
    });
    stay(&RELU_BEFORE_JOIN, vec![("no join of channels", other)]);
}

#[test]
fn depthwise_convolutions_move_to_the_parts() {
    let filtered = |kernel: [usize; 2], c: usize, groups: usize| {
        made(false, move |g, r, x| {
            let y = wide(g, r, x, 4);
            let y = join(g, &[x, y]);
            conv(g, r, y, c, Conv::new(kernel).dilation(2).groups(groups))
        })
    };
    let biased = |bias: bool| {
        made(false, move |g, r, x| {
            let y = wide(g, r, x, 4);
            let y = join(g, &[x, y]);
            let mut operands = vec![y, g.constant("w", r.tensor(&[10, 1, 3, 3], -1.0, 1.0))];
            if bias {
                operands.push(g.constant("b", r.tensor(&[10], -1.0, 1.0)));
            }
            g.push("biased", Op::Conv(Conv::new([3, 3]).groups(10)), &operands)
        })
    };
    let graphs = named(vec![
        ("dilated", filtered([3, 3], 10, 10)),
        ("1x3", filtered([1, 3], 10, 10)),
        ("bias", biased(true)),
        ("no bias", biased(false)),
    ]);
    check(&DEPTHWISE_BEFORE_JOIN, graphs, |_, found| {
        let groups = |op: &&Op| if let Op::Conv(conv) = op { Some(conv.groups) } else { None };
        let groups: Vec<_> = ops(found).iter().filter_map(groups).collect();
        let part =
            |part: &str| found.nodes().iter().filter(|node| is_conv(&node.op) && node.name.ends_with(part)).count();
        let named = part(".part0") == 1 && part(".part1") == 1;
        groups == [1, 6, 4] && named && matches!(ops(found).last(), Some(Op::Concat(1)))
    });
    stay(
        &DEPTHWISE_BEFORE_JOIN,
        vec![
            ("dense", filtered([3, 3], 10, 1)),
            ("groups of two", filtered([3, 3], 10, 5)),
            ("two filters a channel", filtered([3, 3], 20, 10)),
            ("no join", made(false, |g, r, x| conv(g, r, x, 6, Conv::new([3, 3]).groups(6)))),
        ],
    );
}

/// `x + W [a, b]`, or `W [a, b] + x`; parts of 16 and `second` channels.
fn residual(second: usize, conv_first: bool, groups: usize, and: fn(&mut Graph, Value)) -> Graph {
    made(false, move |g, r, x| {
        let x = wide(g, r, x, 32);
        let (a, b) = (wide(g, r, x, 16), wide(g, r, x, second));
        let y = join(g, &[a, b]);
        let y = conv(g, r, y, 32, Conv::new([3, 3]).groups(groups));
        and(g, y);
        g.push("sum", Op::Add, &if conv_first { [y, x] } else { [x, y] })
    })
}

#[test]
fn residual_sums_take_one_convolution_for_each_part() {
    let none: fn(&mut Graph, Value) = |_, _| {};
    let graphs = named(vec![("sum", residual(32, false, 1, none)), ("convolution first", residual(16, true, 1, none))]);
    check(&SUM_PARTS, graphs, |_, found| {
        // Only the first has a bias, which would count as often as it is added.
        let operands: Vec<_> = found.nodes().iter().filter(|node| is_conv(&node.op)).map(|n| n.inputs.len()).collect();
        // All convolutions stand before the sums, which is the order that ONNX Runtime adds in place.
        matches!(ops(found)[3..], [Op::Conv(_), Op::Conv(_), Op::Add, Op::Add]) && operands[3..] == [3, 2]
    });
    let both = made(false, |g, r, x| {
        let (a, b) = (wide(g, r, x, 16), wide(g, r, x, 16));
        let y = join(g, &[a, b]);
        let (y, z) = (wide(g, r, y, 8), wide(g, r, y, 8));
        g.push("sum", Op::Add, &[y, z])
    });
    check(&SUM_PARTS, named(vec![("two convolutions", both)]), |_, found| count(found, |op| *op == Op::Add) == 2);
    stay(
        &SUM_PARTS,
        vec![
            ("no whole blocks", residual(8, false, 1, none)),
            ("groups", residual(32, false, 2, none)),
            ("the convolution is read twice", residual(16, false, 1, |g, y| g.output("inner", y))),
            ("no convolution", {
                made(false, |g, r, x| {
                    let (x, a, b) = (wide(g, r, x, 32), wide(g, r, x, 16), wide(g, r, x, 16));
                    let y = join(g, &[a, b]);
                    g.push("sum", Op::Add, &[x, y])
                })
            }),
        ],
    );
}

/// The channels `[5, 1, 3]`, read by two convolutions and by what `and` adds.
fn gathered(channels: &[usize], and: fn(&mut Graph, &mut Random, Value)) -> Graph {
    let gather = Op::GatherChannels(channels.to_vec());
    made(false, move |g, r, x| {
        let part = g.push("part", gather, &[x]);
        let (y, z) = (conv(g, r, part, 4, Conv::new([3, 1])), conv(g, r, part, 4, Conv::new([1, 3])));
        and(g, r, part);
        g.push("sum", Op::Add, &[y, z])
    })
}

#[test]
fn channels_for_convolutions_are_taken_in_their_order() {
    let graphs = named(vec![("two readers", gathered(&[5, 1, 3], |_, _, _| {}))]);
    check(
        &GATHER_IN_ORDER,
        graphs,
        |_, found| matches!(&node_called(found, "part").op, Op::GatherChannels(channels) if *channels == [1, 3, 5]),
    );
    let output: fn(&mut Graph, &mut Random, Value) = |g, _, part| g.output("inner", part);
    let read_otherwise: fn(&mut Graph, &mut Random, Value) = |g, _, part| {
        let y = relu(g, part);
        g.output("inner", y);
    };
    let depthwise: fn(&mut Graph, &mut Random, Value) = |g, r, part| {
        let y = conv(g, r, part, 3, Conv::new([1, 1]).groups(3));
        g.output("inner", y);
    };
    stay(
        &GATHER_IN_ORDER,
        vec![
            ("in order", gathered(&[1, 3, 5], |_, _, _| {})),
            ("a channel twice", gathered(&[5, 1, 5], |_, _, _| {})),
            ("an output", gathered(&[5, 1, 3], output)),
            ("a ReLU reads them", gathered(&[5, 1, 3], read_otherwise)),
            ("a depthwise convolution reads them", gathered(&[5, 1, 3], depthwise)),
        ],
    );
}

#[test]
fn channels_that_are_a_part_are_taken_from_it() {
    let taken = |op: Op| {
        made(false, move |g, r, x| {
            let y = wide(g, r, x, 4);
            let z = join(g, &[y, x]);
            let part = g.push("part", op, &[z]);
            relu(g, part)
        })
    };
    let parts = named(vec![
        ("first", taken(Op::Channels { start: 0, end: 4 })),
        ("second", taken(Op::Channels { start: 4, end: 10 })),
        ("gathered", taken(Op::GatherChannels((4..10).collect()))),
    ]);
    check(&TAKE_PARTS, parts, |_, found| count(found, is_join) == 0 && matches!(ops(found).last(), Some(Op::Relu)));
    let no_join = made(false, |g, _, x| g.push("part", Op::Channels { start: 0, end: 4 }, &[x]));
    stay(
        &TAKE_PARTS,
        vec![
            ("a part of a part", taken(Op::Channels { start: 4, end: 9 })),
            ("of two parts", taken(Op::Channels { start: 3, end: 10 })),
            ("another order", taken(Op::GatherChannels(vec![5, 4, 6, 7, 8, 9]))),
            ("no join", no_join),
        ],
    );
}

#[test]
fn blocks_of_channels_are_selected_by_convolutions() {
    let selected = |from: usize, op: Op| {
        made(false, move |g, r, x| {
            let y = wide(g, r, x, from);
            g.push("part", op, &[y])
        })
    };
    let every_other = |from: usize| Op::GatherChannels((0..from).step_by(2).collect());
    let quarters = Op::GatherChannels((0..128).filter(|channel| channel & 32 == 0).collect());
    let backwards = Op::GatherChannels((0..64).rev().collect());
    let repeated = Op::GatherChannels([[0, 5]; 16].concat());
    let cases = [
        ("a half", 32, Op::Channels { start: 16, end: 32 }, 1),
        ("the second half of 64", 64, Op::Channels { start: 32, end: 64 }, 1),
        ("every other of 32", 32, every_other(32), 1),
        ("every other of 64", 64, every_other(64), 2),
        ("every other of 128", 128, every_other(128), 4),
        ("two quarters of 128", 128, quarters, 2),
        ("backwards", 64, backwards, 1),
        ("channels more than once", 16, repeated, 1),
    ];
    for (name, from, op, groups) in cases {
        check(&SELECT_BY_CONVOLUTION, named(vec![(name, selected(from, op))]), |_, found| {
            let Op::Conv(conv) = node_called(found, "part").op else { return false };
            conv == Conv::new([1, 1]).groups(groups) && count(found, |op| matches!(op, Op::GatherChannels(_))) == 0
        });
    }
    let half = made(false, |g, r, x| {
        let y = wide(g, r, x, 32);
        let y = g.push("half", Op::Cast(ElementType::Float16), &[y]);
        g.push("part", Op::Channels { start: 0, end: 16 }, &[y])
    });
    stay(
        &SELECT_BY_CONVOLUTION,
        vec![
            ("of no whole blocks", selected(24, Op::Channels { start: 0, end: 16 })),
            ("no whole blocks", selected(32, Op::Channels { start: 0, end: 24 })),
            ("not float32", half),
        ],
    );
}
