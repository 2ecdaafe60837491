//! A file without its head is the same network, and only the head of this crate is taken off.
#![allow(missing_docs)]

use lrnnet_graph::onnx::proto::{DataType, ModelProto, NodeProto, TensorProto};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{Config, Form, Head, InputKind, InputSize, Model, Network, Origin, Settings, synthetic};
use prost::Message;

fn model(settings: Settings) -> Model {
    let network = Network::new(Config::new(settings).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap()
}

fn file(model: &Model, opset: Opset) -> ModelFile {
    let origin = Origin { weights_sha256: "ab".repeat(32), exporter: "test 1.0".into() };
    ModelFile::parse(&model.to_onnx(opset, &origin)).unwrap()
}

fn settings(size: InputSize, head: Head) -> Settings {
    Settings { size, head, input: InputKind::U8Nhwc, ..Settings::camvid() }
}

#[test]
fn what_is_left_is_the_file_with_the_head_logits_8() {
    let fixed = InputSize::Static { batch: 2, height: 72, width: 136 };
    for size in [fixed, InputSize::FreeBatch { height: 72, width: 136 }, InputSize::Dynamic] {
        for opset in [11, 13, 17, 21] {
            let opset = Opset::new(opset).unwrap();
            let whole = model(settings(size, Head::ClassMap));
            let expected = model(settings(size, Head::Logits8));
            for (whole, expected) in [
                (file(&whole, opset), file(&expected, opset)),
                (file(&whole.to_half().unwrap(), opset), file(&expected.to_half().unwrap(), opset)),
            ] {
                let found = ModelFile::parse(&whole.headless().unwrap()).unwrap();
                assert_eq!(found, expected, "{size:?}");
            }
        }
    }
}

#[test]
fn any_other_head_stays() {
    let size = InputSize::Static { batch: 1, height: 64, width: 128 };
    for head in [Head::Logits, Head::Logits8, Head::Both] {
        assert_eq!(file(&model(settings(size, head)), Opset::default()).headless(), None, "{head}");
    }
    let ours = file(&model(settings(size, Head::ClassMap)), Opset::default());
    assert!(ours.headless().is_some());
    type Change = fn(&mut [NodeProto], &mut [TensorProto]);
    let changes: [(&str, Change); 8] = [
        ("pixel corners", |head, _| head[0].attribute[0].s = Some(b"align_corners".to_vec())),
        ("nearest neighbour", |head, _| head[0].attribute[1].s = Some(b"nearest".to_vec())),
        ("other scales", |head, _| head[0].input[2] = "svn.start".into()),
        ("scales of another type", |head, constants| {
            let scales = constants.iter_mut().find(|tensor| tensor.name() == head[0].input[2]).unwrap();
            scales.data_type = Some(DataType::Int32 as i32);
        }),
        ("another axis", |head, _| head[1].attribute[0].i = Some(2)),
        ("last of equals", |head, _| {
            let mut last = head[1].attribute[0].clone();
            (last.name, last.i) = (Some("select_last_index".into()), Some(1));
            head[1].attribute.push(last);
        }),
        ("another type", |head, _| head[2].attribute[0].i = Some(3)),
        ("another operand", |head, _| head[1].input[0] = "classifier.predict".into()),
    ];
    let taken: Vec<_> = changes
        .into_iter()
        .filter(|(_, change)| {
            let mut proto: ModelProto = ours.proto().clone();
            let graph = proto.graph.as_mut().unwrap();
            let start = graph.node.len() - 3;
            change(&mut graph.node[start..], &mut graph.initializer);
            ModelFile::parse_trusted(&proto.encode_to_vec()).unwrap().headless().is_some()
        })
        .map(|(what, _)| what)
        .collect();
    assert!(taken.is_empty(), "{taken:?}");
}
