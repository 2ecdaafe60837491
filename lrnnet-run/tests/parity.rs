//! Every network, form, head and engine against PyTorch's outputs (`fixtures/golden.safetensors`) and those of an
//! independent implementation (`fixtures/oracle`).
//!
//! One table of cases; each is exported in memory, run, and compared in the units that matter: the largest logit
//! difference relative to the largest logit, and the share of equal pixels among those that are not ties.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::path::Path;

use image::RgbImage;
use lrnnet_graph::onnx::Opset;
use lrnnet_graph::{
    Block, Config, Form, Head, InputKind, InputSize, Model, Network, Origin, STRIDE, Settings, Tensor, Weights,
    synthetic,
};
use lrnnet_run::engine::Values;
use lrnnet_run::scores::{Agreement, Difference, leads};
use lrnnet_run::tolerance::{TIE, Tolerance};
use lrnnet_run::{Device, Logits, Segmenter, Size};
use safetensors::{Dtype, SafeTensors};

const FP32: Tolerance = Tolerance::FP32;
const ENGINES: [Device; 2] = [Device::TRACT, Device::CPU];
const SIZES: [[usize; 2]; 2] = [[64, 128], [72, 136]];

/// Name in the golden file, block, context.
const CONFIGS: [(&str, Block, &str); 12] = [
    ("ss-nbt", Block::SsNbt, "none"),
    ("non-bt-1d", Block::NonBt1d, "none"),
    ("a", Block::Fcb, "none"),
    ("max", Block::Fcb, "max:8"),
    ("mean", Block::Fcb, "mean:8"),
    ("b", Block::Fcb, "svn:8"),
    ("c", Block::Fcb, "svn:8,4"),
    ("c19", Block::Fcb, "svn:8,4"),
    ("s16", Block::Fcb, "svn:16"),
    ("s4", Block::Fcb, "svn:4"),
    ("s842", Block::Fcb, "svn:8,4,2"),
    ("nonlocal", Block::Fcb, "nonlocal"),
];

/// A golden file, by tensor name.
struct Golden(HashMap<String, (Vec<usize>, Vec<u8>, Dtype)>);

impl Golden {
    fn open(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, t)| (name.into(), (t.shape().to_vec(), t.data().to_vec(), t.dtype())));
        Self(tensors.collect())
    }

    fn get(&self, name: &str, dtype: Dtype) -> &(Vec<usize>, Vec<u8>, Dtype) {
        let tensor = self.0.get(name).unwrap_or_else(|| panic!("no `{name}`"));
        assert_eq!(tensor.2, dtype, "{name}");
        tensor
    }

    fn bytes(&self, name: &str) -> &[u8] {
        &self.get(name, Dtype::U8).1
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let chunks = self.get(name, Dtype::F32).1.chunks_exact(4);
        chunks.map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
    }

    fn weights(&self) -> Weights {
        let tensor = |name: &String| Tensor::new(self.0[name].0.clone(), self.floats(name)).unwrap();
        self.0.keys().map(|name| (name.clone(), tensor(name))).collect()
    }
}

fn settings(block: Block, context: &str, classes: usize, [height, width]: [usize; 2]) -> Settings {
    let base = if classes == 19 { Settings::cityscapes() } else { Settings::camvid() };
    Settings {
        block,
        context: context.parse().unwrap(),
        size: InputSize::Static { batch: 1, height, width },
        head: Head::Logits8,
        ..base
    }
}

fn network(settings: Settings) -> Network {
    Network::new(Config::new(settings).unwrap())
}

fn with_synthetic_weights(settings: Settings) -> Model {
    let network = network(settings);
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap()
}

/// The oracle's weights, without what a network does not have.
fn with_weights(settings: Settings, weights: &Weights) -> Model {
    let network = network(settings);
    let mut weights = weights.clone();
    let known: Vec<_> = network.params().map(|param| param.name.to_owned()).collect();
    weights.retain(|name, _| known.contains(name));
    network.bind(weights).unwrap()
}

/// What a model makes of a picture.
struct Result {
    mask: Vec<u8>,
    logits: Option<Vec<f32>>,
}

fn run(model: &Model, device: Device, picture: &[u8], [height, width]: [usize; 2]) -> Result {
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    let mut builder = Segmenter::builder().model_bytes(model.to_onnx(Opset::default(), &origin)).device(device);
    if model.config().size == InputSize::Dynamic {
        builder = builder.image_size(Size::new(height, width));
    }
    let mut segmenter = builder.build().unwrap_or_else(|e| panic!("{device}: {e:?}\nrun `cargo xtask test`"));
    let picture = RgbImage::from_raw(width as u32, height as u32, picture.to_vec()).unwrap();
    let mask = segmenter.segment(&picture).unwrap().mask.into_raw();
    Result { mask, logits: segmenter.logits(0).map(|l| l.values.to_vec()) }
}

/// Class ids that must be those of PyTorch, ties aside, by its logits at an eighth of the size.
fn agreement(mask: &[u8], expected: &[u8], logits8: &[f32], [height, width]: [usize; 2], tie: f32) -> Agreement {
    let size = Size::new(height / STRIDE, width / STRIDE);
    let logits = Logits { values: logits8, classes: logits8.len() / size.area(), size };
    let margin = tie * Difference::of(logits8, logits8).scale;
    let found = Agreement::of(mask, expected, &leads(logits, Size::new(height, width)), margin);
    assert!(found.compared > height * width / 2, "{found:?}: more than half are ties");
    found
}

/// Collects what does not hold, so that one run shows every failing case.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn check(&mut self, case: String, holds: bool) {
        if !holds {
            self.0.push(case);
        }
    }

    fn finish(self) {
        assert!(self.0.is_empty(), "{} cases fail:\n{}", self.0.len(), self.0.join("\n"));
    }
}

#[test]
fn every_row_of_the_tables_in_every_form_on_both_engines() {
    let golden = Golden::open("golden.safetensors");
    let mut report = Report::default();
    for (name, block, context) in CONFIGS {
        for size @ [h, w] in SIZES {
            let classes = if name == "c19" { 19 } else { 11 };
            let plain = with_synthetic_weights(settings(block, context, classes, size));
            let expected = golden.floats(&format!("{name}/{h}x{w}/logits8"));
            let ids = golden.bytes(&format!("{name}/{h}x{w}/classes"));
            for (form, model) in [
                ("plain", &plain),
                ("deploy", &plain.rewrite(Form::DEPLOY).unwrap()),
                ("basic", &plain.rewrite(Form::BASIC).unwrap()),
                ("blocked", &plain.rewrite(Form::BLOCKED).unwrap()),
            ] {
                for device in ENGINES {
                    let found = run(model, device, &synthetic::picture(h, w), size);
                    let difference = Difference::of(&found.logits.unwrap(), &expected);
                    let equal = agreement(&found.mask, ids, &expected, size, TIE);
                    let case = format!("{name} {h}x{w} {form} {device}: {difference:?}, {equal:?}");
                    report.check(case, difference.within(FP32.logits) && equal.within(FP32));
                }
            }
        }
    }
    report.finish();
}

#[test]
fn dynamic_models_give_what_static_ones_give() {
    let golden = Golden::open("golden.safetensors");
    let (size, mut report) = ([64, 128], Report::default());
    // 64 x 128 is no multiple of what scale 16 needs.
    for (name, block, context) in CONFIGS.into_iter().filter(|(name, ..)| !["c19", "s16"].contains(name)) {
        let settings = Settings { size: InputSize::Dynamic, ..settings(block, context, 11, size) };
        let plain = with_synthetic_weights(settings);
        let expected = golden.floats(&format!("{name}/64x128/logits8"));
        let deploy = plain.rewrite(Form::DEPLOY).unwrap();
        let blocked = plain.rewrite(Form::BLOCKED).unwrap();
        for (form, model) in [("plain", &plain), ("deploy", &deploy), ("blocked", &blocked)] {
            for device in ENGINES {
                let found = run(model, device, &synthetic::picture(64, 128), size);
                let difference = Difference::of(&found.logits.unwrap(), &expected);
                report.check(format!("{name} {form} {device}: {difference:?}"), difference.within(FP32.logits));
            }
        }
    }
    report.finish();
}

#[test]
fn models_with_a_free_batch_give_what_static_ones_give() {
    let golden = Golden::open("golden.safetensors");
    let (size @ [height, width], mut report) = ([72, 136], Report::default());
    // 72 x 136 cuts into regions with padding, and regions of padding alone.
    for (name, block, context) in CONFIGS.into_iter().filter(|(name, ..)| ["c", "max", "mean"].contains(name)) {
        let settings = Settings { size: InputSize::FreeBatch { height, width }, ..settings(block, context, 11, size) };
        let model = with_synthetic_weights(settings).rewrite(Form::DEPLOY).unwrap();
        let expected = golden.floats(&format!("{name}/72x136/logits8"));
        for device in ENGINES {
            let found = run(&model, device, &synthetic::picture(height, width), size);
            let difference = Difference::of(&found.logits.unwrap(), &expected);
            report.check(format!("{name} {device}: {difference:?}"), difference.within(FP32.logits));
        }
    }
    report.finish();
}

#[test]
fn every_head_and_input_kind() {
    let golden = Golden::open("golden.safetensors");
    let (size, mut report) = ([64, 128], Report::default());
    let (ids, logits8) = (golden.bytes("c/64x128/classes"), golden.floats("c/64x128/logits8"));
    // Every third row and column of the full-size logits.
    let expected = golden.floats("c/64x128/logits");
    let thinned = |logits: &[f32]| -> Vec<f32> {
        let rows = logits.chunks(128).enumerate().filter(|(i, _)| (i % 64).is_multiple_of(3));
        rows.flat_map(|(_, row)| row.iter().step_by(3).copied()).collect()
    };
    for head in [Head::ClassMap, Head::Logits, Head::Logits8, Head::Both] {
        for input in [InputKind::F32Nchw, InputKind::U8Nhwc] {
            for size_kind in [InputSize::Static { batch: 1, height: 64, width: 128 }, InputSize::Dynamic] {
                let settings = Settings { head, input, size: size_kind, ..settings(Block::Fcb, "svn:8,4", 11, size) };
                let model = with_synthetic_weights(settings).rewrite(Form::DEPLOY).unwrap();
                for device in ENGINES {
                    let case = format!("{head} {input} {size_kind:?} {device}");
                    let found = run(&model, device, &synthetic::picture(64, 128), size);
                    let equal = agreement(&found.mask, ids, &logits8, size, TIE);
                    report.check(format!("{case}: {equal:?}"), equal.within(FP32));
                    if matches!(head, Head::Logits | Head::Both) {
                        let difference = Difference::of(&thinned(&found.logits.unwrap()), &expected);
                        report.check(format!("{case}: {difference:?}"), difference.within(FP32.logits));
                    }
                }
            }
        }
    }
    report.finish();
}

#[test]
fn trained_weights_agree_with_an_independent_implementation() {
    let weights = Golden::open("oracle/c-camvid.safetensors").weights();
    let io = Golden::open("oracle/io-72x136.safetensors");
    let (size, mut report) = ([72, 136], Report::default());
    for (name, block, context) in
        CONFIGS.into_iter().filter(|(name, ..)| io.0.contains_key(&format!("c-camvid/{name}/logits8")))
    {
        let plain = with_weights(settings(block, context, 11, size), &weights);
        let deploy = plain.rewrite(Form::DEPLOY).unwrap();
        let half = deploy.to_half().unwrap();
        let expected = io.floats(&format!("c-camvid/{name}/logits8"));
        let ids = io.bytes(&format!("c-camvid/{name}/classes"));
        for device in ENGINES {
            for (form, model) in [("plain", &plain), ("deploy", &deploy)] {
                let found = run(model, device, io.bytes("image"), size);
                let difference = Difference::of(&found.logits.unwrap(), &expected);
                let equal = agreement(&found.mask, ids, &expected, size, TIE);
                let case = format!("{name} {form} {device}: {difference:?}, {equal:?}");
                report.check(case, difference.within(FP32.logits) && equal.within(FP32));
            }
            let found = run(&half, device, io.bytes("image"), size);
            let equal = agreement(&found.mask, ids, &expected, size, 0.0);
            report.check(format!("{name} fp16 {device}: {equal:?}"), equal.within(Tolerance::FP16));
        }
    }
    report.finish();
}

#[test]
fn inner_values_come_out_under_names_of_the_callers() {
    let weights = Golden::open("oracle/c-camvid.safetensors").weights();
    let io = Golden::open("oracle/io-72x136.safetensors");
    let ([height, width], mut report) = ([72, 136], Report::default());
    let settings = Settings { head: Head::ClassMap, ..settings(Block::Fcb, "svn:8,4", 11, [height, width]) };
    let inner = [("keys", "svn.values"), ("indices", "head.best_class")];
    let model = with_weights(settings, &weights).with_outputs(inner).unwrap();
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    let bytes = model.to_onnx(Opset::default(), &origin);
    let picture = RgbImage::from_raw(width as u32, height as u32, io.bytes("image").to_vec()).unwrap();
    for device in ENGINES {
        let mut segmenter = Segmenter::builder().model_bytes(bytes.clone()).device(device).build().unwrap();
        let mask = segmenter.segment(&picture).unwrap().mask.into_raw();
        let outputs = segmenter.outputs();
        let difference = Difference::of(outputs.floats("keys").unwrap(), &io.floats("c-camvid/c/svn.keys"));
        report.check(format!("{device}: {difference:?}"), difference.within(FP32.logits));
        let indices = outputs.get("indices").unwrap();
        let Values::I64(values) = indices.values() else { panic!("{indices:?}") };
        let same = values.iter().eq(mask.iter().map(|id| i64::from(*id)).collect::<Vec<_>>().iter());
        report.check(format!("{device}: {:?}", indices.shape()), same && indices.shape() == [1, height, width]);
    }
    report.finish();
}
