//! Streams of frames: from a [`Source`] through the network to a [`Sink`], with all three at work at the same time.
//!
//! ```
//! # #[cfg(all(feature = "tract", feature = "builtin-model"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lrnnet_run::stream::{self, Look, Options, Painter, RawSink, Y4mSource};
//! use lrnnet_run::{Device, Segmenter};
//!
//! let mut segmenter = Segmenter::builder().device(Device::TRACT).build()?;
//! // One grey frame of 4 x 2 pixels.
//! let video = b"YUV4MPEG2 W4 H2 F25:1 Cmono\nFRAME\n\x50\x50\x50\x50\x50\x50\x50\x50";
//! let mut source = Y4mSource::new(&video[..])?;
//! let mut ids = vec![];
//! let palette = segmenter.metadata().classes.palette.clone();
//! let mut sink = RawSink::new(&mut ids, Painter::new(Look::Ids, &palette));
//! let (summary, error) = stream::run(&mut segmenter, &mut source, &mut sink, &Options::default());
//! assert!(error.is_none());
//! assert_eq!(summary.frames, 1);
//! drop(sink);
//! assert_eq!(ids.len(), 4 * 2); // a class id per pixel
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "tract", feature = "builtin-model")))]
//! # fn main() {}
//! ```
//!
//! Once the first frames have made room, nothing is allocated for a frame but what the runtime allocates itself.

mod error;
mod frame;
mod paint;
mod patient;
pub mod pipeline;
mod queue;
mod ratio;
mod raw;
#[cfg(test)]
mod replies;
mod sinks;
mod summary;
pub mod y4m;
mod yuv;

use std::ops::ControlFlow;

pub use self::error::{FrameProblem, StreamError};
pub use self::frame::FrameBuffer;
pub use self::paint::{Look, Painted, Painter};
pub use self::patient::Patient;
pub use self::pipeline::{Options, Stage, Stop};
pub use self::ratio::{Ratio, RatioError};
pub use self::raw::RawSource;
pub use self::sinks::{Destination, RawSink, Y4mSink};
pub use self::summary::Summary;
pub use self::y4m::Y4mSource;
pub use self::yuv::Range;
use crate::engine::Engine;
use crate::segmenter::{SegmentError, Segmenter};
use crate::size::Size;

/// Where frames come from.
pub trait Source: Send {
    /// What is known of all frames.
    fn info(&self) -> StreamInfo;

    /// Reads the next frame into `frame`; false at the end.
    ///
    /// # Errors
    ///
    /// Whatever ends the stream too soon.
    fn read(&mut self, frame: &mut FrameBuffer) -> Result<bool, FrameProblem>;
}

/// What is known of all frames of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Frames a second.
    pub rate: Option<Ratio>,
    /// Width of a pixel by its height.
    pub aspect: Option<Ratio>,
}

/// Where results go.
pub trait Sink {
    /// Takes a result; [`ControlFlow::Break`] where no more are wanted.
    ///
    /// # Errors
    ///
    /// A result that cannot be written, which ends the stream.
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem>;

    /// Completes what was written. It is called once, after the last frame, unless writing failed.
    ///
    /// # Errors
    ///
    /// A result that cannot be completed.
    fn finish(&mut self) -> Result<(), FrameProblem>;
}

/// A frame and its mask.
#[derive(Clone, Copy, Debug)]
pub struct Segmented<'a> {
    /// Number of the frame in its stream, from 0. Frames that were dropped are counted.
    pub number: u64,
    /// The frame.
    pub frame: &'a FrameBuffer,
    /// Class id of each pixel, `[height, width]`.
    pub mask: &'a [u8],
    /// Number of pixels of each class, by class id.
    pub class_pixels: &'a [u64],
}

/// A frame with room for its results.
#[derive(Default)]
struct Slot {
    frame: FrameBuffer,
    mask: Vec<u8>,
    class_pixels: Vec<u64>,
}

/// Segments the frames of `source` into `sink` until the source ends, a stage fails, the sink wants no more, or
/// [`Options::stop`] is set. Whatever ends the stream, the frames before it are written and the sink is
/// [finished](Sink::finish), unless writing itself failed.
pub fn run<E: Engine>(
    segmenter: &mut Segmenter<E>,
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    options: &Options,
) -> (Summary, Option<StreamError>) {
    run_side_by_side(std::slice::from_mut(segmenter), source, sink, options)
}

/// The same with several segmenters of one model, each of which takes the next frame that waits
/// ([`SegmenterBuilder::build_side_by_side`](crate::SegmenterBuilder::build_side_by_side)): more frames a second, each of
/// which takes longer. The sink gets them in their order.
///
/// # Panics
///
/// Without a segmenter.
pub fn run_side_by_side<E: Engine>(
    segmenters: &mut [Segmenter<E>],
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    options: &Options,
) -> (Summary, Option<StreamError>) {
    let slots = std::iter::repeat_with(Slot::default).take(pipeline::slots(segmenters.len())).collect();
    let mut size = None;
    let (summary, failed) = pipeline::run(
        slots,
        options,
        |slot| decode(source, slot, &mut size),
        segmenters.iter_mut().map(|segmenter| |slot: &mut Slot| segment(segmenter, slot)).collect(),
        |number, Slot { frame, mask, class_pixels }| sink.write(&Segmented { number, frame, mask, class_pixels }),
    );
    let mut error = failed.map(StreamError::from);
    if !error.as_ref().is_some_and(|error| error.stage == Stage::Write)
        && let Err(problem) = sink.finish()
    {
        error = Some(StreamError { stage: Stage::Write, frame: summary.frames.saturating_sub(1), problem });
    }
    (summary, error)
}

/// Reads a frame, which must have the size of those before.
fn decode(source: &mut dyn Source, slot: &mut Slot, size: &mut Option<Size>) -> Result<bool, FrameProblem> {
    let more = source.read(&mut slot.frame)?;
    let (first, to) = (*size, slot.frame.size());
    match first {
        Some(from) if more && from != to => Err(FrameProblem::SizeChanged { from, to }),
        _ => {
            *size = Some(first.unwrap_or(to));
            Ok(more)
        }
    }
}

fn segment<E: Engine>(segmenter: &mut Segmenter<E>, slot: &mut Slot) -> Result<(), FrameProblem> {
    slot.mask.resize(slot.frame.size().area(), 0);
    let frame = slot.frame.frame().map_err(SegmentError::from)?;
    segmenter.segment_into(frame, &mut slot.mask)?;
    slot.class_pixels.clear();
    slot.class_pixels.extend_from_slice(segmenter.class_pixels(0).unwrap_or_default());
    Ok(())
}
