//! Frames in memory of their own, which goes round.

use std::io::{self, Read};

use super::error::FrameProblem;
use crate::frame::{Frame, PixelFormat};
use crate::size::Size;

/// Bytes by which room grows when more is promised than has come: a header alone fills no memory.
const GROWTH: usize = 1 << 20;

/// A frame as packed RGB bytes `[height, width, 3]`, whose memory is used again for the next.
#[derive(Clone, Debug)]
pub struct FrameBuffer {
    rgb: Vec<u8>,
    size: Size,
}

/// No pixels yet.
impl Default for FrameBuffer {
    fn default() -> Self {
        Self { rgb: vec![], size: Size::new(0, 0) }
    }
}

impl FrameBuffer {
    /// Makes it a frame of `size`, whose bytes are to be written over.
    pub fn set_size(&mut self, size: Size) -> &mut [u8] {
        self.size = size;
        self.rgb.resize(3 * size.area(), 0);
        &mut self.rgb
    }

    /// Fills it with a frame of `size` in packed RGB bytes from `reader`.
    ///
    /// # Errors
    ///
    /// What the reader reports, and [`FrameProblem::Truncated`] where it ends too soon.
    pub fn read(&mut self, size: Size, reader: &mut impl Read) -> Result<(), FrameProblem> {
        fill(reader, &mut self.rgb, 3 * size.area())?;
        self.set_size(size);
        Ok(())
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The pixels, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels as the network takes them.
    ///
    /// # Errors
    ///
    /// A frame without pixels.
    pub fn frame(&self) -> Result<Frame<'_>, crate::FrameError> {
        Frame::new(&self.rgb, self.size, PixelFormat::Rgb)
    }
}

/// Reads `needed` bytes into the beginning of `bytes`, which grows only as they come.
pub(super) fn fill(reader: &mut impl Read, bytes: &mut Vec<u8>, needed: usize) -> Result<(), FrameProblem> {
    let mut found = 0;
    while found < needed {
        if bytes.len() <= found {
            bytes.resize(needed.min(found + found.max(GROWTH)), 0);
        }
        let room = bytes.len().min(needed);
        match reader.read(&mut bytes[found..room]) {
            Ok(0) => return Err(FrameProblem::Truncated { found, needed }),
            Ok(read) => found += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameProblem::reading(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::replies::Replies;
    use super::*;

    #[test]
    fn an_interruption_is_no_end_and_an_error_is_told() {
        let size = Size::new(1, 2);
        let error = |kind: io::ErrorKind| Err(kind.into());
        let mut reader = Replies::new([Ok(&b"abc"[..]), error(io::ErrorKind::Interrupted), Ok(b"def")]);
        let mut frame = FrameBuffer::default();
        frame.read(size, &mut reader).unwrap();
        assert_eq!((frame.rgb(), frame.size()), (&b"abcdef"[..], size));
        let mut reader = Replies::new([Ok(&b"abc"[..]), error(io::ErrorKind::ConnectionReset)]);
        let problem = frame.read(size, &mut reader).unwrap_err();
        assert!(matches!(problem, FrameProblem::Read(_)), "{problem:?}");
    }
}
