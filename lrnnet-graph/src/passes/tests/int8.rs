//! Integers instead of floats: what is computed of them stays near, and what they are meant for is there.

use std::collections::HashMap;

use super::evaluate::values;
use super::*;
use crate::passes::{calibration_points, to_int8};
use crate::{Config, Form, InputKind, InputSize, Network, Settings, synthetic};

/// Part of the largest value by which values may differ: a few steps of 1/255 between the layers of a small graph.
const INT8: f64 = 0.1;

/// The ranges of all points, found by evaluation.
fn ranges(graph: &Graph, picture: &Array) -> HashMap<Value, [f32; 2]> {
    let arrays = values(graph, picture);
    let range = |value: Value| {
        let data = arrays[value.index()].data.iter().map(|&v| v as f32);
        data.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
    };
    graph.values().map(|value| (value, range(value))).collect()
}

fn quantized(graph: &Graph) -> Graph {
    let ranges = ranges(graph, &Random::new(77).picture(1));
    to_int8(graph, |value| ranges[&value])
}

fn element(graph: &Graph, name: &str) -> ElementType {
    node_called(graph, name).element
}

/// The operators of what reads the node called `name`.
fn readers<'g>(graph: &'g Graph, name: &str) -> Vec<&'g Op> {
    let value = graph.values().find(|&v| graph.node(v).name == name).unwrap();
    graph.nodes().iter().filter(|node| node.inputs.contains(&value)).map(|node| &node.op).collect()
}

#[test]
fn graphs_by_chance_keep_their_function_within_a_few_steps() {
    let mut wrong = Vec::new();
    let (mut integers, mut floats) = (0, 0);
    for (name, graph) in networks() {
        let folded = Form::DENSE.passes().iter().fold(graph, |graph, pass| pass.run(&graph));
        let found = quantized(&folded);
        wrong.extend(faults(&folded, &found, INT8).into_iter().map(|fault| format!("{name}: {fault}")));
        integers += count(&found, |op| *op == Op::Quantize);
        floats += count(&folded, |op| matches!(op, Op::Conv(_)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(integers > floats / 2, "{integers} values are bytes, of {floats} convolutions");
}

/// `relu(conv(x))`, then a convolution whose result is an output.
fn chain() -> Graph {
    made(false, |g, r, x| {
        let weight = g.constant("weight", r.tensor(&[8, 6, 3, 3], -1.0, 1.0));
        let bias = g.constant("bias", r.tensor(&[8], -1.0, 1.0));
        let y = g.push("conv", Op::Conv(Conv::new([3, 3])), &[x, weight, bias]);
        let y = g.push("relu", Op::Relu, &[y]);
        conv(g, r, y, 4, Conv::new([1, 1]))
    })
}

#[test]
fn a_relu_is_where_bytes_end_and_the_last_layer_is_float() {
    let (graph, found) = (chain(), quantized(&chain()));
    assert!(faults(&graph, &found, INT8).is_empty());
    let expected = [
        "Quantize",   // the picture
        "Dequantize", // the picture
        "Dequantize", // weight
        "Dequantize", // bias
        "Conv",       // of integers
        "Quantize",   // what the ReLU was
        "Dequantize", // what the ReLU was
        "Conv",       // of floats
    ];
    let found_ops: Vec<String> =
        ops(&found).iter().map(|op| format!("{op:?}").split(['(', ' ']).next().unwrap().to_owned()).collect();
    assert_eq!(found_ops, expected);
}

#[test]
fn the_range_of_a_relu_is_that_of_its_result() {
    let points: Vec<_> = calibration_points(&chain()).iter().map(|&v| chain().node(v).name.clone()).collect();
    assert_eq!(points, ["image", "relu"]);
    // A value that is read before and after its ReLU needs a range, and bytes, for each.
    let twice = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([3, 3]));
        let z = g.push("relu", Op::Relu, &[y]);
        let sum = g.push("sum", Op::Add, &[y, z]);
        let y = conv(g, r, sum, 6, Conv::new([3, 1]));
        g.push("last", Op::Relu, &[y])
    });
    let found = quantized(&twice);
    assert!(faults(&twice, &found, INT8).is_empty());
    assert_eq!(count(&found, |op| *op == Op::Relu), 1);
}

#[test]
fn what_is_joined_has_one_scale_and_is_copied_as_bytes() {
    let joined = |relu: bool| {
        made(false, |g, r, x| {
            let a = conv(g, r, x, 4, Conv::new([3, 1]));
            let b = conv(g, r, x, 4, Conv::new([1, 3]));
            let mut y = g.push("join", Op::Concat(1), &[a, b]);
            if relu {
                y = g.push("relu", Op::Relu, &[y]);
            }
            let y = conv(g, r, y, 8, Conv::new([3, 3]).groups(8));
            let y = g.push("pool", Op::MaxPool, &[y]);
            conv(g, r, y, 4, Conv::new([1, 1]))
        })
    };
    for relu in [false, true] {
        let (graph, found) = (joined(relu), quantized(&joined(relu)));
        assert!(faults(&graph, &found, INT8).is_empty(), "{relu}");
        assert_eq!([element(&found, "join.bytes"), element(&found, "pool.bytes")], [ElementType::Uint8; 2]);
        let operands = &node_called(&found, "join.bytes").inputs;
        let scales: Vec<_> = operands.iter().map(|&v| &found.node(v).inputs[1..]).collect();
        assert_eq!(scales[0], scales[1]);
        assert_eq!(count(&found, |op| *op == Op::Relu), 0);
    }
}

#[test]
fn a_relu_stays_where_its_bytes_go_below_zero() {
    // `relu(a)` shares its scale with `b`, which has negative values.
    let graph = made(false, |g, r, x| {
        let a = conv(g, r, x, 4, Conv::new([3, 1]));
        let a = g.push("relu", Op::Relu, &[a]);
        let b = conv(g, r, x, 4, Conv::new([1, 3]));
        let y = g.push("join", Op::Concat(1), &[a, b]);
        let y = conv(g, r, y, 4, Conv::new([1, 1]));
        g.push("last", Op::Relu, &[y])
    });
    let found = quantized(&graph);
    assert!(faults(&graph, &found, INT8).is_empty());
    assert_eq!(readers(&found, "relu"), [&Op::Quantize]);
}

#[test]
fn what_asks_for_floats_gets_them() {
    let graph = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([3, 3]));
        let y = g.push("relu", Op::Relu, &[y]);
        let q = conv(g, r, y, 6, Conv::new([1, 1]));
        let exact = Node { arithmetic: Arithmetic::Float32, ..g.node(q).clone() };
        let exact = g.copy(&Node { name: "exact".into(), op: Op::Relu, inputs: vec![q], ..exact }, &[q]);
        let e = conv(g, r, exact, 6, Conv::new([1, 1]));
        let sum = g.push("sum", Op::Add, &[y, e]);
        let y = conv(g, r, sum, 6, Conv::new([3, 1]));
        g.push("last", Op::Relu, &[y])
    });
    let found = quantized(&graph);
    assert!(faults(&graph, &found, INT8).is_empty());
    // The convolutions before and after what is exact have float weights; what is read next becomes bytes once more.
    let weights =
        found.nodes().iter().filter(|node| matches!(node.op, Op::Conv(_))).map(|n| &found.node(n.inputs[1]).op);
    let integer: Vec<_> = weights.map(|op| *op == Op::Dequantize).collect();
    assert_eq!(integer, [true, false, false, true]);
    assert_eq!(readers(&found, "sum"), [&Op::Quantize]);
    // What is added to bytes is bytes.
    let summands = node_called(&found, "sum").inputs.iter().map(|&v| &found.node(v).op);
    assert_eq!(summands.collect::<Vec<_>>(), [&Op::Dequantize; 2]);
}

#[test]
fn what_has_no_integer_kernel_stays_float() {
    let constant_added = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([3, 3]));
        let y = g.push("relu", Op::Relu, &[y]);
        let constant = g.constant("constant", r.tensor(&[1], 0.5, 1.0));
        let y = g.push("sum", Op::Add, &[y, constant]);
        conv(g, r, y, 4, Conv::new([1, 1]))
    });
    let of_floats = made(false, |g, r, x| {
        let exact = |g: &mut Graph, name: &str| {
            let node = Node { name: name.into(), op: Op::Relu, arithmetic: Arithmetic::Float32, ..g.node(x).clone() };
            g.copy(&node, &[x])
        };
        let (a, b) = (exact(g, "a"), exact(g, "b"));
        let y = g.push("sum", Op::Add, &[a, b]);
        conv(g, r, y, 4, Conv::new([1, 1]))
    });
    for (name, graph, bytes) in
        [("a constant is added", constant_added, vec!["image", "conv1"]), ("a sum of floats", of_floats, vec![])]
    {
        let found = quantized(&graph);
        assert!(faults(&graph, &found, INT8).is_empty(), "{name}");
        let quantized = found.nodes().iter().filter(|node| node.op == Op::Quantize);
        let quantized: Vec<_> = quantized.map(|node| node.name.trim_end_matches(".bytes")).collect();
        assert_eq!(quantized, bytes, "{name}");
    }
}

#[test]
fn what_moves_the_picture_moves_its_bytes() {
    let graph = made(false, |g, r, x| {
        let y = conv(g, r, x, 6, Conv::new([3, 3]).stride(2));
        let y = g.push("relu", Op::Relu, &[y]);
        let pool = g.push("pool", Op::MaxPool, &[x]);
        let y = g.push("join", Op::Concat(1), &[y, pool]);
        let y = conv(g, r, y, 6, Conv::new([1, 1]));
        g.push("last", Op::Relu, &[y])
    });
    let found = quantized(&graph);
    assert!(faults(&graph, &found, INT8).is_empty());
    assert_eq!(node_called(&found, "pool.bytes").op, Op::MaxPool);
}

#[test]
fn weights_of_many_unused_channels_are_stored_without_them() {
    // At three quarters the narrow weight still is the smaller one; a single channel more, and it is not worth a gather.
    for (used, is_narrow) in [(4, true), (12, true), (13, false), (16, false)] {
        let graph = made(false, |g, r, x| {
            let y = conv(g, r, x, 16, Conv::new([1, 1]));
            let y = g.push("relu", Op::Relu, &[y]);
            let weights = r.tensor(&[4, 16, 1, 1], 0.5, 1.0);
            let weight = Tensor::from_fn([4, 16, 1, 1], |i| if i % 16 < used { weights.data()[i] } else { 0.0 });
            let weight = g.constant("weight", weight);
            let y = g.push("conv", Op::Conv(Conv::new([1, 1])), &[y, weight]);
            g.push("last", Op::Relu, &[y])
        });
        let found = quantized(&graph);
        assert!(faults(&graph, &found, INT8).is_empty(), "{used}");
        assert_eq!(count(&found, |op| matches!(op, Op::GatherChannels(_))), usize::from(is_narrow), "{used}");
    }
}

/// A network of this project with weights by formula, for a picture of bytes.
fn network_of_bytes(form: Form) -> Graph {
    let size = InputSize::Static { batch: 1, height: 16, width: 16 };
    let settings = Settings { size, input: InputKind::U8Nhwc, head: crate::Head::Logits8, ..Settings::camvid() };
    let network = Network::new(Config::new(Settings { context: crate::Context::None, ..settings }).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap().rewrite(form).unwrap().graph().clone()
}

#[test]
fn a_picture_of_bytes_stays_bytes() {
    let graph = network_of_bytes(Form::DENSE);
    let bytes = synthetic::picture(16, 16);
    let picture = Array { shape: vec![1, 16, 16, 3], data: bytes.into_iter().map(f64::from).collect() };
    let ranges = ranges(&graph, &picture);
    let found = to_int8(&graph, |value| ranges[&value]);
    let [(_, expected)] = &outputs(&graph, &picture)[..] else { panic!("one output") };
    let [(_, logits)] = &outputs(&found, &picture)[..] else { panic!("one output") };
    let difference = difference(logits, expected);
    assert!(difference < 0.35, "{difference}");
    assert_eq!(count(&found, |op| matches!(op, Op::Cast(_) | Op::Mul)), 0, "nothing is normalised");
    assert_eq!(count(&found, |op| *op == Op::Relu), 0);
    assert!(found.nodes().iter().filter(|n| n.op == Op::Concat(1)).all(|n| n.element == ElementType::Uint8));
    // Weights that are zero for half of the channels are stored without them.
    let stored = found.nodes().iter().filter(|n| n.name.ends_with(".weight") && n.element == ElementType::Int8);
    let values: usize =
        stored.map(|node| node.shape.iter().map(|dim| dim.as_fixed().unwrap()).product::<usize>()).sum();
    assert!((650_000..700_000).contains(&values), "{values} weights are stored");
}

#[test]
fn nothing_is_lost_of_a_picture_s_normalisation() {
    // A convolution of the bytes gives what one of the normalised picture gives, where no border is near.
    let graph = network_of_bytes(Form::DENSE);
    let (mut exact, mut folded) = (graph.clone(), graph.clone());
    for graph in [&mut exact, &mut folded] {
        let value = graph.values().find(|&v| graph.node(v).name == "encoder.0.relu").unwrap();
        graph.output("features", value);
    }
    let bytes = synthetic::picture(16, 16);
    let picture = Array { shape: vec![1, 16, 16, 3], data: bytes.into_iter().map(f64::from).collect() };
    let ranges = ranges(&exact, &picture);
    let folded = to_int8(&folded, |value| ranges[&value]);
    let features = |graph: &Graph| outputs(graph, &picture).pop().unwrap().1;
    let (expected, found) = (features(&exact), features(&folded));
    let scale = expected.data.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    for (i, (found, expected)) in found.data.iter().zip(&expected.data).enumerate() {
        let (y, x) = (i / 8 % 8, i % 8);
        if y > 0 && x > 0 {
            // Seven bits of weight and eight of the result.
            assert!((found - expected).abs() <= 0.03 * scale, "{i}: {found}, {expected}");
        }
    }
}
