//! A stream in steady state allocates nothing, in none of its threads. The counter counts those of the whole program, so
//! this test is alone in it.
#![allow(missing_docs)]

mod made;
mod red;

use std::alloc::System;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use lrnnet_graph::Head;
use lrnnet_run::Segmenter;
use lrnnet_run::stream::{
    self, FrameProblem, Look, Options, Painter, Patient, Segmented, Sink, Stop, StreamInfo, Y4mSink, Y4mSource,
};
use made::Video;
use red::{INPUT, RedEngine, class_of, model};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FRAMES: u64 = 600;
/// By then all rooms are made.
const WARM: u64 = 300;
/// Threads of a stream, each of which makes room once when it waits for another for the first time. On a busy machine
/// that may be late.
const THREADS: usize = 4;

/// Allocations so far, of new room or more room.
fn allocations() -> usize {
    let stats = COUNTER.stats();
    stats.allocations + stats.reallocations
}

/// Takes down how many allocations there were at each frame.
struct Watched<S> {
    sink: S,
    counts: Vec<usize>,
}

impl<S: Sink> Sink for Watched<S> {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        self.counts.push(allocations());
        self.sink.write(result)
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        self.sink.finish()
    }
}

#[test]
fn a_frame_costs_no_allocation_in_any_thread() {
    let segmenter = || Segmenter::new(model(Head::ClassMap), RedEngine::new());
    let palette = segmenter().metadata().classes.palette.clone();
    let area = INPUT.area();
    let frame = [&b"FRAME\n"[..], &vec![126; area], &vec![128; area / 2]].concat();
    for (networks, live, look) in
        [(1, false, Look::Ids), (1, false, Look::Overlay(0.5)), (1, true, Look::Colors), (3, false, Look::Ids)]
    {
        let mut segmenters: Vec<_> = std::iter::repeat_with(segmenter).take(networks).collect();
        let header = format!("YUV4MPEG2 W{} H{} C420jpeg\n", INPUT.width, INPUT.height);
        let video = Video::new(frame.clone(), FRAMES);
        let reader = Patient::new(std::io::Cursor::new(header).chain(video), Duration::from_secs(60), Stop::default());
        let mut source = Y4mSource::new(BufReader::new(reader)).unwrap();
        let mut out = Vec::with_capacity((FRAMES as usize + 1) * (3 * area + 100));
        let y4m = Y4mSink::new(&mut out, Painter::new(look, &palette), StreamInfo::default());
        let mut sink = Watched { sink: y4m, counts: Vec::with_capacity(FRAMES as usize) };
        let options = Options { live, ..Options::default() };
        let before = allocations();
        let (summary, error) = stream::run_side_by_side(&mut segmenters, &mut source, &mut sink, &options);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(summary.frames + summary.dropped, FRAMES);
        let counts = &sink.counts;
        assert!(before < counts[counts.len() - 1], "the counter sees how the first frames make room");
        // A live stream may have dropped frames; its second half is warm as well.
        let warm = if live { counts.len() / 2 } else { WARM as usize };
        let steady = counts[counts.len() - 1] - counts[warm];
        let frames = counts.len() - 1 - warm;
        assert!(frames > 10 * THREADS || live, "{frames} frames");
        let threads = THREADS - 1 + networks;
        assert!(steady <= threads, "{networks}, live {live}, {look:?}: {steady} allocations in {frames} frames");
        if look == Look::Ids {
            assert_eq!(out.last(), Some(&class_of(128)), "grey 126 of limited range is 128");
        }
    }
}
