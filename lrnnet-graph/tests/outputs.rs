//! Inner values become outputs under names of the caller's.
#![allow(missing_docs)]

use lrnnet_graph::onnx::proto::GraphProto;
use lrnnet_graph::onnx::{ModelFile, Opset, Port};
use lrnnet_graph::{Config, ElementType, Form, InputSize, Model, Network, Origin, OutputError, Settings, synthetic};

fn model() -> Model {
    let size = InputSize::Static { batch: 1, height: 64, width: 128 };
    let network = Network::new(Config::new(Settings { size, ..Settings::camvid() }).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap()
}

fn file(model: &Model) -> ModelFile {
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    ModelFile::parse(&model.to_onnx(Opset::default(), &origin)).unwrap()
}

fn graph(file: &ModelFile) -> &GraphProto {
    file.proto().graph.as_ref().unwrap()
}

/// Name and operator of what makes `value`.
fn maker(graph: &GraphProto, value: &str) -> (String, String) {
    let nodes: Vec<_> = graph.node.iter().filter(|node| node.output == [value]).collect();
    assert_eq!(nodes.len(), 1, "{value}: {nodes:?}");
    (nodes[0].name().to_owned(), nodes[0].op_type().to_owned())
}

#[test]
fn an_inner_value_is_an_output_and_still_feeds_the_rest() {
    let plain = file(&model());
    let more = file(&model().with_outputs([("features", "encoder.15.relu"), ("queries", "svn.reduce_bn")]).unwrap());
    let port = |name: &str, shape: &[usize]| Port {
        name: name.into(),
        element: ElementType::Float32,
        shape: shape.iter().copied().map(Some).collect(),
    };
    assert_eq!(more.outputs()[0], plain.outputs()[0]);
    assert_eq!(more.outputs()[1..], [port("features", &[1, 128, 8, 16]), port("queries", &[1, 32, 8, 16])]);
    let graph = graph(&more);
    assert_eq!(maker(graph, "features"), ("encoder.15.relu".into(), "Relu".into()));
    assert_eq!(maker(graph, "queries"), ("svn.reduce_bn".into(), "BatchNormalization".into()));
    assert!(graph.node.iter().any(|node| node.name() != "encoder.15.relu" && node.input.contains(&"features".into())));
    assert_eq!(graph.node.len(), self::graph(&plain).node.len());
}

#[test]
fn an_inner_output_keeps_its_name_type_and_shape_in_every_form() {
    let plain = model().with_outputs([("features", "encoder.15.shuffle"), ("keys", "svn.keys")]).unwrap();
    let expected = file(&plain).outputs().to_vec();
    for form in Form::ALL {
        let model = plain.rewrite(*form).unwrap();
        assert_eq!(file(&model).outputs(), expected, "{form}");
        assert_eq!(file(&model.to_half().unwrap()).outputs(), expected, "{form} in float16");
    }
}

#[test]
fn inputs_constants_and_values_that_are_outputs_already_get_a_second_name() {
    let outputs = [("picture", "image"), ("start", "svn.u0"), ("again", "head.bytes"), ("once_more", "head.bytes")];
    let more = file(&model().with_outputs(outputs).unwrap());
    let names: Vec<_> = more.outputs().iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["class_map", "picture", "start", "again", "once_more"]);
    let graph = graph(&more);
    for (name, source) in
        [("picture", "image"), ("start", "svn.u0"), ("again", "class_map"), ("once_more", "class_map")]
    {
        let node = graph.node.iter().find(|node| node.output == [name]).unwrap();
        assert_eq!((node.op_type(), node.input.as_slice()), ("Identity", [source.to_owned()].as_slice()));
    }
    assert_eq!(more.input().name, "image");
}

#[test]
fn an_output_may_have_the_name_of_another_inner_value() {
    let more = file(&model().with_outputs([("encoder.0.relu", "encoder.1.relu")]).unwrap());
    let graph = graph(&more);
    assert_eq!(maker(graph, "encoder.0.relu").0, "encoder.1.relu");
    assert_eq!(maker(graph, "encoder.0.relu.1").0, "encoder.0.relu");
    // What the first block reads is still the first block's.
    let split = graph.node.iter().find(|node| node.name() == "encoder.1.left.split").unwrap();
    assert_eq!(split.input[0], "encoder.0.relu.1");
}

#[test]
fn names_that_mean_nothing_or_are_taken_are_refused() {
    let no_such = |node: &str| OutputError::NoSuchNode { node: node.into() };
    let taken = |name: &str| OutputError::NameTaken { name: name.into() };
    let cases = [
        (vec![("x", "encoder.99")], no_such("encoder.99")),
        (vec![("x", "")], no_such("")),
        (vec![("", "encoder.1.relu")], taken("")),
        (vec![("image", "encoder.1.relu")], taken("image")),
        (vec![("class_map", "encoder.1.relu")], taken("class_map")),
        (vec![("x", "encoder.1.relu"), ("x", "encoder.2.relu")], taken("x")),
    ];
    for (outputs, expected) in cases {
        assert_eq!(model().with_outputs(outputs.clone()).unwrap_err(), expected, "{outputs:?}");
    }
}
