//! A model from a stranger holds nothing that this crate does not write.
#![allow(missing_docs)]

use lrnnet_graph::onnx::proto::{
    AttributeProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{
    Block, Config, Context, Form, Head, InputKind, InputSize, Model, Network, Origin, SelfTestRecord, Settings,
    synthetic,
};
use prost::Message;

fn model(settings: Settings) -> Model {
    let network = Network::new(Config::new(settings).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap()
}

fn onnx(model: &Model, opset: u8) -> Vec<u8> {
    let origin = Origin { weights_sha256: "ab".repeat(32), exporter: "test 1.0".into() };
    model.to_onnx(Opset::new(opset).unwrap(), &origin)
}

fn settings(size: InputSize) -> Settings {
    Settings { size, head: Head::Both, input: InputKind::U8Nhwc, ..Settings::camvid() }
}

/// Regions of the context module need a fill at this size.
const SIZE: InputSize = InputSize::Static { batch: 1, height: 72, width: 136 };

/// What is said of a file, with its causes.
fn verdict(bytes: &[u8]) -> String {
    let Err(error) = ModelFile::parse(bytes) else { return "accepted".into() };
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn what_is_written_is_accepted_in_every_form_and_opset() {
    for size in [SIZE, InputSize::Dynamic] {
        let plain = model(settings(size));
        for form in Form::ALL {
            let model = plain.rewrite(*form).unwrap();
            let half = model.to_half().unwrap();
            for opset in Opset::MIN..=Opset::MAX {
                for (what, model) in [("float32", &model), ("float16", &half)] {
                    assert_eq!(verdict(&onnx(model, opset)), "accepted", "{size:?} {form} {what} opset {opset}");
                }
            }
        }
    }
}

#[test]
fn every_network_of_the_paper_is_accepted() {
    let contexts = ["none", "svn:8,4", "max:8", "mean:8", "nonlocal"].map(|word| word.parse::<Context>().unwrap());
    for block in [Block::Fcb, Block::SsNbt, Block::NonBt1d] {
        for (context, size) in contexts.iter().flat_map(|context| [(context, SIZE), (context, InputSize::Dynamic)]) {
            let plain = model(Settings { block, context: context.clone(), ..settings(size) });
            for model in [&plain, &plain.rewrite(Form::DEPLOY).unwrap()] {
                for opset in [Opset::MIN, Opset::MAX] {
                    let case = format!("{block} {context} {size:?} opset {opset}");
                    assert_eq!(verdict(&onnx(model, opset)), "accepted", "{case}");
                }
            }
        }
    }
}

fn node<'g>(graph: &'g mut GraphProto, op: &str) -> &'g mut NodeProto {
    graph.node.iter_mut().find(|node| node.op_type() == op).unwrap_or_else(|| panic!("no {op}"))
}

fn attribute<'g>(graph: &'g mut GraphProto, op: &str, name: &str) -> &'g mut AttributeProto {
    node(graph, op).attribute.iter_mut().find(|attribute| attribute.name() == name).unwrap()
}

/// The constant that the operand `index` of the first node of this operator names.
fn constant<'g>(graph: &'g mut GraphProto, op: &str, index: usize) -> &'g mut TensorProto {
    let name = node(graph, op).input[index].clone();
    graph.initializer.iter_mut().find(|tensor| tensor.name() == name).unwrap()
}

fn set_integers(tensor: &mut TensorProto, values: &[i64]) {
    tensor.dims = vec![values.len() as i64];
    tensor.raw_data = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
}

fn set_floats(tensor: &mut TensorProto, values: &[f32]) {
    tensor.dims = vec![values.len() as i64];
    tensor.raw_data = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
}

fn set_first(tensor: &mut TensorProto, value: f32) {
    tensor.raw_data.as_mut().unwrap()[..4].copy_from_slice(&value.to_le_bytes());
}

/// A constant more, which no node takes.
fn add_constant(graph: &mut GraphProto, data_type: i32, dims: &[i64], bytes: &[u8]) {
    graph.initializer.push(TensorProto {
        data_type: Some(data_type),
        dims: dims.to_vec(),
        name: Some("more".into()),
        raw_data: Some(bytes.to_vec()),
    });
}

fn extents(info: &mut ValueInfoProto) -> Vec<&mut DimensionValue> {
    let shape = info.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim.iter_mut().map(|dim| dim.value.as_mut().unwrap()).collect()
}

type Change = fn(&mut GraphProto);

#[test]
fn a_change_of_the_graph_is_refused_by_the_name_of_what_changed() {
    let cases: Vec<(&str, Change, &str)> = vec![
        ("operator", |g| node(g, "Relu").op_type = Some("Loop".into()), "(Loop) is none that lrnnet-export writes"),
        ("no operator", |g| node(g, "Relu").op_type = None, "no LRNNet has this operator"),
        ("operand count", |g| node(g, "Add").input.truncate(1), "(Add) is none that lrnnet-export writes: 1 operands"),
        ("extra operand", |g| node(g, "Relu").input.push("image".into()), "2 operands"),
        ("no operand", |g| node(g, "Concat").input.clear(), "0 operands"),
        ("unknown operand", |g| node(g, "Relu").input[0] = "nowhere".into(), "`nowhere` is made by nothing before"),
        ("order", |g| g.node.swap(0, 1), "is made by nothing before it"),
        ("two results", |g| node(g, "Relu").output.push("more".into()), "2 results"),
        ("no result", |g| node(g, "Relu").output.clear(), "0 results"),
        ("result twice", |g| g.node[1].output = g.node[0].output.clone(), "stands for two values"),
        ("result without a name", |g| g.node[0].output[0].clear(), "name \"\""),
        ("the longest name", |g| g.node[0].output[0] = "n".repeat(512), "is made by nothing before it"),
        ("a long name", |g| g.node[0].output[0] = "n".repeat(513), "longer than any"),
        ("constant twice", |g| g.initializer.push(g.initializer[0].clone()), "stands for two values"),
        ("input as constant", |g| g.initializer[0].name = Some("image".into()), "\"image\""),
        ("another attribute", |g| attribute(g, "Conv", "group").name = Some("auto_pad".into()), "`auto_pad`"),
        ("attribute less", |g| node(g, "Conv").attribute.truncate(4), "`strides` is missing"),
        (
            "attribute more",
            |g| {
                let more = node(g, "Conv").attribute[0].clone();
                node(g, "Relu").attribute.push(more);
            },
            "`dilations`",
        ),
        ("kind of attribute", |g| attribute(g, "Conv", "group").r#type = Some(7), "`group`"),
        ("two values", |g| attribute(g, "Conv", "group").f = Some(1.0), "`group`"),
        ("no group", |g| attribute(g, "Conv", "group").i = Some(0), "group"),
        ("negative", |g| attribute(g, "Conv", "group").i = Some(-1), "`group`"),
        ("padding", |g| attribute(g, "Conv", "pads").ints[0] += 1, "`pads`"),
        ("stride", |g| attribute(g, "Conv", "strides").ints = vec![0, 0], "`strides`"),
        ("two strides", |g| attribute(g, "Conv", "strides").ints[0] = 1, "strides"),
        ("kernel", |g| attribute(g, "Conv", "kernel_shape").ints = vec![65, 65], "`kernel_shape`"),
        ("the largest kernel", |g| attribute(g, "Conv", "kernel_shape").ints = vec![64, 64], "`pads`"),
        ("no kernel", |g| attribute(g, "Conv", "kernel_shape").ints = vec![0, 3], "`kernel_shape`"),
        ("groups", |g| attribute(g, "Conv", "group").i = Some(16_385), "`group or strides`"),
        ("the most groups", |g| attribute(g, "Conv", "group").i = Some(16_384), "its operands do not fit"),
        ("dilation", |g| attribute(g, "Conv", "dilations").ints = vec![1, 1, 1], "`dilations`"),
        ("pool", |g| attribute(g, "MaxPool", "strides").ints[1] = 1, "`strides`"),
        ("axis", |g| attribute(g, "Concat", "axis").i = Some(9), "no fixed extent to join"),
        ("gather axis", |g| attribute(g, "Gather", "axis").i = Some(2), "`axis`"),
        ("no such channel", |g| set_integers(constant(g, "Gather", 1), &[1000]), "no channel 1000"),
        ("negative channel", |g| set_integers(constant(g, "Gather", 1), &[-1]), "not the constant"),
        (
            "indices of four bytes",
            |g| {
                let indices = constant(g, "Gather", 1);
                (indices.data_type, indices.dims[0]) = (Some(6), 2 * indices.dims[0]);
            },
            "not the constant",
        ),
        ("indices in a table", |g| constant(g, "Gather", 1).dims.insert(0, 1), "not the constant"),
        ("slice axis", |g| set_integers(constant(g, "Slice", 3), &[2]), "not the constant"),
        ("far channel", |g| set_integers(constant(g, "Gather", 1), &[16_385]), "not the constant"),
        ("farthest channel", |g| set_integers(constant(g, "Gather", 1), &[16_384]), "no channel 16384"),
        ("slice end", |g| set_integers(constant(g, "Slice", 2), &[10_000]), "no channels"),
        ("reshape", |g| set_integers(constant(g, "Reshape", 1), &[7, -1]), "its operands do not fit"),
        ("reshape by far", |g| set_integers(constant(g, "Reshape", 1), &[(1 << 31) + 1]), "not the constant"),
        ("largest reshape", |g| set_integers(constant(g, "Reshape", 1), &[1 << 31]), "its operands do not fit"),
        ("huge reshape", |g| set_integers(constant(g, "Reshape", 1), &[1 << 31; 4]), "larger than any"),
        ("reshape by a value", |g| node(g, "Reshape").input[1] = "image".into(), "`image` is not the constant"),
        ("permutation", |g| attribute(g, "Transpose", "perm").ints[0] = 1, "each axis once"),
        ("resize mode", |g| attribute(g, "Resize", "mode").s = Some(b"cubic".to_vec()), "`mode`"),
        ("resize by a million", |g| set_first(constant(g, "Resize", 2), 1e6), "not the constant"),
        ("resize by 65", |g| set_floats(constant(g, "Resize", 2), &[1.0, 1.0, 65.0, 65.0]), "not the constant"),
        ("resize by 64", |g| set_floats(constant(g, "Resize", 2), &[1.0, 1.0, 64.0, 64.0]), "`logits` has a shape"),
        ("resize by parts", |g| set_floats(constant(g, "Resize", 2), &[1.0, 1.0, 1.5, 1.5]), "not the constant"),
        ("resize rows", |g| set_floats(constant(g, "Resize", 2), &[1.0, 1.0, 4.0, 8.0]), "not the constant"),
        ("resize pictures", |g| set_floats(constant(g, "Resize", 2), &[2.0, 1.0, 8.0, 8.0]), "not the constant"),
        ("resize channels", |g| set_floats(constant(g, "Resize", 2), &[1.0, 2.0, 8.0, 8.0]), "not the constant"),
        ("resize to less", |g| set_floats(constant(g, "Resize", 2), &[1.0, 1.0, 0.0, 0.0]), "not the constant"),
        ("crop", |g| node(g, "Resize").input[1] = "i64:1".into(), "not the constant"),
        ("arg max", |g| attribute(g, "ArgMax", "axis").i = Some(2), "`axis`"),
        ("type", |g| attribute(g, "Cast", "to").i = Some(8), "`to`"),
        ("huge fill", |g| set_integers(constant(g, "Pad", 1), &[0, 0, 0, 0, 0, 0, 1 << 20, 0]), "not the constant"),
        ("fills in a row", |g| constant(g, "Pad", 2).dims = vec![1], "not the constant"),
        ("fill on top", |g| set_integers(constant(g, "Pad", 1), &[0, 0, 1, 0, 0, 0, 0, 0]), "not the constant"),
        ("kept axis", |g| attribute(g, "ReduceSum", "keepdims").i = Some(0), "`keepdims`"),
        (
            "identity",
            |g| {
                let copy = NodeProto {
                    input: vec!["image".into(), "image".into()],
                    output: vec!["copy".into()],
                    op_type: Some("Identity".into()),
                    ..Default::default()
                };
                g.node.push(copy);
            },
            "(Identity) is none that lrnnet-export writes: 2 operands",
        ),
        ("constant's type", |g| g.initializer[0].data_type = Some(11), "is of a type"),
        ("constant's shape", |g| g.initializer[0].dims[0] += 1, "more or fewer bytes"),
        ("constant's extents", |g| g.initializer[0].dims = vec![1; 9], "has a shape"),
        ("overflow", |g| g.initializer[0].dims = vec![i64::MAX; 4], "more or fewer bytes"),
        ("negative extent", |g| g.initializer[0].dims[0] = -1, "has a shape"),
        ("no bytes", |g| g.initializer[0].raw_data = None, "more or fewer bytes"),
        ("no number", |g| set_first(constant(g, "Conv", 1), f32::NAN), "NaN or infinity"),
        ("infinity", |g| set_first(constant(g, "Conv", 1), f32::INFINITY), "NaN or infinity"),
        ("a scalar that is no number", |g| add_constant(g, 1, &[], &f32::NAN.to_le_bytes()), "NaN or infinity"),
        ("a half that is no number", |g| add_constant(g, 10, &[], &[0x00, 0x7E]), "NaN or infinity"),
        ("least numbers in a row", |g| add_constant(g, 10, &[1], &[0x00, 0xFC]), "NaN or infinity"),
        ("stated type", |g| g.value_info[0].r#type = g.value_info[1].r#type.clone(), "not the one that its operator"),
        ("unstated", |g| drop(g.value_info.pop()), "not the one that its operator makes"),
        ("stated twice", |g| g.value_info.push(g.value_info[0].clone()), "not the one that its operator makes"),
        ("output's shape", |g| *extents(&mut g.output[0])[3] = DimensionValue::Value(8), "`logits` has a shape"),
        ("foreign output", |g| g.output[0].name = Some("nowhere".into()), "`nowhere` has a shape"),
        ("input's shape", |g| *extents(&mut g.input[0])[1] = DimensionValue::Value(1 << 40), "`image` has a shape"),
        ("empty input", |g| *extents(&mut g.input[0])[0] = DimensionValue::Value(0), "`image` has a shape"),
        ("input's symbol", |g| *extents(&mut g.input[0])[0] = DimensionValue::Param("n".into()), "`image` has a shape"),
        ("the most nodes", |g| g.node.resize(10_000, NodeProto::default()), "0 results"),
        ("the most constants", |g| g.initializer.resize(10_000, TensorProto::default()), "is of a type"),
        (
            "many nodes",
            |g| (0..10_001).for_each(|_| g.node.push(NodeProto::default())),
            "nodes; expected at most 10000",
        ),
        (
            "many constants",
            |g| (0..10_001).for_each(|_| g.initializer.push(TensorProto::default())),
            "constants; expected at most 10000",
        ),
    ];
    let bytes = onnx(&model(settings(SIZE)).rewrite(Form::DEPLOY).unwrap(), 17);
    let wrong = cases.into_iter().filter_map(|(what, change, expected)| {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        change(proto.graph.as_mut().unwrap());
        let found = verdict(&proto.encode_to_vec());
        (!found.contains(expected)).then(|| format!("{what}: {found}; expected {expected}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn constants_at_the_limit_are_accepted() {
    let bytes = onnx(&model(settings(SIZE)).rewrite(Form::DEPLOY).unwrap(), 17);
    // The fill around a float16 maximum is minus infinity.
    for (data_type, dims, values) in [(10, &[][..], &[0x00, 0xFC][..]), (3, &[1; 8], &[1])] {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        add_constant(proto.graph.as_mut().unwrap(), data_type, dims, values);
        assert_eq!(verdict(&proto.encode_to_vec()), "accepted", "{dims:?}");
    }
}

#[test]
fn statistics_of_a_plain_file_are_checked_too() {
    let bytes = onnx(&model(settings(SIZE)), 17);
    let changes: [(Change, &str); 5] = [
        (|g| attribute(g, "BatchNormalization", "epsilon").f = Some(f32::NAN), "`epsilon`"),
        (|g| attribute(g, "BatchNormalization", "epsilon").f = Some(-1.0), "`epsilon`"),
        (|g| attribute(g, "BatchNormalization", "epsilon").f = Some(0.0), "`epsilon`"),
        (|g| attribute(g, "BatchNormalization", "epsilon").f = Some(f32::INFINITY), "`epsilon`"),
        (|g| drop(node(g, "BatchNormalization").input.pop()), "4 operands"),
    ];
    for (change, expected) in changes {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        change(proto.graph.as_mut().unwrap());
        let found = verdict(&proto.encode_to_vec());
        assert!(found.contains(expected), "{found}; expected {expected}");
    }
}

/// A scale for each channel has an axis, and a scale for all has none.
#[test]
fn scales_of_an_int8_file_and_their_axes_go_together() {
    let float = model(settings(SIZE)).rewrite(Form::DEPLOY).unwrap();
    let ranges = float.calibration_points().into_iter().map(|name| (name.to_owned(), [-1.0, 3.0])).collect();
    let bytes = onnx(&float.to_int8(&ranges).unwrap(), 17);
    assert_eq!(verdict(&bytes), "accepted");
    let dequantize = |graph: &mut GraphProto, by_channel: bool, axis: Option<i64>| {
        let is_meant =
            |node: &&mut NodeProto| node.op_type() == "DequantizeLinear" && node.attribute.is_empty() != by_channel;
        let node = graph.node.iter_mut().find(is_meant).unwrap();
        let attribute =
            |axis| AttributeProto { name: Some("axis".into()), i: Some(axis), r#type: Some(2), ..Default::default() };
        node.attribute = axis.map(attribute).into_iter().collect();
    };
    let cases = [
        (true, Some(0), "accepted"),
        (true, None, "`axis`"),
        (true, Some(1), "`axis`"),
        (false, None, "accepted"),
        (false, Some(0), "`axis`"),
    ];
    for (by_channel, axis, expected) in cases {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        dequantize(proto.graph.as_mut().unwrap(), by_channel, axis);
        let found = verdict(&proto.encode_to_vec());
        assert!(found.contains(expected), "{by_channel} {axis:?}: {found}; expected {expected}");
    }
}

/// Each step of such a graph squares the number of its values.
#[test]
fn products_that_grow_without_end_are_refused_before_they_overflow() {
    let mut proto =
        ModelProto::decode(onnx(&model(settings(InputSize::Dynamic)).rewrite(Form::DEPLOY).unwrap(), 17).as_slice())
            .unwrap();
    let graph = proto.graph.as_mut().unwrap();
    let step = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        input: input.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        op_type: Some(op.into()),
        attribute,
        name: None,
    };
    let target = |name: &str, extents: &[i64]| {
        let mut tensor = TensorProto { data_type: Some(7), name: Some(name.into()), ..Default::default() };
        set_integers(&mut tensor, extents);
        tensor
    };
    graph.initializer.push(target("row", &[1, -1]));
    graph.initializer.push(target("column", &[-1, 1]));
    let mut from = "logits".to_owned();
    for i in 0..12 {
        let name = |what: &str| format!("{what}.{i}");
        graph.node.push(step("Reshape", &[&from, "row"], &name("row"), vec![]));
        graph.node.push(step("Reshape", &[&from, "column"], &name("column"), vec![]));
        graph.node.push(step("MatMul", &[&name("column"), &name("row")], &name("square"), vec![]));
        from = name("square");
    }
    let found = verdict(&proto.encode_to_vec());
    assert!(found.contains("larger than any"), "{found}");
}

#[test]
fn operators_and_format_must_go_together() {
    let bytes = onnx(&model(settings(SIZE)).rewrite(Form::DEPLOY).unwrap(), 17);
    let set = |version| OperatorSetIdProto { domain: Some(String::new()), version };
    type Change = Box<dyn Fn(&mut ModelProto)>;
    let changes: Vec<(Change, &str)> = vec![
        (Box::new(|m| m.opset_import.clear()), "operator sets []"),
        (Box::new(move |m| m.opset_import.push(set(Some(17)))), "operator sets [17, 17]"),
        (Box::new(move |m| m.opset_import = vec![set(Some(10))]), "operator sets [10]"),
        (Box::new(move |m| m.opset_import = vec![set(Some(22))]), "version 11 to 21"),
        (Box::new(move |m| m.opset_import = vec![set(None)]), "operator sets [0]"),
        (Box::new(move |m| m.opset_import = vec![set(Some(273))]), "operator sets [273]"),
        (Box::new(|m| m.ir_version = Some(11)), "ONNX format Some(11); expected 8"),
        (Box::new(|m| m.ir_version = None), "ONNX format None; expected 8"),
    ];
    for (change, expected) in changes {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        change(&mut proto);
        let found = verdict(&proto.encode_to_vec());
        assert!(found.contains(expected), "{found}; expected {expected}");
    }
}

#[test]
fn who_is_trusted_may_bring_any_graph_but_must_say_what_it_is() {
    let bytes = onnx(&model(settings(SIZE)), 17);
    let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
    node(proto.graph.as_mut().unwrap(), "Relu").op_type = Some("Selu".into());
    // Field 25 of a model holds functions.
    let foreign = [proto.encode_to_vec(), vec![0xCA, 0x01, 0x00]].concat();
    assert!(ModelFile::parse(&foreign).is_err());
    let trusted = ModelFile::parse_trusted(&foreign).unwrap();
    assert_eq!(trusted.metadata(), ModelFile::parse(&bytes).unwrap().metadata());
    proto.metadata_props.clear();
    assert!(ModelFile::parse_trusted(&proto.encode_to_vec()).is_err());
}

/// A field of two bytes takes a hundred once it is decoded.
#[test]
fn a_file_cannot_ask_for_many_times_its_size() {
    let nodes: Vec<u8> = [0x0A, 0x00].repeat(1 << 20);
    let length = nodes.len();
    let head =
        [0x3A, (length & 0x7F) as u8 | 0x80, (length >> 7 & 0x7F) as u8 | 0x80, (length >> 14 & 0x7F) as u8 | 0x80];
    let bytes = [&head[..], &[(length >> 21) as u8], &nodes].concat();
    assert!(verdict(&bytes).contains("more than 100000 fields"), "{}", verdict(&bytes));
}

#[test]
fn a_file_has_at_most_64_mib() {
    for (bytes, too_large) in [(64 << 20, false), ((64 << 20) + 1, true)] {
        let found = verdict(&vec![0; bytes]);
        assert_eq!(found.contains("more than 67108864 bytes;"), too_large, "{bytes}: {found}");
    }
}

#[test]
fn metadata_have_a_limit() {
    let mut proto = ModelProto::decode(onnx(&model(settings(SIZE)), 17).as_slice()).unwrap();
    let mut entry = proto.metadata_props[0].clone();
    (entry.key, entry.value) = (Some("notes".into()), Some("x".repeat(1 << 20)));
    proto.metadata_props.push(entry);
    let found = verdict(&proto.encode_to_vec());
    assert!(found.contains("bytes of metadata"), "{found}");
    proto.metadata_props.last_mut().unwrap().value = None;
    let texts = || proto.metadata_props.iter().flat_map(|entry| [entry.key(), entry.value()]);
    let others: usize = texts().map(str::len).sum();
    let commas = texts().map(|text| text.matches(',').count()).sum::<usize>();
    let (bytes, commas) = ((1 << 20) - others, SelfTestRecord::MAX_RUNS + 20_000 - commas);
    for (value, accepted) in [
        ("x".repeat(bytes), true),
        ("x".repeat(bytes + 1), false),
        (",".repeat(commas), true),
        (",".repeat(commas + 1), false),
    ] {
        proto.metadata_props.last_mut().unwrap().value = Some(value);
        let found = verdict(&proto.encode_to_vec());
        assert_eq!(found == "accepted", accepted, "{found}");
    }
}
