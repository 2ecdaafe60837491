//! Several pictures in one run give what each gives alone.
#![allow(missing_docs)]

use std::num::NonZeroUsize;

use image::RgbImage;
use lrnnet_graph::{Config, Head, InputKind, InputSize, Settings, synthetic};
use lrnnet_run::{BuildError, Device, Frame, Preprocessor, SegmentError, Segmenter, SegmenterBuilder, Size};

const SIZE: Size = Size::new(64, 128);

fn builder(size: InputSize, head: Head, input: InputKind, device: Device) -> SegmenterBuilder {
    let config = Config::new(Settings { size, head, input, ..Settings::camvid() }).unwrap();
    Segmenter::builder().model_bytes(synthetic::onnx(config)).device(device)
}

/// One of the input's size and one that is resized.
fn pictures() -> [RgbImage; 2] {
    [(64, 128), (100, 140)].map(|(height, width)| {
        RgbImage::from_raw(width, height, synthetic::picture(height as usize, width as usize)).unwrap()
    })
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

#[test]
fn a_batch_gives_each_picture_its_own_mask() {
    let fixed = |batch| InputSize::Static { batch, height: SIZE.height, width: SIZE.width };
    let mut wrong = vec![];
    for device in [Device::TRACT, Device::CPU] {
        for (head, input) in [
            (Head::ClassMap, InputKind::U8Nhwc),
            (Head::Logits, InputKind::F32Nchw),
            (Head::Logits8, InputKind::F32Nchw),
        ] {
            let mut alone = builder(fixed(1), head, input, device).build().unwrap();
            let expected = pictures().map(|picture| alone.segment(&picture).unwrap());
            let free = InputSize::FreeBatch { height: SIZE.height, width: SIZE.width };
            for size in [fixed(2), free, InputSize::Dynamic] {
                let builder = builder(size, head, input, device).image_size(SIZE).batch(two());
                let mut segmenter = builder.build_resident().unwrap();
                let pictures = pictures();
                let frames = pictures.each_ref().map(|picture| Frame::try_from(picture).unwrap());
                let found = segmenter.segment_batch(&frames).unwrap();
                for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let differing = found.mask.iter().zip(expected.mask.iter()).filter(|(a, b)| a != b).count();
                    // Kernels for other shapes add in another order, which shows where two classes are as good as equal.
                    if found.mask.dimensions() != expected.mask.dimensions() || differing * 1000 > found.mask.len() {
                        wrong.push((device, head, size, index, differing));
                    }
                }
                let mut preprocessor = Preprocessor::new(segmenter.model().input_kind(), segmenter.metadata());
                let engine = segmenter.engine_mut();
                engine.hold(&preprocessor.prepare_batch(&frames, 2, SIZE)).unwrap();
                engine.run_held().unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_number_of_pictures_is_refused() {
    let size = InputSize::Static { batch: 2, height: SIZE.height, width: SIZE.width };
    let builder = || builder(size, Head::ClassMap, InputKind::U8Nhwc, Device::TRACT);
    assert!(matches!(builder().build(), Err(BuildError::Batch { wanted: 1, fixed: 2, .. })));
    let mut segmenter = builder().batch(two()).build().unwrap();
    assert!(segmenter.segment(&pictures()[0]).is_ok(), "a batch need not be full");
    let pictures = pictures();
    let frames = [0, 1, 0].map(|index| Frame::try_from(&pictures[index]).unwrap());
    let found = segmenter.segment_batch(&frames);
    assert!(matches!(found, Err(SegmentError::Batch { found: 3, max: 2 })), "{found:?}");
}
