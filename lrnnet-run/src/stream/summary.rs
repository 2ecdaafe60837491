//! How a stream went.

use std::time::{Duration, Instant};

use super::pipeline::Stage;

/// What a pipeline did, and how fast.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Frames written.
    pub frames: u64,
    /// Frames of a live source that newer ones replaced.
    pub dropped: u64,
    /// From the start to the end.
    pub elapsed: Duration,
    /// Frames a second from the first mask to the last; none for fewer than two frames.
    pub frames_per_second: Option<f64>,
    /// Time from frame in (read and decoded) to mask out (written) that half of the frames stay below. The first frame,
    /// for which room and plans are made, is left out of both percentiles unless it is the only one.
    pub p50: Option<Duration>,
    /// The same for 99 of 100 frames. Both are exact to 2 %.
    pub p99: Option<Duration>,
    /// Networks side by side.
    pub networks: usize,
    /// Time that each stage worked or waited for its file, pipe or device; the first frame is left out. Of networks side
    /// by side it is their mean.
    pub busy: [Duration; 3],
}

impl Summary {
    /// The stage that the others wait for: the one with the most work for the frames that were written. None for fewer
    /// than two frames.
    pub fn limit(&self) -> Option<Stage> {
        let written = self.frames as f64 / (self.frames + self.dropped).max(1) as f64;
        let [decode, network, write] = self.busy;
        // Dropped frames were decoded, and waited for, as well.
        let work = [decode.mul_f64(written), network, write];
        let (_, stage) = work.into_iter().zip(Stage::ALL).max_by_key(|(work, _)| *work)?;
        (self.frames > 1).then_some(stage)
    }
}

/// Steps from a power of two to the next, as a power of two.
const STEPS: u32 = 6;

/// Times from frame in to mask out, in memory that does not grow: numbers of times by logarithm.
pub struct Latencies {
    /// Of times in microseconds, by [`slot`].
    counts: Vec<u64>,
    first: Option<(Duration, Instant)>,
    last: Option<Instant>,
    frames: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; slot(u64::MAX) + 1], first: None, last: None, frames: 0 }
    }
}

/// Where a number is counted: exactly up to 2^STEPS, above with an error of at most 2^-STEPS.
fn slot(number: u64) -> usize {
    let excess = (u64::BITS - number.leading_zeros()).saturating_sub(STEPS + 1);
    ((u64::from(excess) << STEPS) + (number >> excess)) as usize
}

/// The smallest number that is counted at `slot`.
fn smallest(slot: usize) -> u64 {
    let excess = (slot as u64 >> STEPS).saturating_sub(1);
    (slot as u64 - (excess << STEPS)) << excess
}

impl Latencies {
    /// Takes in a frame that is written.
    pub fn add(&mut self, arrived: Instant, written: Instant) {
        let latency = written - arrived;
        self.frames += 1;
        self.last = Some(written);
        if self.first.is_none() {
            self.first = Some((latency, written));
        } else {
            self.counts[slot(latency.as_micros() as u64)] += 1;
        }
    }

    fn percentile(&self, part: f64) -> Option<Duration> {
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return self.first.map(|(latency, _)| latency);
        }
        let rank = ((part * total as f64).ceil() as u64).max(1);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        at.map(|slot| Duration::from_micros(smallest(slot)))
    }

    /// What is known once the last frame is written, with the time that writing took.
    pub fn summary(&self, write: Duration) -> Summary {
        let span = self.first.zip(self.last).map(|((_, first), last)| last - first);
        let span = span.filter(|span| !span.is_zero());
        Summary {
            frames: self.frames,
            dropped: 0,
            elapsed: Duration::ZERO,
            frames_per_second: span.map(|span| (self.frames - 1) as f64 / span.as_secs_f64()),
            p50: self.percentile(0.5),
            p99: self.percentile(0.99),
            networks: 1,
            busy: [Duration::ZERO, Duration::ZERO, write],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_and_two_percent_wide() {
        let numbers = (0..20_000).chain([1 << 40, u64::MAX - 1, u64::MAX]);
        let mut before = 0;
        for number in numbers {
            let (at, low) = (slot(number), smallest(slot(number)));
            assert!(at >= before, "{number}");
            assert!(low <= number && number - low <= number / 50, "{number} is counted as {low}");
            before = at;
        }
    }

    #[test]
    fn percentiles_leave_the_first_frame_out() {
        let start = Instant::now();
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(Duration::ZERO).p50, None);
        latencies.add(start, start + Duration::from_secs(9));
        assert_eq!(latencies.summary(Duration::ZERO).p99, Some(Duration::from_secs(9)));
        // 1 to 100 ms, ending 10 ms apart.
        for i in 1..=100 {
            let written = start + Duration::from_secs(9) + Duration::from_millis(10 * i);
            latencies.add(written - Duration::from_millis(i), written);
        }
        let summary = latencies.summary(Duration::ZERO);
        let near = |found: Option<Duration>, ms: f64| {
            let found = found.unwrap().as_secs_f64() * 1e3;
            assert!((found - ms).abs() <= ms / 50.0, "{found} ms; expected {ms} ms");
        };
        near(summary.p50, 50.0);
        near(summary.p99, 99.0);
        assert_eq!(summary.frames, 101);
        assert!((summary.frames_per_second.unwrap() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn the_stage_with_the_most_work_for_written_frames_limits() {
        let summary = |frames, dropped, busy: [u64; 3]| Summary {
            frames,
            dropped,
            busy: busy.map(Duration::from_secs),
            ..Latencies::default().summary(Duration::ZERO)
        };
        for (frames, dropped, busy, expected) in [
            (9, 0, [3, 2, 1], Some(Stage::Decode)),
            (9, 0, [1, 3, 2], Some(Stage::Network)),
            // A live source that is waited for, of which frames were dropped only while the network was planned.
            (90, 3, [30, 15, 1], Some(Stage::Decode)),
            // One that is faster than the network, or than what writes: all three are at work all the time.
            (40, 60, [30, 29, 1], Some(Stage::Network)),
            (40, 60, [30, 10, 29], Some(Stage::Write)),
            (1, 0, [1, 3, 2], None),
            (0, 0, [0, 0, 0], None),
        ] {
            assert_eq!(summary(frames, dropped, busy).limit(), expected, "{frames} {dropped} {busy:?}");
        }
    }
}
