//! Networks side by side share the threads, and give what one gives.
#![allow(missing_docs)]

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use lrnnet_graph::{Config, InputKind, InputSize, Settings, synthetic};
use lrnnet_run::engine::EngineOptions;
use lrnnet_run::stream::{self, FrameProblem, Options, RawSource, Segmented, Sink};
use lrnnet_run::{Device, Segmenter, SegmenterBuilder, Size};

const SIZE: Size = Size::new(64, 128);
const FRAMES: usize = 12;

fn builder(device: Device, threads: usize) -> SegmenterBuilder {
    let size = InputSize::Static { batch: 1, height: SIZE.height, width: SIZE.width };
    let config = Config::new(Settings { size, input: InputKind::U8Nhwc, ..Settings::camvid() }).unwrap();
    let options = EngineOptions { threads: NonZeroUsize::new(threads), ..EngineOptions::default() };
    Segmenter::builder().model_bytes(synthetic::onnx(config)).device(device).engine_options(options)
}

/// Raw frames, no two of which are the same.
fn frames() -> Vec<u8> {
    let picture = synthetic::picture(SIZE.height, SIZE.width);
    let lit = |frame: usize| picture.iter().map(move |&value| (usize::from(value) * (frame + 12) / 24) as u8);
    (0..FRAMES).flat_map(lit).collect()
}

/// Number and mask of each frame, in the order in which they come.
#[derive(Default, PartialEq)]
struct Kept(Vec<(u64, Vec<u8>)>);

impl Sink for Kept {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        self.0.push((result.number, result.mask.to_vec()));
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        Ok(())
    }
}

fn masks(segmenters: &mut [Segmenter]) -> Kept {
    let (bytes, mut kept) = (frames(), Kept::default());
    let mut source = RawSource::new(&bytes[..], SIZE, None);
    let (summary, error) = stream::run_side_by_side(segmenters, &mut source, &mut kept, &Options::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!((summary.frames, summary.networks), (FRAMES as u64, segmenters.len()));
    kept
}

#[test]
fn frames_get_the_masks_that_one_network_gives_them_in_their_order() {
    for device in [Device::TRACT, Device::CPU] {
        let mut alone = [builder(device, 1).build().unwrap()];
        let expected = masks(&mut alone);
        assert!(expected.0.iter().map(|(number, _)| *number).eq(0..FRAMES as u64));
        assert!(expected.0.windows(2).all(|pair| pair[0].1 != pair[1].1), "frames that look alike prove no order");
        let mut several = builder(device, 3).build_side_by_side().unwrap();
        assert_eq!(several.len(), 3, "{device}");
        assert!(masks(&mut several) == expected, "{device}: other masks, or another order");
    }
}

#[test]
fn networks_share_the_threads() {
    for (threads, networks, each) in [(1, 1, "1 CPU thread"), (5, 5, "1 CPU thread"), (16, 8, "2 CPU threads")] {
        let segmenters = builder(Device::TRACT, threads).build_side_by_side().unwrap();
        assert_eq!(segmenters.len(), networks);
        assert!(segmenters.iter().all(|s| s.runtime().ends_with(each)), "{threads}: {}", segmenters[0].runtime());
        assert!(segmenters.iter().all(|s| s.device() == Some(Device::TRACT)));
    }
}
