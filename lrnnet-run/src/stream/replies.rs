//! A reader that answers as a test says.

use std::collections::VecDeque;
use std::io::{self, Read};

/// What each call of `read` gives; after the last, the stream has ended.
pub struct Replies(VecDeque<io::Result<&'static [u8]>>);

impl Replies {
    pub fn new(replies: impl IntoIterator<Item = io::Result<&'static [u8]>>) -> Self {
        Self(replies.into_iter().collect())
    }
}

impl Read for Replies {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.pop_front().unwrap_or(Ok(b""))?;
        out[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}
