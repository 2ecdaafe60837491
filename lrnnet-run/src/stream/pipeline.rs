//! Three stages in threads of their own: decode, network, write.
//!
//! The pipeline knows nothing of pictures. A fixed number of slots goes round: each is filled by the first stage,
//! worked on by the second, emptied by the third, and filled again. So memory is bounded, buffers are reused, the order is
//! kept, and a slow stage holds up those before it. The second stage may be several networks side by side, each of which
//! takes the next frame that waits; what is done out of turn waits for its turn before the third.

use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::queue::{Closing, Queue};
use super::summary::{Latencies, Summary};

/// Slots that keep all stages busy: one in each, and as many that wait before each but the first. Each of the
/// `networks` of the second stage counts.
pub const fn slots(networks: usize) -> usize {
    3 + 2 * networks
}

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
    /// Number among those that came to the network: dropped frames have none.
    turn: u64,
    arrived: Instant,
    content: T,
}

/// What the stages share.
struct Shared<'o, T, E> {
    options: &'o Options,
    free: Queue<Item<T>>,
    decoded: Queue<Item<T>>,
    segmented: Queue<Item<T>>,
    /// Frames that came to the network so far. It is held by the network that waits for the next one.
    turns: Mutex<u64>,
    /// Whether a network ended without a result for its frame, so that no later one has a turn.
    broken: AtomicBool,
    failed: Mutex<Option<Failed<E>>>,
}

/// Runs `decode`, one of `networks` and `write` on one slot after the other until `decode` says that there is no more
/// (`false`), a stage fails, `write` wants no more ([`ControlFlow::Break`]) or [`Options::stop`] is set. `write`, which
/// is also given the frame's number, runs in the caller's thread and gets the frames in their order.
///
/// Frames before the one that failed are finished and written. Where several stages fail, the earliest frame's failure
/// is given.
///
/// # Panics
///
/// When a stage panics, when a thread cannot be started, or without slots or networks.
pub fn run<T: Send, E: Send, N: FnMut(&mut T) -> Result<(), E> + Send>(
    slots: Vec<T>,
    options: &Options,
    decode: impl FnMut(&mut T) -> Result<bool, E> + Send,
    networks: Vec<N>,
    write: impl FnMut(u64, &mut T) -> Result<ControlFlow<()>, E>,
) -> (Summary, Option<Failed<E>>) {
    assert!(!slots.is_empty() && !networks.is_empty(), "a pipeline needs a slot and a network");
    let (room, count) = (slots.len(), networks.len());
    let shared = Shared::new(options, room);
    let start = Instant::now();
    for content in slots {
        shared.free.push(Item { frame: 0, turn: 0, arrived: start, content });
    }
    let mut summary = thread::scope(|scope| {
        let decoding = named(scope, "decode", || shared.decode(decode));
        // The last of the networks closes it.
        let closing = Arc::new(Closing(&shared.segmented));
        let segment = |network| {
            let (shared, closing) = (&shared, closing.clone());
            named(scope, "network", move || {
                let _closing = closing;
                shared.network(network)
            })
        };
        let segmenting: Vec<_> = networks.into_iter().map(segment).collect();
        drop(closing);
        let mut summary = shared.write(room, write);
        (summary.busy[0], summary.dropped) = joined(decoding);
        summary.busy[1] = segmenting.into_iter().map(joined).sum::<Duration>() / count as u32;
        summary.networks = count;
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

/// Ends the pipeline when a network panics: its frame, and so all later ones, will never come.
struct Guard<'s, 'o, T, E>(&'s Shared<'o, T, E>);

impl<T, E> Drop for Guard<'_, '_, T, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.break_off();
        }
    }
}

/// No state is half changed where one of these is locked, so that they stay of use when a stage panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'o, T, E> Shared<'o, T, E> {
    fn new(options: &'o Options, room: usize) -> Self {
        let queue = || Queue::new(room);
        Self {
            options,
            free: queue(),
            decoded: queue(),
            segmented: queue(),
            turns: Mutex::new(0),
            broken: AtomicBool::new(false),
            failed: Mutex::new(None),
        }
    }

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

    /// Gives the time at work.
    fn network(&self, mut network: impl FnMut(&mut T) -> Result<(), E>) -> Duration {
        let _guard = Guard(self);
        let mut busy = Busy::default();
        while let Some(mut item) = self.take() {
            if let Err(error) = busy.time(item.frame, || network(&mut item.content)) {
                self.fail(Stage::Network, item.frame, error);
                self.break_off();
                break;
            }
            if !self.segmented.push(item) {
                break;
            }
        }
        busy.0
    }

    /// The next frame for a network, with its turn.
    fn take(&self) -> Option<Item<T>> {
        let mut turns = locked(&self.turns);
        if self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let item = self.decoded.pop()?;
        *turns += 1;
        Some(Item { turn: *turns - 1, ..item })
    }

    /// Lets nobody wait for a frame that will not come.
    fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.free.close();
    }

    /// The frame whose `turn` it is; those that came before their turn are in `early`.
    fn in_turn(&self, turn: u64, early: &mut Vec<Item<T>>) -> Option<Item<T>> {
        loop {
            if let Some(at) = early.iter().position(|item| item.turn == turn) {
                return Some(early.swap_remove(at));
            }
            early.push(self.segmented.pop()?);
        }
    }

    fn write(&self, room: usize, mut write: impl FnMut(u64, &mut T) -> Result<ControlFlow<()>, E>) -> Summary {
        let _closing = (Closing(&self.segmented), Closing(&self.free));
        let (mut busy, mut latencies) = (Busy::default(), Latencies::default());
        let (mut turn, mut early) = (0, Vec::with_capacity(room));
        while let Some(mut item) = self.in_turn(turn, &mut early) {
            turn += 1;
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
        let mut failed = locked(&self.failed);
        if failed.as_ref().is_none_or(|known| frame < known.frame) {
            *failed = Some(Failed { stage, frame, error });
        }
        self.options.stop.set();
    }
}
