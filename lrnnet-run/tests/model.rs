//! What a model says of its input and outputs, and files whose input and outputs are no model's. No runtime is needed.
#![allow(missing_docs)]

use lrnnet_graph::onnx::proto::{DataType, DimensionProto, DimensionValue, ModelProto, ValueInfoProto};
use lrnnet_graph::onnx::{FileError, ModelFile};
use lrnnet_graph::{Config, Head, InputKind, InputSize, Settings, synthetic};
use lrnnet_run::{ErrorKind, Model, ModelError, ModelProblem, Output, Size};
use prost::Message;

const SIZE: Size = Size::new(64, 128);
const STATIC: InputSize = InputSize::Static { batch: 2, height: SIZE.height, width: SIZE.width };
const CLASSES: usize = 11;

fn file(size: InputSize, head: Head, input: InputKind) -> Vec<u8> {
    synthetic::onnx(Config::new(Settings { size, head, input, ..Settings::camvid() }).unwrap())
}

#[test]
fn inputs_and_outputs_are_read_as_they_were_exported() {
    let (height, width) = (SIZE.height, SIZE.width);
    let heads = [
        (Head::ClassMap, Output::ClassMap, "class_map", vec![3, height, width]),
        (Head::Logits, Output::Logits, "logits", vec![3, CLASSES, height, width]),
        (Head::Logits8, Output::Logits8, "logits8", vec![3, CLASSES, height / 8, width / 8]),
    ];
    for (size, batch, fixed) in [(STATIC, Some(2), Some(SIZE)), (InputSize::Dynamic, None, None)] {
        for input in [InputKind::F32Nchw, InputKind::U8Nhwc] {
            for (head, output, name, shape) in &heads {
                let what = format!("{size:?} {input:?} {name}");
                let bytes = file(size, *head, input);
                let model = Model::from_bytes("street", bytes.clone()).unwrap();
                assert_eq!((model.name(), model.bytes()), ("street", &bytes[..]));
                assert_eq!((model.input_kind(), model.classes()), (input, CLASSES), "{what}");
                assert_eq!((model.fixed_batch(), model.fixed_size()), (batch, fixed), "{what}");
                assert_eq!((model.outputs(), output.name()), (&[*output][..], *name), "{what}");
                let [port] = model.output_ports() else { panic!("{what}: one output") };
                assert_eq!((&port.name[..], port.shape(3, SIZE)), (*name, Some(shape.clone())), "{what}");
                assert_eq!(output.values(CLASSES, SIZE), shape[1..].iter().product::<usize>(), "{what}");
            }
        }
    }
}

#[test]
fn a_dynamic_model_sees_a_picture_at_its_shape_with_as_many_pixels_as_it_was_trained_for() {
    let dynamic = Model::from_bytes("dynamic", file(InputSize::Dynamic, Head::ClassMap, InputKind::U8Nhwc)).unwrap();
    let fixed = Model::from_bytes("fixed", file(STATIC, Head::ClassMap, InputKind::U8Nhwc)).unwrap();
    // Trained at 360 x 480, rounded to multiples of 64; a line of 16384 x 1 pixels would be 53210 wide.
    let cases = [
        (Size::new(360, 480), Size::new(384, 512)),
        (Size::new(720, 960), Size::new(384, 512)),
        (Size::new(90, 120), Size::new(384, 512)),
        (Size::new(300, 300), Size::new(448, 448)),
        (Size::new(1080, 1920), Size::new(320, 576)),
        (Size::new(1, 16_384), Size::new(64, 16_384)),
    ];
    for (picture, seen) in cases {
        assert_eq!((dynamic.input_size(picture), fixed.input_size(picture)), (seen, SIZE), "{picture}");
    }
    assert_eq!(dynamic.trained_size(), Size::new(360, 480));
    assert_eq!((dynamic.default_size(), fixed.default_size()), (Size::new(384, 512), SIZE));
}

/// What a file says of one input or output.
fn port(proto: &mut ModelProto, output: bool) -> &mut ValueInfoProto {
    let graph = proto.graph.as_mut().unwrap();
    if output { &mut graph.output[0] } else { &mut graph.input[0] }
}

fn extents(port: &mut ValueInfoProto) -> &mut Vec<DimensionProto> {
    &mut port.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim
}

fn set_extent(port: &mut ValueInfoProto, at: usize, value: DimensionValue) {
    extents(port)[at].value = Some(value);
}

fn set_element(port: &mut ValueInfoProto, element: DataType) {
    port.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = Some(element as i32);
}

/// A trusted file of bytes `[2, 64, 128, 3]` or floats `[2, 3, 64, 128]` to `head` with another input or output.
fn with_port(
    (input, head): (InputKind, Head),
    output: bool,
    change: impl FnOnce(&mut ValueInfoProto),
) -> Result<Model, ModelError> {
    let mut proto = ModelProto::decode(&*file(STATIC, head, input)).unwrap();
    change(port(&mut proto, output));
    Model::from_trusted_bytes("changed", proto.encode_to_vec())
}

#[test]
fn a_trusted_file_must_have_an_input_that_a_picture_fits() {
    use DimensionValue::{Param, Value};
    let free = || Param("n".to_owned());
    for (input, [height, width, channels], other) in
        [(InputKind::U8Nhwc, [1, 2, 3], DataType::Float32), (InputKind::F32Nchw, [2, 3, 1], DataType::Uint8)]
    {
        let kind = (input, Head::ClassMap);
        let mut passed = vec![];
        let bad = [
            ("channels", channels, Value(4)),
            ("no channels", channels, free()),
            ("a free width", width, free()),
            ("a free height", height, free()),
            ("no width", width, Value(0)),
            ("a huge width", width, Value(16_385)),
            ("no batch", 0, Value(0)),
        ];
        for (what, at, value) in bad {
            match with_port(kind, false, |port| set_extent(port, at, value)) {
                Err(error) if matches!(error.problem(), ModelProblem::Port { .. }) => {
                    assert_eq!((error.kind(), error.name()), (ErrorKind::Model, "changed"));
                }
                _ => passed.push(what),
            }
        }
        if with_port(kind, false, |port| set_element(port, other)).is_ok() {
            passed.push("another element type");
        }
        if with_port(kind, false, |port| extents(port).truncate(3)).is_ok() {
            passed.push("three axes");
        }
        assert!(passed.is_empty(), "{input:?}: {passed:?}");
        let largest = with_port(kind, false, |port| set_extent(port, width, Value(16_384))).unwrap();
        assert_eq!(largest.fixed_size(), Some(Size::new(SIZE.height, 16_384)), "{input:?}");
        assert_eq!(with_port(kind, false, |port| set_extent(port, 0, free())).unwrap().fixed_batch(), None);
    }
}

#[test]
fn a_trusted_file_must_have_an_output_that_gives_classes() {
    let wrong = |head, change: &dyn Fn(&mut ValueInfoProto)| {
        let found = with_port((InputKind::U8Nhwc, head), true, change);
        matches!(found.err().as_ref().map(ModelError::problem), Some(ModelProblem::Port { .. }))
    };
    for (head, other) in
        [(Head::ClassMap, DataType::Float32), (Head::Logits, DataType::Uint8), (Head::Logits8, DataType::Float16)]
    {
        assert!(wrong(head, &|port| set_element(port, other)), "{head}: another element type");
        assert!(wrong(head, &|port| drop(extents(port).pop())), "{head}: an axis less");
        assert!(wrong(head, &|port| extents(port).push(DimensionProto::default())), "{head}: an axis more");
    }
    // An output under another name may be anything, but does not make a segmentation network.
    let renamed = with_port((InputKind::U8Nhwc, Head::ClassMap), true, |port| port.name = Some("depth".to_owned()));
    let error = renamed.unwrap_err();
    assert!(matches!(error.problem(), ModelProblem::NoClasses(names) if names == &["depth"]), "{error:?}");
}

#[test]
fn further_outputs_are_kept_with_the_extents_that_the_file_fixes() {
    let mut proto = ModelProto::decode(&*file(STATIC, Head::ClassMap, InputKind::U8Nhwc)).unwrap();
    let outputs = &mut proto.graph.as_mut().unwrap().output;
    for (name, batch) in [("fixed", Some(DimensionValue::Value(2))), ("free", None)] {
        let mut further = outputs[0].clone();
        further.name = Some(name.to_owned());
        extents(&mut further)[0].value = batch;
        outputs.push(further);
    }
    let model = Model::from_trusted_bytes("three", proto.encode_to_vec()).unwrap();
    assert_eq!(model.outputs(), [Output::ClassMap]);
    let shapes: Vec<_> = model.output_ports().iter().map(|port| port.shape(5, Size::new(8, 16))).collect();
    assert_eq!(shapes, [Some(vec![5, 8, 16]), Some(vec![2, SIZE.height, SIZE.width]), None]);
}

#[test]
fn only_a_class_map_alone_loses_its_head() {
    for size in [STATIC, InputSize::Dynamic] {
        for (head, expected) in [(Head::ClassMap, Some(Output::Logits8)), (Head::Logits, None), (Head::Logits8, None)] {
            let model = Model::from_bytes("whole", file(size, head, InputKind::U8Nhwc)).unwrap();
            let headless = model.headless();
            assert_eq!(headless.as_ref().map(|model| model.outputs()), expected.as_ref().map(std::slice::from_ref));
            assert!(headless.is_none_or(|headless| headless.name() == "whole"));
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let name = path.display().to_string();
    for open in [Model::open, Model::open_trusted] {
        let missing = open(&path).unwrap_err();
        assert!(matches!(missing.problem(), ModelProblem::Read(_)) && missing.name() == name, "{missing:?}");
    }
    std::fs::write(&path, b"no model").unwrap();
    for open in [Model::open, Model::open_trusted] {
        let damaged = open(&path).unwrap_err();
        assert!(matches!(damaged.problem(), ModelProblem::File(_)) && damaged.name() == name, "{damaged:?}");
    }
    std::fs::File::create(&path).unwrap().set_len(ModelFile::MAX_BYTES as u64 + 1).unwrap();
    for open in [Model::open, Model::open_trusted] {
        let large = open(&path).unwrap_err();
        let problem = large.problem();
        assert!(matches!(problem, ModelProblem::File(FileError::TooLarge { max: ModelFile::MAX_BYTES })), "{large:?}");
    }
    std::fs::write(&path, file(STATIC, Head::ClassMap, InputKind::U8Nhwc)).unwrap();
    for open in [Model::open, Model::open_trusted] {
        assert_eq!(open(&path).unwrap().name(), name);
    }
}
