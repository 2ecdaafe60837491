//! A stream of any length that nothing holds.

use std::io::Read;

/// y4m frames, made as they are read.
pub struct Video {
    frame: Vec<u8>,
    left: u64,
    at: usize,
}

impl Video {
    /// The bytes of `frame`, with its header line, `frames` times over.
    pub fn new(frame: Vec<u8>, frames: u64) -> Self {
        Self { at: frame.len(), frame, left: frames }
    }
}

impl Read for Video {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.frame.len() && self.left > 0 {
            (self.at, self.left) = (0, self.left - 1);
        }
        let bytes = &self.frame[self.at..];
        let taken = bytes.len().min(out.len());
        out[..taken].copy_from_slice(&bytes[..taken]);
        self.at += taken;
        Ok(taken)
    }
}
