//! What somebody else can build on this crate: an engine of their own, and frames from their own memory.
#![allow(missing_docs)]

mod red;

use allocation_counter::measure;
use lrnnet_graph::Head;
use lrnnet_run::{Frame, PixelFormat, Segmenter, Size};
use red::{INPUT, RedEngine, class_of, model};

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
