//! Raw frames: packed RGB bytes without a word about their size.

use std::io::BufRead;

use super::error::FrameProblem;
use super::frame::FrameBuffer;
use super::ratio::Ratio;
use super::{Source, StreamInfo};
use crate::size::Size;

/// Frames of one known size in RGB24, one behind the other.
pub struct RawSource<R> {
    reader: R,
    size: Size,
    rate: Option<Ratio>,
}

impl<R: BufRead> RawSource<R> {
    /// Frames of `size` at `rate` frames a second, where that matters.
    pub fn new(reader: R, size: Size, rate: Option<Ratio>) -> Self {
        Self { reader, size, rate }
    }
}

impl<R: BufRead + Send> Source for RawSource<R> {
    fn info(&self) -> StreamInfo {
        StreamInfo { rate: self.rate, aspect: None }
    }

    fn read(&mut self, frame: &mut FrameBuffer) -> Result<bool, FrameProblem> {
        if self.reader.fill_buf().map_err(FrameProblem::reading)?.is_empty() {
            return Ok(false);
        }
        frame.read(self.size, &mut self.reader).map(|()| true)
    }
}
