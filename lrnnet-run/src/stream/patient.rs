//! Reading from pipes and devices that may have nothing to give.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Waited;
use super::pipeline::Stop;

/// Time after which a reader that waits looks whether it shall stop.
const TICK: Duration = Duration::from_millis(100);
/// Bytes that are read at once: what a pipe holds.
const CHUNK: usize = 1 << 16;
/// Chunks that go round.
const CHUNKS: usize = 4;

/// A file, pipe or device that is read with patience, but without end: reading fails when nothing comes for a time, and
/// when it is asked to stop. A thread does the waiting, since no system can wait for every kind of reader; it ends with
/// the reader, or once that gives something that nobody wants any more.
pub struct Patient {
    full: Receiver<io::Result<Chunk>>,
    empty: SyncSender<Vec<u8>>,
    current: Chunk,
    timeout: Duration,
    stop: Stop,
}

/// Bytes, of which some are taken already. At the end of a stream there are none.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Patient {
    /// Reads `reader` ahead by a few chunks. Where nothing comes for `timeout`, reading fails.
    ///
    /// # Panics
    ///
    /// When a thread cannot be started.
    pub fn new(reader: impl Read + Send + 'static, timeout: Duration, stop: Stop) -> Self {
        let ((to_us, full), (empty, to_thread)) = (sync_channel(CHUNKS), sync_channel(CHUNKS));
        for _ in 0..CHUNKS {
            // There is room for all of them.
            let _ = empty.send(vec![0; CHUNK]);
        }
        let reading = move || read(reader, &to_thread, &to_us);
        thread::Builder::new().name("read".into()).spawn(reading).expect("a thread can be started");
        Self { full, empty, current: Chunk::default(), timeout, stop }
    }

    /// The next bytes; without any, the stream has ended.
    fn next(&self) -> io::Result<Chunk> {
        let start = Instant::now();
        while !self.stop.is_set() {
            match self.full.recv_timeout(TICK) {
                Ok(chunk) => return chunk,
                Err(RecvTimeoutError::Timeout) if start.elapsed() < self.timeout => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(io::Error::other(Waited { seconds: self.timeout.as_secs() }));
                }
                // The thread ended after the end of the stream or an error, which was told.
                Err(RecvTimeoutError::Disconnected) => return Ok(Chunk::default()),
            }
        }
        Err(io::Error::other("stopped"))
    }
}

/// Fills one chunk after the other until the stream ends or nobody wants more.
fn read(mut reader: impl Read, empty: &Receiver<Vec<u8>>, full: &SyncSender<io::Result<Chunk>>) {
    while let Ok(mut bytes) = empty.recv() {
        let found = loop {
            match reader.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                found => break found,
            }
        };
        let chunk = found.map(|filled| Chunk { bytes, taken: 0, filled });
        let last = !matches!(&chunk, Ok(Chunk { filled: 1.., .. }));
        if full.send(chunk).is_err() || last {
            return;
        }
    }
}

impl Read for Patient {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.current.taken == self.current.filled {
            let next = self.next()?;
            let Chunk { bytes, .. } = std::mem::replace(&mut self.current, next);
            if !bytes.is_empty() {
                // A thread that has ended needs no more room.
                let _ = self.empty.send(bytes);
            }
        }
        let ready = &self.current.bytes[self.current.taken..self.current.filled];
        let taken = ready.len().min(out.len());
        out[..taken].copy_from_slice(&ready[..taken]);
        self.current.taken += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::replies::Replies;
    use super::*;

    #[test]
    fn all_bytes_come_in_order_and_then_the_end() {
        let sent: Vec<u8> = (0..3 * CHUNKS * CHUNK + 17).map(|i| (i % 251) as u8).collect();
        let mut patient = Patient::new(io::Cursor::new(sent.clone()), Duration::from_secs(9), Stop::default());
        let mut found = vec![];
        patient.read_to_end(&mut found).unwrap();
        assert!(found == sent);
        assert_eq!(patient.read(&mut [0; 9]).unwrap(), 0, "the end stays the end");
    }

    #[test]
    fn an_error_of_the_reader_is_told_after_what_came_before() {
        let reset = io::Error::new(io::ErrorKind::ConnectionReset, "gone");
        let reader = Replies::new([Ok(&b"abc"[..]), Err(reset)]);
        let mut patient = Patient::new(reader, Duration::from_secs(9), Stop::default());
        let mut found = vec![];
        let error = patient.read_to_end(&mut found).unwrap_err();
        assert_eq!((&found[..], error.kind()), (&b"abc"[..], io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn an_interruption_is_none_and_nothing_is_read_behind_the_end() {
        let interrupted = Err(io::ErrorKind::Interrupted.into());
        // As a terminal does, whose reader may go on after the end.
        let reader = Replies::new([Ok(&b"abc"[..]), interrupted, Ok(b"def"), Ok(b""), Ok(b"behind")]);
        let mut patient = Patient::new(reader, Duration::from_secs(9), Stop::default());
        let mut found = vec![];
        patient.read_to_end(&mut found).unwrap();
        assert_eq!(found, b"abcdef");
        assert_eq!(patient.read_to_end(&mut found).unwrap(), 0);
    }

    #[test]
    fn a_reader_that_gives_nothing_is_given_up() {
        let (silent, _writer) = io::pipe().unwrap();
        let mut patient = Patient::new(silent, Duration::from_millis(150), Stop::default());
        let error = patient.read(&mut [0]).unwrap_err();
        assert!(error.downcast::<Waited>().is_ok());
        let (silent, _writer) = io::pipe().unwrap();
        let stop = Stop::default();
        let mut patient = Patient::new(silent, Duration::from_secs(600), stop.clone());
        stop.set();
        assert_eq!(patient.read(&mut [0]).unwrap_err().to_string(), "stopped");
    }
}
