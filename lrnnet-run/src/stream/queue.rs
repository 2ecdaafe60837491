//! What one stage hands to the next.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue between two threads that never holds more than its capacity, so that nothing is allocated once it is made.
/// A channel would do, but for the newest frame that takes the place of an old one: its sender must also take out.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    /// Room for `capacity` things.
    pub fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::with_capacity(capacity), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds `thing` behind the others; says whether somebody may still take it. The pipeline has only as many things
    /// as there is room for, so this never waits.
    pub fn push(&self, thing: T) -> bool {
        let mut state = self.lock();
        if !state.closed {
            state.waiting.push_back(thing);
            self.changed.notify_one();
        }
        !state.closed
    }

    /// Takes the oldest, and waits for it; none once the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(thing) = state.waiting.pop_front() {
                return Some(thing);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the oldest if there is one.
    pub fn try_pop(&self) -> Option<T> {
        self.lock().waiting.pop_front()
    }

    /// Lets nothing more in; what waits can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether nothing more is let in.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// A queue stays of use when a stage panics: no state is half changed.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a queue when the stage that holds this ends, in whatever way it does.
pub struct Closing<'q, T>(pub &'q Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
