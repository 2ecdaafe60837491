//! Models in int8: what they ask for, and what their files hold.
#![allow(missing_docs)]

use lrnnet_graph::graph::Op;
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{
    Block, Config, Context, ElementType, Form, InputKind, InputSize, Int8Error, Model, Network, Origin, Precision,
    Ranges, Settings, synthetic,
};

fn model(change: impl FnOnce(&mut Settings), form: Form) -> Model {
    let mut settings = Settings::camvid();
    settings.size = InputSize::Static { batch: 1, height: 64, width: 128 };
    change(&mut settings);
    let network = Network::new(Config::new(settings).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap().rewrite(form).unwrap()
}

fn dense() -> Model {
    model(|_| (), Form::DENSE)
}

fn ranges(model: &Model) -> Ranges {
    model.calibration_points().into_iter().map(|name| (name.to_owned(), [-1.0, 3.0])).collect()
}

#[test]
fn every_network_and_form_but_the_plain_one_becomes_integers() {
    let contexts = ["none", "svn:8,4", "max:8", "mean:8", "nonlocal"].map(|word| word.parse::<Context>().unwrap());
    for block in [Block::Fcb, Block::SsNbt, Block::NonBt1d] {
        for context in &contexts {
            for form in [Form::DEPLOY, Form::BASIC, Form::DENSE] {
                for input in [InputKind::U8Nhwc, InputKind::F32Nchw] {
                    let case = format!("{block} {context} {form} {input}");
                    let settle = |s: &mut Settings| (s.block, s.context, s.input) = (block, context.clone(), input);
                    let float = model(settle, form);
                    let names = float.calibration_points();
                    let unique: std::collections::HashSet<_> = names.iter().collect();
                    assert_eq!(unique.len(), names.len(), "{case}: a point's name stands for one value");
                    let outputs = names.iter().map(|name| (*name, *name));
                    assert!(float.with_outputs(outputs).is_ok(), "{case}: points are nodes");
                    let found = float.to_int8(&ranges(&float)).unwrap();
                    let convolutions: Vec<_> =
                        found.graph().nodes().iter().filter(|node| matches!(node.op, Op::Conv(_))).collect();
                    let floats: Vec<_> = convolutions
                        .iter()
                        .filter(|node| found.graph().node(node.inputs[1]).op != Op::Dequantize)
                        .map(|node| node.name.as_str())
                        .collect();
                    let expected: &[&str] = match context {
                        Context::None => &["classifier.predict"],
                        _ => &["svn.reduce", "svn.expand", "classifier.predict"],
                    };
                    assert_eq!(floats, expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_converted_is_named() {
    let dense = dense();
    let good = ranges(&dense);
    let without =
        |name: &str| good.iter().filter(|(key, _)| *key != name).map(|(k, v)| (k.clone(), *v)).collect::<Ranges>();
    let with = |range| {
        let mut ranges = good.clone();
        ranges.insert("svn.add".into(), range);
        ranges
    };
    let range = |low: f32, high: f32| Int8Error::Range { name: "svn.add".into(), low, high };
    let cases = [
        (dense.to_int8(&without("svn.add")), Int8Error::Missing { name: "svn.add".into() }),
        (dense.to_int8(&with([1.0, 0.0])), range(1.0, 0.0)),
        (dense.to_int8(&with([0.0, f32::INFINITY])), range(0.0, f32::INFINITY)),
        (dense.to_int8(&with([f32::MIN, f32::MAX])), range(f32::MIN, f32::MAX)),
        (model(|_| (), Form::PLAIN).to_int8(&good), Int8Error::Order { form: Form::PLAIN, precision: Precision::Fp32 }),
        (dense.to_half().unwrap().to_int8(&good), Int8Error::Order { form: Form::DENSE, precision: Precision::Fp16 }),
        (
            dense.to_int8(&good).unwrap().to_int8(&good),
            Int8Error::Order { form: Form::DENSE, precision: Precision::Int8 },
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found.unwrap_err(), expected);
    }
    let message = dense.to_int8(&with([f32::NAN, 0.0])).unwrap_err().to_string();
    assert_eq!(message, "values of `svn.add` cannot lie between NaN and 0; expected two numbers in order");
    assert!(dense.to_int8(&good).unwrap().to_half().is_err(), "nothing is made of int8");
}

#[test]
fn files_of_integers_say_so_and_have_operators_that_know_them() {
    let float = model(|settings| settings.input = InputKind::U8Nhwc, Form::DENSE);
    let int8 = float.to_int8(&ranges(&float)).unwrap();
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    for (opset, expected) in [(11, 13), (13, 13), (17, 17), (21, 21)] {
        let file = ModelFile::parse(&int8.to_onnx(Opset::new(opset).unwrap(), &origin)).unwrap();
        assert_eq!(file.proto().opset_import[0].version, Some(expected));
        let metadata = file.metadata();
        assert_eq!((metadata.precision, metadata.form.as_str()), (Precision::Int8, "dense"));
        assert_eq!(metadata.to_props().iter().find(|(key, _)| key == "precision").unwrap().1, "\"int8\"");
    }
    assert_eq!(int8.to_onnx(Opset::default(), &origin), int8.to_onnx(Opset::default(), &origin), "the same bytes");
}

#[test]
fn inner_values_are_floats_for_those_who_ask() {
    let float = dense();
    let int8 = float.with_outputs([("features", "encoder.15.relu")]).unwrap().to_int8(&ranges(&float)).unwrap();
    let value = int8.graph().outputs()[1].value;
    assert_eq!(int8.graph().node(value).element, ElementType::Float32);
}
