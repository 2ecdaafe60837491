//! Results as streams that need no codec.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;

use super::error::FrameProblem;
use super::paint::{Painted, Painter};
use super::yuv::limited;
use super::{Segmented, Sink, StreamInfo};
use crate::atomic;

/// A reader that has seen enough is no failure.
fn written(result: io::Result<()>) -> Result<ControlFlow<()>, FrameProblem> {
    match result {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(FrameProblem::Write(error)),
    }
}

/// What takes a stream's bytes.
pub trait Destination: Write {
    /// Completes what was written, after the last frame.
    ///
    /// # Errors
    ///
    /// What the system reports.
    fn complete(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Destination for Vec<u8> {}
impl Destination for File {}
impl<D: Destination + ?Sized> Destination for &mut D {
    fn complete(&mut self) -> io::Result<()> {
        (**self).complete()
    }
}
impl<D: Destination + ?Sized> Destination for Box<D> {
    fn complete(&mut self) -> io::Result<()> {
        (**self).complete()
    }
}

/// Nothing is seen at a path before its stream is complete.
impl Destination for atomic::Pending {
    fn complete(&mut self) -> io::Result<()> {
        self.finish()
    }
}

/// Results as bytes, one behind the other: class ids, or RGB24.
pub struct RawSink<W> {
    out: W,
    painter: Painter,
}

impl<W: Destination> RawSink<W> {
    /// Writes what `painter` draws to `out`.
    pub fn new(out: W, painter: Painter) -> Self {
        Self { out, painter }
    }
}

impl<W: Destination> Sink for RawSink<W> {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        let painted = self.painter.paint(result);
        written(self.out.write_all(painted.bytes))
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        written(self.out.complete()).map(|_| ())
    }
}

/// Results as y4m: class ids as luma without chroma (`Cmono`), which keeps each of them, or colours as `C444` by BT.601
/// in limited range.
pub struct Y4mSink<W> {
    out: W,
    painter: Painter,
    info: StreamInfo,
    planes: Vec<u8>,
    begun: bool,
}

impl<W: Destination> Y4mSink<W> {
    /// Writes what `painter` draws to `out`, at the rate and aspect of `info`.
    pub fn new(out: W, painter: Painter, info: StreamInfo) -> Self {
        Self { out, painter, info, planes: vec![], begun: false }
    }
}

impl<W: Destination> Sink for Y4mSink<W> {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        let painted = self.painter.paint(result);
        if painted.rgb {
            to_planes(&painted, &mut self.planes);
        }
        let bytes = if painted.rgb { &self.planes } else { painted.bytes };
        let begun = std::mem::replace(&mut self.begun, true);
        let start = if begun { Ok(()) } else { begin(&mut self.out, &painted, &self.info) };
        written(start.and_then(|()| {
            self.out.write_all(b"FRAME\n")?;
            self.out.write_all(bytes)
        }))
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        written(self.out.complete()).map(|_| ())
    }
}

fn begin(out: &mut impl Write, painted: &Painted<'_>, info: &StreamInfo) -> io::Result<()> {
    let (over, under) = info.rate.map_or((0, 0), |rate| rate.parts());
    let (wide, high) = info.aspect.map_or((0, 0), |aspect| aspect.parts());
    let (size, chroma) = (painted.size, if painted.rgb { "444" } else { "mono" });
    let (height, width) = (size.height, size.width);
    writeln!(out, "YUV4MPEG2 W{width} H{height} F{over}:{under} Ip A{wide}:{high} C{chroma}")
}

/// RGB pixels as three planes.
fn to_planes(painted: &Painted<'_>, planes: &mut Vec<u8>) {
    let area = painted.size.area();
    planes.resize(3 * area, 0);
    let (y, chroma) = planes.split_at_mut(area);
    let (u, v) = chroma.split_at_mut(area);
    for (((pixel, y), u), v) in painted.bytes.as_chunks().0.iter().zip(y).zip(u).zip(v) {
        [*y, *u, *v] = limited(*pixel);
    }
}
