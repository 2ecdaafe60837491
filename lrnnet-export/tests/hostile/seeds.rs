//! Small files of every format that are as they should be: what is changed to do harm, and what the fuzzer starts with.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use lrnnet_graph::onnx::proto::*;
use lrnnet_graph::{Classes, Config, Form, InputKind, Metadata, Origin, Precision, Settings, synthetic};
use lrnnet_run::Model;
use prost::Message;

use super::files::{Pickle, safetensors, tensor_bytes, torch_zip};
use super::mutate::archive;
use super::readers::{classes_from_bytes, weights_from_bytes};

const VALUES: [f32; 6] = [0.5, -1.0, 2.0, 0.25, -0.125, 3.0];

/// A small file: the parser that it is for, its name, its bytes.
pub type Seed = (&'static str, &'static str, Vec<u8>);

pub fn all() -> Vec<Seed> {
    let words = "cpu\ncuda:1+tf32+graph\ntensorrt:0+fp16\nauto\ntract\n360x480\nindexed\n30000/1001\nfcb\nsvn:8,4\nmax:8\n\
                 nonlocal\nclass-map\nlogits-8\nu8-nhwc\nint8\ndeploy\n29.97\n";
    vec![
        ("weights", "small.safetensors", small_safetensors()),
        ("weights", "small.pth", torch_zip(&small_pickle(), &[tensor_bytes(&VALUES), tensor_bytes(&VALUES)])),
        ("pickles", "small.pkl", small_pickle()),
        ("model", "small.onnx", small_model()),
        ("classes", "names.txt", b"road\ntraffic light\n".to_vec()),
        ("classes", "coloured.txt", b"\xEF\xBB\xBFroad 1 2 3\r\n\r\ntraffic light 250 170 30\n".to_vec()),
        ("picture", "small.png", picture(ImageFormat::Png)),
        ("picture", "small.jpg", picture(ImageFormat::Jpeg)),
        ("picture", "small.webp", picture(ImageFormat::WebP)),
        ("label", "small.png", label()),
        ("words", "words.txt", words.as_bytes().to_vec()),
        ("y4m", "small.y4m", y4m("C420jpeg XCOLORRANGE=FULL", 6 * 4 + 2 * 3 * 2)),
        ("y4m", "grey.y4m", y4m("Cmono A1:1", 6 * 4)),
    ]
}

pub fn small_safetensors() -> Vec<u8> {
    let header = r#"{"__metadata__":{"source":"test"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"a.bias":{"dtype":"F16","shape":[2],"data_offsets":[24,28]}}"#;
    safetensors(header, &[tensor_bytes(&VALUES), vec![0, 0x3C, 0, 0xBC]].concat())
}

pub fn small_pickle() -> Vec<u8> {
    Pickle::nested("model", &[("a", "FloatStorage", &[2, 3], &[3, 1]), ("b", "FloatStorage", &[3, 2], &[1, 3])])
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_raw(20, 12, synthetic::picture(12, 20)).unwrap();
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn label() -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 6, 4);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![9; 3 * 11]);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&(0..24).map(|i| i % 11).collect::<Vec<_>>()).unwrap();
    drop(writer);
    bytes
}

fn y4m(words: &str, frame: usize) -> Vec<u8> {
    let header = format!("YUV4MPEG2 W6 H4 F30000:1001 {words}\n");
    let frame = [b"FRAME\n".to_vec(), (0..frame).map(|i| (i * 7) as u8).collect()].concat();
    [header.into_bytes(), frame.clone(), frame].concat()
}

/// A graph of one convolution and an upsampling, with everything that a model says of itself.
pub fn small_model() -> Vec<u8> {
    let settings = Settings {
        classes: Classes::named(vec!["road".into(), "sky".into()]),
        input: InputKind::F32Nchw,
        ..Settings::camvid()
    };
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    let metadata = Metadata::new(&Config::new(settings).unwrap(), Form::DEPLOY, Precision::Fp32, &origin);
    let props = metadata.to_props().into_iter();
    let model = ModelProto {
        ir_version: Some(8),
        producer_name: Some("test".into()),
        producer_version: None,
        graph: Some(small_graph()),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        metadata_props: props.map(|(k, v)| StringStringEntryProto { key: Some(k), value: Some(v) }).collect(),
    };
    model.encode_to_vec()
}

fn small_graph() -> GraphProto {
    let ints = |name: &str, ints: &[i64]| AttributeProto {
        name: Some(name.into()),
        ints: ints.to_vec(),
        r#type: Some(AttributeType::Ints as i32),
        ..Default::default()
    };
    let group = AttributeProto {
        name: Some("group".into()),
        i: Some(1),
        r#type: Some(AttributeType::Int as i32),
        ..Default::default()
    };
    let text = |name: &str, value: &str| AttributeProto {
        name: Some(name.into()),
        s: Some(value.into()),
        r#type: Some(AttributeType::String as i32),
        ..Default::default()
    };
    let node = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        input: input.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        name: Some(output.into()),
        op_type: Some(op.into()),
        attribute,
    };
    let conv = vec![
        ints("dilations", &[1, 1]),
        group,
        ints("kernel_shape", &[1, 1]),
        ints("pads", &[0, 0, 0, 0]),
        ints("strides", &[1, 1]),
    ];
    let resize = vec![text("coordinate_transformation_mode", "half_pixel"), text("mode", "linear")];
    GraphProto {
        node: vec![
            node("Conv", &["image", "w"], "conv", conv),
            node("MaxPool", &["conv"], "pool", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]),
            node("Resize", &["pool", "", "scales"], "logits", resize),
        ],
        name: Some("lrnnet".into()),
        initializer: vec![tensor("w", &[2, 3, 1, 1], &VALUES), tensor("scales", &[4], &[1.0, 1.0, 2.0, 2.0])],
        input: vec![info("image", [1, 3, 64, 128])],
        output: vec![info("logits", [1, 2, 64, 128])],
        value_info: vec![info("conv", [1, 2, 64, 128]), info("pool", [1, 2, 32, 64])],
    }
}

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DataType::Float32 as i32),
        name: Some(name.into()),
        raw_data: Some(tensor_bytes(values)),
    }
}

fn info(name: &str, shape: [i64; 4]) -> ValueInfoProto {
    let dim = shape.map(|n| DimensionProto { value: Some(DimensionValue::Value(n)) }).to_vec();
    let tensor = TensorTypeProto { elem_type: Some(DataType::Float32 as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

/// What the parser says of bytes, as text that is equal for equal results, or the error's sort.
pub fn outcome(parser: &str, bytes: &[u8]) -> Result<String, String> {
    use lrnnet_run::stream::{FrameBuffer, Source, Y4mSource};
    use lrnnet_run::{label, picture};
    let path = Path::new("file");
    match parser {
        "pickles" => outcome("weights", &archive(bytes)),
        "weights" => weights_from_bytes(path, bytes.to_vec())
            .and_then(|file| file.into_weights())
            .map(|weights| format!("{weights:?}"))
            .map_err(|error| format!("{:?}: {:?}", error.kind(), error.problem())),
        "model" => Model::from_bytes("file", bytes.to_vec())
            .map(|model| format!("{:?}", model.bytes()))
            .map_err(|error| format!("{:?}: {:?}", error.kind(), error.problem())),
        "classes" => classes_from_bytes(path, bytes)
            .map(|classes| format!("{classes:?}"))
            .map_err(|error| format!("{:?}: {error:?}", error.kind())),
        "picture" => picture::decode(bytes)
            .map(|picture| format!("{:?}", picture.as_raw()))
            .map_err(|error| format!("{:?}: {error:?}", error.kind())),
        "label" => label::decode(bytes)
            .map(|label| format!("{:?}", label.as_raw()))
            .map_err(|error| format!("{:?}: {error:?}", error.kind())),
        "y4m" => {
            let frames = || {
                let mut source = Y4mSource::new(Cursor::new(bytes))?;
                let (mut frame, mut frames) = (FrameBuffer::default(), vec![]);
                while source.read(&mut frame)? {
                    frames.push(frame.rgb().to_vec());
                }
                Ok(frames)
            };
            let frames: Result<Vec<_>, lrnnet_run::stream::FrameProblem> = frames();
            frames.map(|frames| format!("{frames:?}")).map_err(|error| format!("Picture: {error:?}"))
        }
        other => panic!("no parser {other}"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

#[test]
fn every_seed_is_what_its_parser_takes() {
    for (parser, name, bytes) in all().into_iter().filter(|(parser, ..)| *parser != "words") {
        let found = outcome(parser, &bytes);
        assert!(found.is_ok(), "{parser}/{name}: {found:?}");
    }
}

/// The fuzzer's are these, but for what encoders of a later version make otherwise. `UPDATE_SEEDS=1` writes them anew.
#[test]
fn the_fuzzer_starts_with_them() {
    for (parser, name, made) in all() {
        let folder = folder().join(parser);
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), made).unwrap();
        }
        let bytes = fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{parser}/{name}: {e}"));
        let found = if parser == "words" { Ok(String::new()) } else { outcome(parser, &bytes) };
        assert!(found.is_ok(), "{parser}/{name}: {found:?}");
    }
}
