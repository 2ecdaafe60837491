//! What is written is deterministic, self-describing, and read back whole; what is not ours is refused.
#![allow(missing_docs)]

use std::collections::{BTreeMap, HashSet};

use lrnnet_graph::graph::Op;
use lrnnet_graph::onnx::proto::{ModelProto, NodeProto, StringStringEntryProto};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{
    Block, Config, Form, Head, InputKind, InputSize, Model, Network, Origin, Settings, Variant, synthetic,
};
use prost::Message;

fn model(settings: Settings) -> Model {
    let network = Network::new(Config::new(settings).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap()
}

fn onnx(model: &Model) -> Vec<u8> {
    let origin = Origin { weights_sha256: "ab".repeat(32), exporter: "test 1.0".into() };
    model.to_onnx(Opset::default(), &origin)
}

fn small() -> Settings {
    Settings { size: InputSize::Static { batch: 1, height: 72, width: 136 }, ..Settings::camvid() }
}

fn nodes_by_op(bytes: &[u8]) -> BTreeMap<String, usize> {
    let file = ModelFile::parse(bytes).unwrap();
    let mut count = BTreeMap::new();
    for node in &file.proto().graph.as_ref().unwrap().node {
        *count.entry(node.op_type().to_owned()).or_default() += 1;
    }
    count
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert_eq!(
        onnx(&model(small()).rewrite(Form::DEPLOY).unwrap()),
        onnx(&model(small()).rewrite(Form::DEPLOY).unwrap())
    );
}

#[test]
fn every_config_head_and_input_is_a_valid_file_without_shape_nodes() {
    let blocks = [Block::Fcb, Block::SsNbt, Block::NonBt1d];
    let contexts = ["none", "svn:8,4", "svn:16", "max:8", "mean:8", "nonlocal"];
    let heads = [Head::ClassMap, Head::Logits, Head::Logits8, Head::Both];
    let sizes = [small().size, InputSize::FreeBatch { height: 72, width: 136 }, InputSize::Dynamic];
    let mut wrong = Vec::new();
    for (i, (block, context)) in blocks.iter().flat_map(|b| contexts.iter().map(move |c| (b, c))).enumerate() {
        for (j, size) in sizes.iter().enumerate() {
            let settings = Settings {
                block: *block,
                context: context.parse().unwrap(),
                head: heads[(i + j) % heads.len()],
                input: if i % 2 == 0 { InputKind::U8Nhwc } else { InputKind::F32Nchw },
                size: *size,
                ..small()
            };
            let plain = model(settings);
            let deploy = plain.rewrite(Form::DEPLOY).unwrap();
            let forms = Form::ALL.iter().map(|form| (form.to_string(), plain.rewrite(*form).unwrap()));
            for (form, model) in forms.chain([("half".into(), deploy.to_half().unwrap())]) {
                let faults = faults(&onnx(&model));
                wrong.extend(faults.into_iter().map(|fault| format!("{block} {context} {size:?} {form}: {fault}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a reader without shape inference could trip over.
fn faults(bytes: &[u8]) -> Vec<String> {
    let file = ModelFile::parse(bytes).unwrap();
    let graph = file.proto().graph.as_ref().unwrap();
    let mut known: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
    known.extend(graph.input.iter().map(|v| v.name()));
    let mut faults = Vec::new();
    for node in &graph.node {
        faults.extend(
            node.input
                .iter()
                .filter(|i| !i.is_empty() && !known.contains(i.as_str()))
                .map(|i| format!("{i} comes late")),
        );
        faults.extend(node.output.iter().filter(|o| !known.insert(o)).map(|o| format!("{o} is made twice")));
        if ["Shape", "Loop", "If", "Scan", "ConstantOfShape"].contains(&node.op_type()) {
            faults.push(format!("{} node {}", node.op_type(), node.name()));
        }
    }
    let typed: HashSet<&str> = graph.value_info.iter().chain(&graph.output).map(|v| v.name()).collect();
    let untyped = |n: &&NodeProto| n.output.iter().any(|o| !typed.contains(o.as_str()));
    faults.extend(graph.node.iter().filter(untyped).map(|n| format!("{} has no type", n.name())));
    faults
}

#[test]
fn the_deploy_form_has_neither_batch_norm_nor_shuffle() {
    let plain = nodes_by_op(&onnx(&model(small())));
    let deploy = nodes_by_op(&onnx(&model(small()).rewrite(Form::DEPLOY).unwrap()));
    assert_eq!(plain["BatchNormalization"], 3 + 13 * 4 + 2 + 1);
    assert!(!deploy.contains_key("BatchNormalization"), "{deploy:?}");
    // Only the context module still moves axes: five cuts and products, none of a shuffle's five axes.
    assert_eq!(plain["Transpose"] - deploy["Transpose"], 13, "{plain:?} {deploy:?}");
    // The first block slices its halves off; every later one, also behind a downsampling, gathers them.
    assert_eq!((deploy["Slice"], deploy["Gather"]), (2, 24), "{deploy:?}");
}

#[test]
fn metadata_and_ports_are_read_back() {
    let settings = Settings { input: InputKind::U8Nhwc, head: Head::Both, size: InputSize::Dynamic, ..small() };
    let file = ModelFile::parse(&onnx(&model(settings).rewrite(Form::DEPLOY).unwrap())).unwrap();
    let m = file.metadata();
    assert_eq!((m.variant(), &m.context), (Some(Variant::C), &Variant::C.context()));
    assert_eq!((m.input, m.head), (InputKind::U8Nhwc, Head::Both));
    assert_eq!((m.trained_size, m.size_multiple, m.classes.ignore_index), ([360, 480], 64, Some(11)));
    let mean = file.proto().metadata_props.iter().find(|e| e.key() == "mean").unwrap();
    assert_eq!(mean.value(), "[0.485,0.456,0.406]");
    assert_eq!(file.input().shape, [None, None, None, Some(3)]);
    let outputs: Vec<_> = file.outputs().iter().map(|p| (p.name.as_str(), p.shape.len())).collect();
    assert_eq!(outputs, [("logits", 4), ("class_map", 3)]);
    assert_eq!(file.opset(), Some(17));
}

#[test]
fn foreign_files_are_refused() {
    let bytes = onnx(&model(small()).rewrite(Form::DEPLOY).unwrap());
    let changed = |change: &dyn Fn(&mut ModelProto)| {
        let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
        change(&mut proto);
        ModelFile::parse(&proto.encode_to_vec()).map_or_else(|e| e.to_string(), |_| "accepted".into())
    };
    let parse = |bytes: &[u8]| ModelFile::parse(bytes).map_or_else(|e| e.to_string(), |_| "accepted".into());
    // Field 14 of TensorProto is `data_location`; 1 means that the values lie in another file.
    let external = [bytes.as_slice(), &[0x3A, 0x06, 0x2A, 0x04, 0x10, 0x01, 0x70, 0x01]].concat();
    let cases = [
        ("empty", parse(&[]), "expected one input"),
        ("text", parse(b"not a model"), "not an ONNX model"),
        ("half a file", parse(&bytes[..bytes.len() / 2]), "not an ONNX model, or is cut short"),
        ("external data", parse(&external), "never writes"),
        ("custom operators", changed(&|p| p.opset_import[0].domain = Some("com.example".into())), "`com.example`"),
        ("no metadata", changed(&|p| p.metadata_props.clear()), "no metadata of this project"),
        ("an entry less", changed(&|p| p.metadata_props.retain(|e| e.key() != "mean")), "missing field `mean`"),
        ("an entry twice", changed(&|p| p.metadata_props.push(p.metadata_props[0].clone())), "stands twice"),
        (
            "bad JSON",
            changed(&|p| {
                p.metadata_props[0] = StringStringEntryProto { key: Some("block".into()), value: Some("fcb".into()) }
            }),
            "`block` is not JSON",
        ),
        (
            "two inputs",
            changed(&|p| {
                let g = p.graph.as_mut().unwrap();
                g.input.push(g.input[0].clone())
            }),
            "2 inputs",
        ),
    ];
    let wrong: Vec<_> = cases.iter().filter(|(_, found, expected)| !found.contains(expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_file_is_no_larger_than_any_model() {
    let most = 64 << 20;
    let message = |bytes: usize| ModelFile::parse(&vec![0; bytes]).unwrap_err().to_string();
    assert!(message(most + 1).contains(&format!("more than {most} bytes")), "{}", message(most + 1));
    assert!(message(most).contains("not an ONNX model"), "{}", message(most));
}

#[test]
fn onnx_s_own_operators_go_by_two_names() {
    let mut proto = ModelProto::decode(onnx(&model(small())).as_slice()).unwrap();
    proto.opset_import[0].domain = Some("ai.onnx".into());
    assert_eq!(ModelFile::parse(&proto.encode_to_vec()).unwrap().opset(), Some(17));
}

#[test]
fn opsets_outside_the_supported_range_are_refused() {
    assert_eq!(Opset::new(10).unwrap_err().to_string(), "opset 10 is not supported; expected 11 to 21");
    assert!(Opset::new(22).is_err());
    for version in 11..=21 {
        let model = model(small()).rewrite(Form::DEPLOY).unwrap();
        let origin = Origin { weights_sha256: String::new(), exporter: String::new() };
        let bytes = model.to_onnx(Opset::new(version).unwrap(), &origin);
        assert_eq!(ModelFile::parse(&bytes).unwrap().opset(), Some(version.into()));
    }
}

#[test]
fn the_basic_form_computes_no_constants_and_gathers_nothing() {
    let bytes = onnx(&model(small()).rewrite(Form::BASIC).unwrap());
    let file = ModelFile::parse(&bytes).unwrap();
    let graph = file.proto().graph.as_ref().unwrap();
    let constants: HashSet<_> = graph.initializer.iter().map(|tensor| tensor.name()).collect();
    let constant: Vec<_> =
        graph.node.iter().filter(|node| node.input.iter().all(|x| constants.contains(x.as_str()))).collect();
    assert!(constant.is_empty(), "{constant:#?}");
    assert_eq!(nodes_by_op(&bytes).get("Gather"), None);
}

#[test]
fn the_blocked_form_takes_channels_by_convolutions_and_joins_at_transitions_alone() {
    let blocked = model(small()).rewrite(Form::BLOCKED).unwrap();
    let nodes = nodes_by_op(&onnx(&blocked));
    assert_eq!((nodes.get("Slice"), nodes.get("Gather")), (None, None), "{nodes:?}");
    // Two transitions, and the vectors of the context module's two scales.
    assert_eq!(nodes["Concat"], 3, "{nodes:?}");
    let selections = blocked.graph().nodes().iter().filter(|node| node.name.ends_with(".split"));
    let groups: Vec<_> = selections
        .map(|node| match node.op {
            Op::Conv(conv) => conv.groups,
            ref other => panic!("{}: {other:?}", node.name),
        })
        .collect();
    // Two halves of each block; behind the second and the third transition they are the joined parts themselves.
    assert_eq!(groups, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 2, 2, 4, 4, 1, 1]);
}
