//! Every pass keeps the function, on graphs by chance and on those it is made for, and leaves alone what it must.

mod blocked;
mod evaluate;
mod int8;
mod random;
mod splits;

use super::*;
use crate::graph::{Arithmetic, Conv, ElementType, Extent, Node, Op, Role, Value};
use crate::tensor::{Constant, Tensor};
use evaluate::{Array, outputs};
use random::{Random, Values, attention, batch_norm, conv, network, with_picture};

/// Part of the largest value by which values may differ: what rounding weights to float32 makes of sums of a few
/// hundred products.
const FLOAT32: f64 = 1e-5;
/// The same for float16.
const FLOAT16: f64 = 2e-2;

/// Largest difference as a part of the largest expected value; NaN where anything is NaN.
fn difference(found: &Array, expected: &Array) -> f64 {
    assert_eq!(found.shape, expected.shape);
    let largest =
        |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |m, v| if v > m || v.is_nan() { v } else { m });
    let scale = largest(&mut expected.data.iter().map(|v| v.abs()));
    let most = largest(&mut found.data.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()));
    if most == 0.0 { 0.0 } else { most / scale }
}

/// What is wrong with `found` standing for `graph`, for a picture by chance.
fn faults(graph: &Graph, found: &Graph, tolerance: f64) -> Vec<String> {
    let picture = Random::new(77).picture(1);
    let (expected, found_outputs) = (outputs(graph, &picture), outputs(found, &picture));
    let names = |outputs: &[(String, Array)]| outputs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found_outputs), names(&expected));
    let mut faults = Vec::new();
    for ((name, expected), (_, found)) in expected.iter().zip(&found_outputs) {
        let difference = difference(found, expected);
        if difference.is_nan() || difference > tolerance {
            faults.push(format!("{name} differs by {difference:.1e}"));
        }
    }
    let elements = |graph: &Graph| graph.outputs().iter().map(|o| graph.node(o.value).element).collect::<Vec<_>>();
    if elements(graph) != elements(found) {
        faults.push("outputs of another type".into());
    }
    faults
}

/// Runs `pass` over graphs by name and collects what is wrong; `must` says what has to be true of each result.
fn check(pass: &Pass, graphs: Vec<(String, Graph)>, must: impl Fn(&Graph, &Graph) -> bool) {
    let mut wrong = Vec::new();
    for (name, graph) in graphs {
        let found = pass.run(&graph);
        wrong.extend(faults(&graph, &found, FLOAT32).into_iter().map(|fault| format!("{name}: {fault}")));
        if !must(&graph, &found) {
            wrong.push(format!("{name}: not what the pass is for: {:#?}", ops(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", pass.name(), wrong.join("\n"));
}

fn networks() -> Vec<(String, Graph)> {
    (0..60).map(|seed| (format!("network {seed}"), network(seed))).collect()
}

fn attentions(values: Values) -> Vec<(String, Graph)> {
    (0..6).map(|seed| (format!("attention {seed} {values:?}"), attention(seed, values))).collect()
}

fn ops(graph: &Graph) -> Vec<&Op> {
    graph.nodes().iter().filter(|node| node.is_computed()).map(|node| &node.op).collect()
}

fn count(graph: &Graph, is: impl Fn(&Op) -> bool) -> usize {
    graph.nodes().iter().filter(|node| is(&node.op)).count()
}

fn is_norm(op: &Op) -> bool {
    matches!(op, Op::BatchNorm { .. })
}

fn node_called<'g>(graph: &'g Graph, name: &str) -> &'g Node {
    graph.nodes().iter().find(|node| node.name == name).unwrap()
}

/// A graph of one output, as `build` makes it of the picture.
fn made(dynamic: bool, build: impl FnOnce(&mut Graph, &mut Random, Value) -> Value) -> Graph {
    let (mut graph, picture) = with_picture(dynamic);
    let value = build(&mut graph, &mut Random::new(5), picture);
    graph.output("out", value);
    graph
}

fn named(graphs: Vec<(&str, Graph)>) -> Vec<(String, Graph)> {
    graphs.into_iter().map(|(name, graph)| (name.to_owned(), graph)).collect()
}

#[test]
fn comparisons_see_what_is_wrong() {
    let graph = |value: f32| {
        made(false, |graph, _, x| {
            let factor = graph.constant("factor", Tensor::from_fn([1], |_| value));
            graph.push("product", Op::Mul, &[x, factor])
        })
    };
    assert!(faults(&graph(2.0), &graph(2.0), FLOAT32).is_empty());
    for value in [2.001, -2.0, f32::NAN, f32::INFINITY] {
        assert_eq!(faults(&graph(2.0), &graph(value), FLOAT32).len(), 1, "{value}");
        assert_eq!(faults(&graph(value), &graph(2.0), FLOAT32).len(), 1, "{value}");
    }
    assert_eq!(faults(&graph(f32::NAN), &graph(f32::NAN), FLOAT32).len(), 1);
}

#[test]
fn all_passes_keep_the_function_of_graphs_by_chance() {
    let untouched = |_: &Graph, _: &Graph| true;
    for pass in [
        FOLD_BATCH_NORM,
        ABSORB_SHUFFLES,
        ABSORB_SPLITS,
        MOVE_BIASES,
        KEYS_AND_VALUES_FIRST,
        REMOVE_IDENTITIES,
        FOLD_CONSTANTS,
        FLATTEN_POSITIONS,
        WIDEN_JOINS,
        RELU_BEFORE_JOIN,
        DEPTHWISE_BEFORE_JOIN,
        SUM_PARTS,
        GATHER_IN_ORDER,
        TAKE_PARTS,
        SELECT_BY_CONVOLUTION,
        LOWER_SHUFFLES,
    ] {
        check(&pass, networks(), untouched);
        for values in [Values::KeysTransposed, Values::SameVectors, Values::Keys, Values::Others] {
            check(&pass, attentions(values), untouched);
        }
    }
}

#[test]
fn passes_of_a_form_keep_the_function_together() {
    let graphs = || networks().into_iter().chain(attentions(Values::SameVectors)).chain(attentions(Values::Others));
    for form in crate::Form::ALL {
        let mut wrong = Vec::new();
        for (name, graph) in graphs() {
            let found = form.passes().iter().fold(graph.clone(), |graph, pass| pass.run(&graph));
            wrong.extend(faults(&graph, &found, FLOAT32).into_iter().map(|fault| format!("{name}: {fault}")));
        }
        assert!(wrong.is_empty(), "{form}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn batch_norms_of_constants_all_go() {
    check(&FOLD_BATCH_NORM, networks(), |_, found| count(found, is_norm) == 0);
    let one = named(vec![
        (
            "conv",
            made(false, |g, r, x| {
                let y = conv(g, r, x, 4, Conv::new([3, 3]).stride(2));
                batch_norm(g, r, y)
            }),
        ),
        (
            "grouped",
            made(false, |g, r, x| {
                let y = conv(g, r, x, 6, Conv::new([1, 3]).groups(3));
                batch_norm(g, r, y)
            }),
        ),
    ]);
    check(&FOLD_BATCH_NORM, one, |_, found| ops(found).len() == 1);
    // Half of what is joined has no weight, so it gets one.
    let joined = made(false, |g, r, x| {
        let y = conv(g, r, x, 4, Conv::new([3, 3]).stride(2));
        let z = g.push("pool", Op::MaxPool, &[x]);
        let y = g.push("join", Op::Concat(1), &[y, z]);
        batch_norm(g, r, y)
    });
    check(&FOLD_BATCH_NORM, named(vec![("join", joined)]), |_, found| {
        let scale = matches!(node_called(found, "pool.scale").op, Op::Conv(Conv { groups: 6, .. }));
        scale && count(found, |op| matches!(op, Op::Conv(_))) == 2 && matches!(ops(found).last(), Some(Op::Concat(1)))
    });
}

#[test]
fn what_batch_norms_cannot_be_folded_into_stays() {
    // A convolution that another node reads too keeps its own weights.
    let shared = made(false, |g, r, x| {
        let y = conv(g, r, x, 4, Conv::new([1, 1]));
        let z = batch_norm(g, r, y);
        g.push("sum", Op::Add, &[y, z])
    });
    check(&FOLD_BATCH_NORM, named(vec![("shared", shared)]), |_, found| {
        count(found, |op| matches!(op, Op::Conv(_))) == 2
    });
    // What has to be computed in float32 is not merged with what has not.
    let exact = made(false, |g, r, x| {
        let y = conv(g, r, x, 4, Conv::new([1, 1]));
        let z = batch_norm(g, r, y);
        let exact = Node { arithmetic: Arithmetic::Float32, ..g.node(z).clone() };
        g.copy(&exact, &exact.inputs)
    });
    check(&FOLD_BATCH_NORM, named(vec![("exact", exact)]), |_, found| {
        let [first, second] = ops(found)[..] else { return false };
        let arithmetic: Vec<_> = found.nodes().iter().filter(|n| n.is_computed()).map(|n| n.arithmetic).collect();
        matches!((first, second), (Op::Conv(_), Op::Conv(Conv { groups: 4, .. })))
            && arithmetic == [Arithmetic::AsModel, Arithmetic::Float32]
    });
    // Without constants, or without rows and columns, there is nothing to fold.
    let unbound = made(false, |g, r, x| {
        let y = conv(g, r, x, 4, Conv::new([1, 1]));
        let p = ["a", "b", "c", "d"].map(|name| g.param(name, Role::Scale, &[4]));
        g.push("bn", Op::BatchNorm { epsilon: 1e-3 }, &[y, p[0], p[1], p[2], p[3]])
    });
    let flat = made(false, |g, r, x| {
        let y = g.push("flat", Op::Reshape(vec![Extent::Keep, Extent::Keep, Extent::Rest]), &[x]);
        batch_norm(g, r, y)
    });
    for graph in [unbound, flat] {
        assert_eq!(FOLD_BATCH_NORM.run(&graph), graph);
    }
}

#[test]
fn shuffles_go_and_cost_a_gather_at_most() {
    // One that is an output has nothing after it that could read its channels from elsewhere.
    check(&ABSORB_SHUFFLES, networks(), |_, found| {
        found.values().all(|value| found.node(value).op != Op::Shuffle || found.is_output(value))
    });
    let output = made(false, |g, _, x| g.push("shuffle", Op::Shuffle, &[x]));
    assert_eq!(ABSORB_SHUFFLES.run(&output), output);
    let gathers = |found: &Graph| count(found, |op| matches!(op, Op::GatherChannels(_)));
    let shuffled = |after: fn(&mut Graph, &mut Random, Value) -> Value| {
        made(false, move |g, r, x| {
            let y = g.push("shuffle", Op::Shuffle, &[x]);
            after(g, r, y)
        })
    };
    let absorbed = named(vec![
        ("dense", shuffled(|g, r, x| conv(g, r, x, 4, Conv::new([3, 3])))),
        (
            "depthwise",
            shuffled(|g, r, x| {
                let y = conv(g, r, x, 6, Conv::new([3, 3]).groups(6));
                conv(g, r, y, 6, Conv::new([1, 1]))
            }),
        ),
        (
            "relu and pool",
            shuffled(|g, r, x| {
                let y = g.push("relu", Op::Relu, &[x]);
                let y = g.push("pool", Op::MaxPool, &[y]);
                conv(g, r, y, 6, Conv::new([1, 1]))
            }),
        ),
        (
            "twice",
            shuffled(|g, r, x| {
                let y = g.push("again", Op::Shuffle, &[x]);
                conv(g, r, y, 6, Conv::new([1, 1]))
            }),
        ),
        (
            "residual",
            shuffled(|g, r, x| {
                let y = conv(g, r, x, 6, Conv::new([1, 1]));
                let y = g.push("sum", Op::Add, &[x, y]);
                conv(g, r, y, 6, Conv::new([1, 1]))
            }),
        ),
        (
            "join",
            shuffled(|g, r, x| {
                let y = conv(g, r, x, 4, Conv::new([1, 1]));
                let y = g.push("join", Op::Concat(1), &[y, x]);
                conv(g, r, y, 6, Conv::new([1, 1]))
            }),
        ),
    ]);
    check(&ABSORB_SHUFFLES, absorbed, |_, found| gathers(found) == 0);
    let gathered = named(vec![
        ("norm", shuffled(batch_norm)),
        ("two filters a channel", shuffled(|g, r, x| conv(g, r, x, 12, Conv::new([3, 3]).groups(6)))),
        ("groups of two", shuffled(|g, r, x| conv(g, r, x, 6, Conv::new([1, 1]).groups(3)))),
        (
            "sum that broadcasts",
            shuffled(|g, r, x| {
                let one = conv(g, r, x, 1, Conv::new([1, 1]));
                g.push("sum", Op::Add, &[x, one])
            }),
        ),
        (
            "sum of what no convolution makes",
            shuffled(|g, _, x| {
                let plain = node_called(g, "shuffle").inputs[0];
                g.push("sum", Op::Add, &[x, plain])
            }),
        ),
        (
            "sum the other way round",
            shuffled(|g, r, x| {
                let y = conv(g, r, x, 6, Conv::new([1, 1]));
                g.push("sum", Op::Add, &[y, x])
            }),
        ),
    ]);
    check(&ABSORB_SHUFFLES, gathered, |_, found| gathers(found) == 1);
    // A split gathers its part, and does not bring the whole into order first.
    let split = shuffled(|g, _, x| g.push("part", Op::Channels { start: 2, end: 5 }, &[x]));
    check(
        &ABSORB_SHUFFLES,
        named(vec![("split", split)]),
        |_, found| matches!(ops(found)[..], [Op::GatherChannels(part)] if part.len() == 3),
    );
}

#[test]
fn graphs_without_shuffles_are_left_alone() {
    let graph = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([3, 3]));
        let y = batch_norm(g, r, y);
        let y = g.push("sum", Op::Add, &[x, y]);
        let z = g.push("part", Op::Channels { start: 0, end: 3 }, &[y]);
        let y = g.push("join", Op::Concat(1), &[z, y]);
        // Neither gets a bias of zeros.
        let y = (0..3).fold(y, |y, i| {
            let weight = g.constant(format!("weight{i}"), r.tensor(&[9, 9, 1, 1], -1.0, 1.0));
            g.push(format!("conv{i}"), Op::Conv(Conv::new([1, 1])), &[y, weight])
        });
        let weight = g.constant("weight", r.tensor(&[9, 1, 1, 1], -1.0, 1.0));
        g.push("depthwise", Op::Conv(Conv::new([1, 1]).groups(9)), &[y, weight])
    });
    assert_eq!(ABSORB_SHUFFLES.run(&graph), graph);
    assert_eq!(LOWER_SHUFFLES.run(&graph), graph);
}

#[test]
fn shuffles_are_lowered_to_what_runtimes_have() {
    for dynamic in [false, true] {
        let graph = made(dynamic, |g, _, x| g.push("shuffle", Op::Shuffle, &[x]));
        let steps = if dynamic { 5 } else { 3 };
        check(&LOWER_SHUFFLES, named(vec![("shuffle", graph)]), |_, found| {
            let named = found.node(found.outputs()[0].value).name == "shuffle";
            named && ops(found).len() == steps && count(found, |op| *op == Op::Shuffle) == 0
        });
    }
    check(&LOWER_SHUFFLES, networks(), |_, found| count(found, |op| *op == Op::Shuffle) == 0);
}

#[test]
fn keys_and_values_are_multiplied_first_whatever_they_are() {
    for values in [Values::KeysTransposed, Values::SameVectors, Values::Keys, Values::Others] {
        check(&KEYS_AND_VALUES_FIRST, attentions(values), |_, found| {
            let attended = node_called(found, "attended");
            let [queries, gram] = attended.inputs[..] else { return false };
            found.node(queries).name == "queries" && found.node(gram).name == "attended.gram"
        });
    }
    // One product has no other order, nor has one whose second operand is a product.
    let single = made(false, |g, r, x| {
        let a = g.constant("a", r.tensor(&[8, 5], -1.0, 1.0));
        let right = g.constant("b", r.tensor(&[5, 3], -1.0, 1.0));
        let right = g.push("right", Op::MatMul, &[a, right]);
        g.push("product", Op::MatMul, &[x, right])
    });
    assert_eq!(KEYS_AND_VALUES_FIRST.run(&single), single);
}

#[test]
fn new_products_are_computed_as_the_old_ones_were() {
    let mut graph = attention(1, Values::SameVectors);
    graph = graph.rewrite(|new, value, inputs| {
        let node = Node { arithmetic: Arithmetic::Float32, ..graph.node(value).clone() };
        new.copy(&node, inputs)
    });
    for pass in [KEYS_AND_VALUES_FIRST, FLATTEN_POSITIONS, LOWER_SHUFFLES, REMOVE_IDENTITIES] {
        graph = pass.run(&graph);
        let computed = graph.nodes().iter().filter(|node| node.is_computed());
        let other: Vec<_> = computed.filter(|node| node.arithmetic != Arithmetic::Float32).collect();
        assert!(other.is_empty(), "{}: {other:?}", pass.name());
    }
}

#[test]
fn positions_are_flattened_for_a_symmetric_matrix_only() {
    let first = |graphs: Vec<(String, Graph)>| {
        graphs.into_iter().map(|(name, graph)| (name, KEYS_AND_VALUES_FIRST.run(&graph))).collect::<Vec<_>>()
    };
    let is_flat = |graph: &Graph| matches!(node_called(graph, "planes").op, Op::Reshape(_));
    for values in [Values::KeysTransposed, Values::SameVectors] {
        check(&FLATTEN_POSITIONS, first(attentions(values)), |_, found| is_flat(found));
    }
    for values in [Values::Keys, Values::Others] {
        check(&FLATTEN_POSITIONS, first(attentions(values)), |graph, found| found == graph);
    }
    // Nor for a matrix for each row, other axes, or rows and columns that the caller chooses.
    let product = |dynamic: bool, to: [usize; 4], back: [usize; 4], rows: usize| {
        made(dynamic, move |g, r, x| {
            let keys = g.constant("keys", r.tensor(&[1, rows, 6, 4], -1.0, 1.0));
            let values = g.push("values", Op::Transpose(vec![0, 1, 3, 2]), &[keys]);
            let gram = g.push("gram", Op::MatMul, &[keys, values]);
            let queries = g.push("queries", Op::Transpose(to.to_vec()), &[x]);
            let product = g.push("product", Op::MatMul, &[queries, gram]);
            g.push("planes", Op::Transpose(back.to_vec()), &[product])
        })
    };
    let (to, back) = ([0, 2, 3, 1], [0, 3, 1, 2]);
    let flat = product(false, to, back, 1);
    check(&FLATTEN_POSITIONS, named(vec![("flat", flat)]), |_, found| is_flat(found));
    for graph in [
        product(true, to, back, 1),
        product(false, to, back, 4),
        product(false, to, [0, 3, 2, 1], 1),
        product(false, [0, 3, 2, 1], back, 1),
    ] {
        check(&FLATTEN_POSITIONS, named(vec![("not flat", graph)]), |graph, found| found == graph);
    }
}

#[test]
fn nodes_that_change_nothing_go() {
    let identities: [(&str, Op); 5] = [
        ("join of one", Op::Concat(1)),
        ("same type", Op::Cast(ElementType::Float32)),
        ("same shape", Op::Reshape(vec![Extent::Keep, Extent::Rest, Extent::Keep, Extent::Fixed(8)])),
        ("same axes", Op::Transpose(vec![0, 1, 2, 3])),
        ("same channels", Op::GatherChannels((0..6).collect())),
    ];
    for (name, op) in identities {
        let graph = made(false, |g, _, x| {
            let y = g.push("identity", op, &[x]);
            g.push("relu", Op::Relu, &[y])
        });
        check(&REMOVE_IDENTITIES, named(vec![(name, graph)]), |_, found| ops(found) == [&Op::Relu]);
    }
    let others: [(&str, Op, usize); 7] = [
        ("join of two", Op::Concat(1), 2),
        ("another type", Op::Cast(ElementType::Float16), 1),
        ("another shape", Op::Reshape(vec![Extent::Keep, Extent::Rest]), 1),
        ("other axes", Op::Transpose(vec![0, 1, 3, 2]), 1),
        ("fewer channels", Op::GatherChannels((0..5).collect()), 1),
        ("other channels", Op::GatherChannels(vec![1, 0, 2, 3, 4, 5]), 1),
        ("a relu", Op::Relu, 1),
    ];
    for (name, op, operands) in others {
        let graph = made(false, |g, _, x| g.push("change", op, &vec![x; operands]));
        assert_eq!(REMOVE_IDENTITIES.run(&graph), graph, "{name}");
    }
}

#[test]
fn what_depends_on_constants_alone_is_computed() {
    let start = made(false, |g, r, x| {
        let u = g.constant("u", r.tensor(&[6], 0.1, 1.0));
        let u = g.push(
            "start",
            Op::Reshape(vec![Extent::Fixed(1), Extent::Fixed(6), Extent::Fixed(1), Extent::Fixed(1)]),
            &[u],
        );
        let squares = g.push("squares", Op::Mul, &[u, u]);
        let sum = g.push("sum", Op::ReduceSum(1), &[squares]);
        let epsilon = g.constant("epsilon", Tensor::from_fn([1], |_| 0.5));
        let sum = g.push("sum_eps", Op::Add, &[sum, epsilon]);
        let norm = g.push("norm", Op::Sqrt, &[sum]);
        let u = g.push("u", Op::Div, &[u, norm]);
        g.push("product", Op::Mul, &[x, u])
    });
    check(&FOLD_CONSTANTS, named(vec![("start", start)]), |_, found| {
        ops(found) == [&Op::Mul] && found.constant_of(found.outputs()[0].value).is_none()
    });
    // What it does not compute: sums of several results, broadcasting of both, operators that no constant here has.
    let sums = made(false, |g, r, x| {
        let a = g.constant("a", r.tensor(&[6, 12], -1.0, 1.0));
        let a = g.push("sum", Op::ReduceSum(1), &[a]);
        let a = g.push("four", Op::Reshape(vec![Extent::Rest, Extent::Fixed(1), Extent::Fixed(1)]), &[a]);
        g.push("product", Op::Mul, &[x, a])
    });
    let outer = made(false, |g, r, x| {
        let (a, b) = (r.tensor(&[6, 1, 1], -1.0, 1.0), r.tensor(&[1, 1, 8], -1.0, 1.0));
        let (a, b) = (g.constant("a", a), g.constant("b", b));
        let a = g.push("outer", Op::Add, &[a, b]);
        g.push("product", Op::Mul, &[x, a])
    });
    let relu = made(false, |g, r, x| {
        let a = g.constant("a", r.tensor(&[6, 1, 1], -1.0, 1.0));
        let a = g.push("relu", Op::Relu, &[a]);
        g.push("product", Op::Mul, &[x, a])
    });
    for (name, graph) in [("sums", sums), ("outer", outer), ("relu", relu)] {
        check(&FOLD_CONSTANTS, named(vec![(name, graph)]), |graph, found| graph == found);
    }
}

#[test]
fn float16_goes_where_nothing_asks_for_float32() {
    let mut wrong = Vec::new();
    for (name, graph) in networks().into_iter().chain(attentions(Values::SameVectors)) {
        let half = to_half(&graph);
        wrong.extend(faults(&graph, &half, FLOAT16).into_iter().map(|fault| format!("{name}: {fault}")));
        for node in half.nodes().iter().filter(|node| matches!(node.op, Op::Conv(_) | Op::BatchNorm { .. })) {
            let types: Vec<_> = node.inputs.iter().map(|&x| half.node(x).element).collect();
            if types.iter().any(|element| *element != ElementType::Float16) {
                wrong.push(format!("{name}: {} computes in {types:?}", node.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn float32_stays_where_a_node_asks_for_it() {
    let graph = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([1, 1]));
        let relu = g.push("relu", Op::Relu, &[y]);
        let exact = Node { arithmetic: Arithmetic::Float32, name: "exact".into(), ..g.node(relu).clone() };
        let exact = g.copy(&exact, &[relu]);
        let after = g.push("after", Op::Relu, &[exact]);
        let factor = g.constant("factor", r.tensor(&[1], 0.5, 1.0));
        let scaled = g.push("scaled", Op::Mul, &[relu, factor]);
        g.push("join", Op::Concat(1), &[scaled, after])
    });
    let half = to_half(&graph);
    assert!(faults(&graph, &half, FLOAT16).is_empty());
    let element = |name: &str| node_called(&half, name).element;
    let expected = [
        ("relu", ElementType::Float16),
        ("exact", ElementType::Float32),
        // What follows float32 stays there; a constant follows the other operand.
        ("after", ElementType::Float32),
        ("scaled", ElementType::Float16),
        ("join", ElementType::Float32),
    ];
    for (name, expected) in expected {
        assert_eq!(element(name), expected, "{name}");
    }
    // Each value is converted once: the picture, what is exact, and what is joined.
    assert_eq!(count(&half, |op| matches!(op, Op::Cast(_))), 3);
    for (cast, element) in [("image.half", ElementType::Float16), ("relu.float", ElementType::Float32)] {
        assert_eq!(node_called(&half, cast).op, Op::Cast(element));
    }
    assert!(matches!(node_called(&half, "factor").op, Op::Constant(Constant::Float16(_))));
}

#[test]
fn constants_are_converted_now_and_not_at_every_run() {
    let graph = made(false, |g, _, x| {
        let small = g.constant("small", Tensor::from_fn([1], |_| crate::f16::from_f32(0.5)));
        let wide = g.push("wide", Op::Cast(ElementType::Float16), &[x]);
        let product = g.push("product", Op::Mul, &[wide, small]);
        let exact = Node { arithmetic: Arithmetic::Float32, ..g.node(product).clone() };
        g.copy(&exact, &[wide, small])
    });
    let half = to_half(&graph);
    let product = node_called(&half, "product");
    let types: Vec<_> = product.inputs.iter().map(|&x| (half.node(x).element, &half.node(x).op)).collect();
    assert!(matches!(types[0], (ElementType::Float32, Op::Cast(_))), "{types:?}");
    assert!(matches!(types[1], (ElementType::Float32, Op::Constant(Constant::Float32(_)))), "{types:?}");
}

#[test]
fn integers_are_no_business_of_float16() {
    let graph = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([1, 1]));
        let best = g.push("best", Op::ArgMax, &[y]);
        g.push("bytes", Op::Cast(ElementType::Uint8), &[best])
    });
    let half = to_half(&graph);
    assert_eq!(half.node(half.outputs()[0].value).element, ElementType::Uint8);
    assert_eq!(node_called(&half, "best").element, ElementType::Int64);
    assert_eq!(count(&half, |op| matches!(op, Op::Cast(_))), 2);
}
