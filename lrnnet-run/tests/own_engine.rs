//! What somebody else can build on this crate: an engine of their own, and frames from their own memory.
#![allow(missing_docs)]

use allocation_counter::measure;
use lrnnet_graph::onnx::Opset;
use lrnnet_graph::{Config, Form, Head, InputSize, Network, Origin, Settings, synthetic};
use lrnnet_run::engine::{Data, Engine, EngineError, Input, Outputs};
use lrnnet_run::{Frame, InputKind, Model, PixelFormat, Segmenter, Size};

const INPUT: Size = Size::new(64, 128);
const CLASSES: usize = 11;

/// Takes the brightness of the red bytes for the class: 0 to 255 becomes 0 to 10. Its room is made once.
struct RedEngine {
    ids: Vec<u8>,
    scores: Vec<f32>,
}

impl RedEngine {
    fn new() -> Self {
        Self { ids: vec![0; INPUT.area()], scores: vec![0.0; CLASSES * INPUT.area() / 64] }
    }
}

fn class_of(red: u8) -> u8 {
    (u16::from(red) * 10 / 255) as u8
}

impl Engine for RedEngine {
    fn prepare(&mut self, _batch: usize, _size: Size) -> Result<(), EngineError> {
        Ok(())
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        let Data::U8Nhwc(bytes) = input.data else {
            let source = "this engine takes bytes".into();
            return Err(EngineError::Run { runtime: "red", source });
        };
        let Size { height, width } = input.size;
        self.ids.iter_mut().zip(bytes.chunks_exact(3)).for_each(|(id, pixel)| *id = class_of(pixel[0]));
        outputs.set("class_map", &[1, height, width], &self.ids[..]);
        outputs.set("logits8", &[1, CLASSES, height / 8, width / 8], &self.scores[..]);
        outputs.set("mean_red", &[1], &[bytes.iter().step_by(3).map(|red| f32::from(*red)).sum::<f32>()][..]);
        Ok(())
    }

    fn description(&self) -> &str {
        "red, CPU"
    }
}

fn model(head: Head) -> Model {
    let size = InputSize::Static { batch: 1, height: INPUT.height, width: INPUT.width };
    let settings = Settings { size, head, input: InputKind::U8Nhwc, ..Settings::camvid() };
    let network = Network::new(Config::new(settings).unwrap());
    let weights = synthetic::weights(&network);
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    Model::from_bytes(
        "test",
        network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap().to_onnx(Opset::default(), &origin),
    )
    .unwrap()
}

/// A ramp of red from left to right in BGR order, with padded rows.
fn camera(size: Size, stride: usize) -> Vec<u8> {
    let mut bytes = vec![0; size.height * stride];
    for row in bytes.chunks_exact_mut(stride) {
        for x in 0..size.width {
            row[3 * x + 2] = (x * 255 / (size.width - 1)) as u8;
        }
    }
    bytes
}

#[test]
fn an_engine_of_a_stranger_segments_frames_of_a_stranger() {
    let mut segmenter = Segmenter::new(model(Head::ClassMap), RedEngine::new());
    assert_eq!((segmenter.runtime(), segmenter.device()), ("red, CPU", None));
    let bytes = camera(INPUT, 400);
    let frame = Frame::with_stride(&bytes, INPUT, PixelFormat::Bgr, 400).unwrap();
    let found = segmenter.segment(frame).unwrap();
    let expected: Vec<u8> = (0..INPUT.width).map(|x| class_of((x * 255 / (INPUT.width - 1)) as u8)).collect();
    assert!(found.mask.rows().all(|row| row.map(|pixel| pixel.0[0]).eq(expected.iter().copied())));
    // Whatever else the engine puts out can be read under its name.
    let mean = segmenter.outputs().floats("mean_red").unwrap()[0];
    assert_eq!(mean, (0..INPUT.width).map(|x| (x * 255 / 127) as f32).sum::<f32>() * INPUT.height as f32);
}

#[test]
fn a_frame_costs_no_allocation_once_buffers_have_grown() {
    let sizes = [INPUT, Size::new(90, 160)];
    for (head, what) in [(Head::ClassMap, "class map"), (Head::Logits8, "logits at an eighth")] {
        let mut segmenter = Segmenter::new(model(head), RedEngine::new());
        for size in sizes {
            let stride = 3 * size.width + 7;
            let bytes = camera(size, stride);
            let mut mask = vec![0; size.area()];
            let mut segment = || {
                let frame = Frame::with_stride(&bytes, size, PixelFormat::Bgr, stride).unwrap();
                segmenter.segment_into(frame, &mut mask).unwrap();
            };
            assert!(measure(&mut segment).count_total > 0, "the counter sees the first run");
            let steady = measure(|| (0..5).for_each(|_| segment()));
            assert_eq!(steady.count_total, 0, "{what}, {size}: {steady:?}");
        }
    }
}

/// What the runtimes' bindings allocate for each run is small change: no buffer is among it.
#[cfg(feature = "ort")]
#[test]
fn onnx_runtime_is_given_and_gives_its_tensors_without_copies_of_ours() {
    let mut segmenter = Segmenter::builder().model(model(Head::ClassMap)).device(lrnnet_run::Device::CPU).build();
    let segmenter = segmenter.as_mut().unwrap_or_else(|error| panic!("{error:?}\nrun `cargo xtask test`"));
    let bytes = camera(INPUT, 3 * INPUT.width);
    let mut mask = vec![0; INPUT.area()];
    let mut segment = || {
        let frame = Frame::new(&bytes, INPUT, PixelFormat::Bgr).unwrap();
        segmenter.segment_into(frame, &mut mask).unwrap();
    };
    segment();
    let run = measure(&mut segment);
    assert!(run.bytes_total < 4096, "{run:?}");
}
