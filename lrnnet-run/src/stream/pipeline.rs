//! Three stages in threads of their own: decode, network, write.
//!
//! The pipeline knows nothing of pictures. A fixed number of slots goes round: each is filled by the first stage,
//! worked on by the second, emptied by the third, and filled again. So memory is bounded, buffers are reused, the order is
//! kept, and a slow stage holds up those before it.

use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::queue::{Closing, Queue};
use super::summary::{Latencies, Summary};

/// Slots that keep all stages busy: one in each, and one that waits before each but the first.
pub const SLOTS: usize = 5;

/// The stages in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading a frame and turning it into pixels.
    Decode,
    /// From pixels to class ids.
    Network,
    /// Drawing and writing the result.
    Write,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Decode, Self::Network, Self::Write];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decode => "decode",
            Self::Network => "network",
            Self::Write => "write",
        })
    }
}

/// Asks a pipeline to end: the frames that are under way are finished, no other is begun. Clones ask the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

/// Somebody else's flag, such as a signal handler's.
impl From<Arc<AtomicBool>> for Stop {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Stop {
    /// Asks.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked. A pipeline asks as well, once a stage fails or its results are wanted no more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How frames go through.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the newest frame takes the place of one that waits. Otherwise frames wait for the stages, and none is
    /// left out.
    pub live: bool,
    /// Ends the pipeline early.
    pub stop: Stop,
}

/// The stage and the frame that ended a pipeline.
#[derive(Debug)]
pub struct Failed<E> {
    /// Stage that failed.
    pub stage: Stage,
    /// Number of the frame, from 0.
    pub frame: u64,
    /// Why.
    pub error: E,
}

/// A slot on its way.
struct Item<T> {
    frame: u64,
    arrived: Instant,
    content: T,
}

/// What the stages share.
struct Shared<'o, T, E> {
    options: &'o Options,
    free: Queue<Item<T>>,
    decoded: Queue<Item<T>>,
    segmented: Queue<Item<T>>,
    failed: Mutex<Option<Failed<E>>>,
}

/// Runs `decode`, `network` and `write` on one slot after the other until `decode` says that there is no more
/// (`false`), a stage fails, `write` wants no more ([`ControlFlow::Break`]) or [`Options::stop`] is set. `write`, which
/// is also given the frame's number, runs in the caller's thread.
///
/// Frames before the one that failed are finished and written. Where several stages fail, the earliest frame's failure
/// is given.
///
/// # Panics
///
/// When a stage panics, when a thread cannot be started, or without slots.
pub fn run<T: Send, E: Send>(
    slots: Vec<T>,
    options: &Options,
    decode: impl FnMut(&mut T) -> Result<bool, E> + Send,
    network: impl FnMut(&mut T) -> Result<(), E> + Send,
    write: impl FnMut(u64, &mut T) -> Result<ControlFlow<()>, E>,
) -> (Summary, Option<Failed<E>>) {
    assert!(!slots.is_empty(), "a pipeline needs a slot");
    let queue = || Queue::new(slots.len());
    let shared = Shared { options, free: queue(), decoded: queue(), segmented: queue(), failed: Mutex::new(None) };
    let start = Instant::now();
    for content in slots {
        shared.free.push(Item { frame: 0, arrived: start, content });
    }
    let mut summary = thread::scope(|scope| {
        let decoding = named(scope, "decode", || shared.decode(decode));
        let segmenting = named(scope, "network", || shared.network(network));
        let mut summary = shared.write(write);
        (summary.busy[0], summary.dropped) = joined(decoding);
        summary.busy[1] = joined(segmenting);
        summary
    });
    summary.elapsed = start.elapsed();
    (summary, shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn named<'scope, R: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).expect("a thread can be started")
}

fn joined<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Time spent at work. The first frame is left out: it makes rooms and plans for its size.
#[derive(Default)]
struct Busy(Duration);

impl Busy {
    fn time<R>(&mut self, frame: u64, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        if frame > 0 {
            self.0 += start.elapsed();
        }
        result
    }
}

impl<T, E> Shared<'_, T, E> {
    /// Gives the time at work and the number of frames dropped.
    fn decode(&self, mut decode: impl FnMut(&mut T) -> Result<bool, E>) -> (Duration, u64) {
        let _closing = Closing(&self.decoded);
        let (mut busy, mut dropped) = (Busy::default(), 0);
        let Some(mut item) = self.free.pop() else { return (busy.0, dropped) };
        for frame in 0.. {
            if self.options.stop.is_set() || self.free.is_closed() {
                break;
            }
            match busy.time(frame, || decode(&mut item.content)) {
                Ok(true) => {}
                Ok(false) => break,
                // A reader that waits is called back by an error.
                Err(_) if self.options.stop.is_set() => break,
                Err(error) => {
                    self.fail(Stage::Decode, frame, error);
                    break;
                }
            }
            (item.frame, item.arrived) = (frame, Instant::now());
            if self.options.live {
                dropped += self.put_newest(&mut item);
            } else {
                self.decoded.push(item);
                match self.free.pop() {
                    Some(next) => item = next,
                    None => break,
                }
            }
        }
        (busy.0, dropped)
    }

    /// Hands the frame in `item` on in the place of one that waits, and takes a slot for the next; without one the
    /// frame itself is dropped. Gives the number of frames dropped. Nothing here waits.
    fn put_newest(&self, item: &mut Item<T>) -> u64 {
        let stale = self.decoded.try_pop();
        let dropped = u64::from(stale.is_some());
        match stale.or_else(|| self.free.try_pop()) {
            Some(next) => {
                self.decoded.push(mem::replace(item, next));
                dropped
            }
            None => 1,
        }
    }

    fn network(&self, mut network: impl FnMut(&mut T) -> Result<(), E>) -> Duration {
        let _closing = (Closing(&self.segmented), Closing(&self.free));
        let mut busy = Busy::default();
        while let Some(mut item) = self.decoded.pop() {
            if let Err(error) = busy.time(item.frame, || network(&mut item.content)) {
                self.fail(Stage::Network, item.frame, error);
                break;
            }
            if !self.segmented.push(item) {
                break;
            }
        }
        busy.0
    }

    fn write(&self, mut write: impl FnMut(u64, &mut T) -> Result<ControlFlow<()>, E>) -> Summary {
        let _closing = (Closing(&self.segmented), Closing(&self.free));
        let (mut busy, mut latencies) = (Busy::default(), Latencies::default());
        while let Some(mut item) = self.segmented.pop() {
            match busy.time(item.frame, || write(item.frame, &mut item.content)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => {
                    self.options.stop.set();
                    break;
                }
                Err(error) => {
                    self.fail(Stage::Write, item.frame, error);
                    break;
                }
            }
            latencies.add(item.arrived, Instant::now());
            self.free.push(item);
        }
        latencies.summary(busy.0)
    }

    /// Keeps the failure of the earliest frame, and ends what waits for a source.
    fn fail(&self, stage: Stage, frame: u64, error: E) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.as_ref().is_none_or(|known| frame < known.frame) {
            *failed = Some(Failed { stage, frame, error });
        }
        self.options.stop.set();
    }
}
