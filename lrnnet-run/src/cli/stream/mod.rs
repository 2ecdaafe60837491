//! The main command on streams: videos, cameras, pipes.

mod decoder;
mod encoder;
mod feed;
pub mod ffmpeg;
mod outputs;
mod plan;
mod report;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use lrnnet_run::stream::{self, Options, Stage, Stop, StreamInfo};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use self::decoder::Probe;
use self::encoder::{Audio, Recipe};
pub use self::feed::{Feed, Place};
use self::ffmpeg::FfmpegError;
use self::outputs::Outputs;
use self::plan::Format;
pub use self::plan::{Input, Plan, input};
use super::args::{PredictArgs, StreamArgs};
use super::failure::Failure;
use super::opening::{Volume, open_networks, spinner};

/// Segments the frames of a stream.
pub fn run(args: &PredictArgs, plan: Plan) -> Result<(), Failure> {
    let (stop, interrupted) = on_interrupt().context("cannot listen for Ctrl-C").map_err(Failure::Device)?;
    // What ffmpeg is needed for, and whether it is there, is found out before a network is loaded.
    let timeout = args.stream.timeout();
    let probe = plan.feed.probe(timeout, &stop);
    if interrupted.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    let probe = probe.map_err(of_source)?;
    let h264 = match plan.outputs.iter().any(|output| output.format == Format::Video) {
        true => ffmpeg::has_encoder("libx264").map_err(|error| of_source(error.into()))?,
        false => false,
    };
    // Of a recording, as many frames a second as can be; of a live source, each as soon as can be.
    let mut segmenters = open_networks(args.engine.builder(), args.volume(), !plan.feed.live)?;
    let mut source = plan.feed.open(probe.as_ref(), args.stream.fps, timeout, &stop).map_err(of_source)?;
    let info = StreamInfo { rate: args.stream.fps.or(source.info().rate), ..source.info() };
    let recipe = Recipe { info, live: plan.feed.live, audio: audio(&plan, probe), stop: stop.clone(), h264 };
    check_rate(&plan, info).map_err(Failure::Usage)?;
    let progress = match args.volume() {
        Volume::Quiet => indicatif::ProgressBar::hidden(),
        _ => spinner(plan.feed.place.to_string()),
    };
    let palette = segmenters[0].metadata().classes.palette.clone();
    let mut outputs = Outputs::open(&plan.outputs, &palette, &recipe, progress.clone())
        .context("cannot write the result")
        .map_err(Failure::Output)?;
    let options = Options { live: plan.feed.live, stop };
    let (summary, error) = stream::run_side_by_side(&mut segmenters, &mut *source, &mut outputs, &options);
    drop(source);
    progress.finish_and_clear();
    let interrupted = interrupted.load(Ordering::Relaxed);
    let report = report::Report {
        plan: &plan,
        summary,
        error: error.as_ref(),
        interrupted,
        class_pixels: &outputs.class_pixels,
    };
    report.finish(&segmenters[0], args)?;
    match error {
        Some(error) if error.stage == Stage::Write => Err(Failure::Output(of_stream(error, &plan))),
        Some(error) => Err(Failure::Input(of_stream(error, &plan))),
        None if interrupted => Err(Failure::Interrupted),
        None => Ok(()),
    }
}

fn of_stream(error: stream::StreamError, plan: &Plan) -> anyhow::Error {
    let place = plan.feed.place.to_string();
    anyhow::Error::from(error).context(format!("the stream from {place} ended early"))
}

/// A source that cannot be opened is a failed input, unless what is missing is ffmpeg.
pub fn of_source(error: anyhow::Error) -> Failure {
    match error.downcast_ref() {
        Some(FfmpegError::Missing { .. }) => Failure::Device(error),
        _ => Failure::Input(error),
    }
}

/// Ends the stream in good order at the first Ctrl-C and the program at the second.
fn on_interrupt() -> io::Result<(Stop, Arc<AtomicBool>)> {
    let (stop, interrupted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    flag::register_conditional_shutdown(SIGINT, 130, interrupted.clone())?;
    flag::register(SIGINT, interrupted.clone())?;
    flag::register(SIGINT, stop.clone())?;
    Ok((stop.into(), interrupted))
}

/// The audio tracks to be kept: those of a recording of which no frame is left out.
fn audio(plan: &Plan, probe: Option<Probe>) -> Option<Audio> {
    let Probe { audio: codecs, delay, .. } = probe.filter(|probe| !plan.feed.live && !probe.audio.is_empty())?;
    Some(Audio { place: plan.feed.place.clone(), codecs, delay })
}

fn check_rate(plan: &Plan, info: StreamInfo) -> Result<(), anyhow::Error> {
    let needs = plan.outputs.iter().find(|output| output.format == Format::Video);
    match needs {
        Some(output) if info.rate.is_none() => Err(anyhow!(
            "{} does not say how many frames a second it has, which {} needs; give --fps N",
            plan.feed.place,
            output.target
        )),
        _ => Ok(()),
    }
}

impl StreamArgs {
    /// How long a source may give nothing.
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.get())
    }
}
