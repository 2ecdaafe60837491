//! Long runs: memory, threads and files stay as they are. Short here, long where it is asked for:
//!
//!     LRNNET_SOAK_FRAMES=1000000 LRNNET_SOAK_OPENS=1000 cargo test --release --test soak -- --nocapture
//!
//! Figures are of the whole process, so the tests take turns.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod made;
mod red;

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lrnnet_graph::{Config, Head, InputKind, InputSize, Settings, synthetic};
use lrnnet_run::stream::{
    self, FrameProblem, Look, Options, Painter, Patient, Segmented, Sink, Stop, StreamInfo, Y4mSink, Y4mSource,
};
use lrnnet_run::{Device, Segmenter, selftest};
use made::Video;
use red::{INPUT, RedEngine, model};

static TURN: Mutex<()> = Mutex::new(());

fn number(variable: &str, short: u64) -> u64 {
    std::env::var(variable).map_or(short, |number| number.parse().expect(variable))
}

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Resident memory in KiB, without what is read from files: pages of programs and libraries come when they are first
    /// used, and the system takes them and brings them back as it likes.
    memory: f64,
    threads: usize,
    files: usize,
}

impl Held {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse::<usize>().unwrap()
        };
        let files = fs::read_dir("/proc/self/fd").unwrap().count();
        Self { memory: of("RssAnon:") as f64, threads: of("Threads:"), files }
    }

    /// What is held once threads that were told to end have had time for it: no more than `before`, or what stays.
    fn settled(before: Self) -> Self {
        let look = |_| {
            std::thread::sleep(Duration::from_millis(20));
            Self::now()
        };
        let is_less = |held: &Self| held.threads <= before.threads && held.files <= before.files;
        (0..500).map(look).find(is_less).unwrap_or_else(Self::now)
    }
}

/// KiB by which memory grows for each step, by least squares.
fn slope(samples: &[Held]) -> f64 {
    let n = samples.len() as f64;
    let (x, y) = ((n - 1.0) / 2.0, samples.iter().map(|held| held.memory).sum::<f64>() / n);
    let over = samples.iter().enumerate().map(|(i, held)| (i as f64 - x) * (held.memory - y)).sum::<f64>();
    over / samples.iter().enumerate().map(|(i, _)| (i as f64 - x).powi(2)).sum::<f64>()
}

/// Writes on, and looks at the process every so many frames.
struct Watched<S> {
    sink: S,
    every: u64,
    held: Vec<Held>,
}

impl<S: Sink> Sink for Watched<S> {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        if result.number.is_multiple_of(self.every) {
            self.held.push(Held::now());
        }
        self.sink.write(result)
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        self.sink.finish()
    }
}

#[test]
fn a_stream_without_end_holds_no_more_than_at_its_beginning() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    const SAMPLES: u64 = 100;
    let frames = number("LRNNET_SOAK_FRAMES", 10_000);
    let mut segmenter = Segmenter::new(model(Head::ClassMap), RedEngine::new());
    let palette = segmenter.metadata().classes.palette.clone();
    // A network of no time and small pictures: what goes round is what is tested.
    let (width, height) = (32, 16);
    let frame = [&b"FRAME\n"[..], &vec![126; width * height], &vec![128; width * height / 2]].concat();
    let header = format!("YUV4MPEG2 W{width} H{height} C420jpeg\n");
    let video = Video::new(frame, frames);
    let reader = Patient::new(std::io::Cursor::new(header).chain(video), Duration::from_secs(60), Stop::default());
    let mut source = Y4mSource::new(BufReader::new(reader)).unwrap();
    let y4m = Y4mSink::new(
        File::options().write(true).open("/dev/null").unwrap(),
        Painter::new(Look::Overlay(0.5), &palette),
        StreamInfo::default(),
    );
    let mut sink = Watched { sink: y4m, every: (frames / SAMPLES).max(1), held: vec![] };
    let (summary, error) = stream::run(&mut segmenter, &mut source, &mut sink, &Options::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(summary.frames, frames);
    // The first fifth makes rooms.
    let steady = &sink.held[sink.held.len() / 5..];
    let per_100_000 = slope(steady) * 100_000.0 / sink.every as f64;
    let (first, last) = (steady[0], steady[steady.len() - 1]);
    println!(
        "{frames} frames in {:.1?}: {per_100_000:.1} KiB for each 100,000; {first:?} to {last:?}",
        summary.elapsed
    );
    assert!(last.threads <= first.threads && last.files <= first.files, "{first:?}, {last:?}");
    // Over few frames a slope says nothing, and what is held does: 130 bytes a frame would show. What tests before have
    // freed, the allocator gives back and takes again.
    let grown = last.memory - first.memory;
    assert!(per_100_000 < 1024.0 || grown < 1024.0, "{per_100_000:.0} KiB for each 100,000 frames, {grown} KiB in all");
}

fn open_and_close(device: Device, times: u64) -> Vec<Held> {
    let size = InputSize::Static { batch: 1, height: 64, width: 128 };
    let settings = Settings { size, input: InputKind::U8Nhwc, ..Settings::camvid() };
    let bytes = synthetic::onnx(Config::new(settings).unwrap());
    let picture = selftest::picture(INPUT);
    let open = |_| {
        let mut segmenter = Segmenter::builder().model_bytes(bytes.clone()).device(device).build().unwrap();
        segmenter.segment(&picture).unwrap();
        drop(segmenter);
        Held::now()
    };
    (0..times).map(open).collect()
}

#[test]
fn engines_that_are_closed_leave_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in [Device::TRACT, Device::CPU] {
        let held = open_and_close(device, number("LRNNET_SOAK_OPENS", 12));
        let steady = &held[held.len() / 3..];
        let (first, last) = (steady[0], Held::settled(steady[0]));
        println!("{device}: {} times, {:.1} KiB each; {first:?} to {last:?}", held.len(), slope(steady));
        assert!(last.threads <= first.threads && last.files <= first.files, "{device}: {first:?}, {last:?}");
        let grown = last.memory - first.memory;
        assert!(slope(steady) < 16.0 || grown < 8192.0, "{device}: {grown} KiB in {} times", steady.len());
    }
}

/// Each thread has its own, and no two disturb each other.
#[test]
fn sixteen_threads_of_segmenters_agree() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let size = InputSize::Static { batch: 1, height: 64, width: 128 };
    let bytes = synthetic::onnx(Config::new(Settings { size, ..Settings::camvid() }).unwrap());
    for device in [Device::TRACT, Device::CPU] {
        let segment = || {
            let mut segmenter = Segmenter::builder().model_bytes(bytes.clone()).device(device).build().unwrap();
            let mut masks = vec![];
            for extent in [64, 100, 37] {
                let picture = selftest::picture(lrnnet_run::Size::new(extent, 2 * extent));
                masks.push(segmenter.segment(&picture).unwrap().mask);
            }
            masks
        };
        let expected = segment();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(segment)).collect();
            for thread in threads {
                assert!(thread.join().unwrap() == expected, "{device}");
            }
        });
    }
}
