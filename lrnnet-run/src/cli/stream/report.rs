//! What is said about a stream: a summary in words and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use lrnnet_run::stream::{Stage, StreamError, Summary};
use lrnnet_run::{Segmenter, with_causes};
use serde::Serialize;

use super::plan::Plan;
use crate::cli::args::PredictArgs;
use crate::cli::failure::Failure;
use crate::cli::opening::Volume;
use crate::cli::predict;
use crate::cli::sources::Target;

/// How a stream went.
pub struct Report<'a> {
    pub plan: &'a Plan,
    pub summary: Summary,
    pub error: Option<&'a StreamError>,
    pub interrupted: bool,
    /// Pixels of all frames by class id.
    pub class_pixels: &'a [u64],
}

/// The JSON report of a stream.
#[derive(Serialize)]
struct Json<'a> {
    model: &'a str,
    weights_sha256: &'a str,
    device: Option<String>,
    runtime: &'a str,
    source: String,
    outputs: Vec<String>,
    live: bool,
    frames: u64,
    dropped: u64,
    seconds: f64,
    frames_per_second: Option<f64>,
    /// From frame in to mask out.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    limited_by: Option<String>,
    /// Networks side by side.
    networks: usize,
    /// Seconds of each stage's work, without the first frame.
    busy_seconds: BTreeMap<String, f64>,
    class_pixels: BTreeMap<&'a str, u64>,
    interrupted: bool,
    error: Option<String>,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Report<'_> {
    /// Writes the JSON report and says how it went.
    pub fn finish(&self, segmenter: &Segmenter, args: &PredictArgs) -> Result<(), Failure> {
        if let Some(path) = &args.json {
            let text = serde_json::to_string_pretty(&self.json(segmenter)).map_err(|e| Failure::Output(e.into()))?;
            let written = predict::write(&Target::new(path), |out| out.write_all((text + "\n").as_bytes()));
            written.map_err(Failure::Output)?;
        }
        if args.volume() != Volume::Quiet {
            eprintln!("{}", self.words());
        }
        Ok(())
    }

    fn words(&self) -> String {
        let summary = &self.summary;
        let plural = if summary.frames == 1 { "frame" } else { "frames" };
        let mut text = format!("{} {plural} in {:.2} s", summary.frames, summary.elapsed.as_secs_f64());
        if let Some(rate) = summary.frames_per_second {
            text += &format!("; {rate:.1} frames a second");
        }
        if let (Some(p50), Some(p99)) = (summary.p50, summary.p99) {
            text += &format!("; from frame in to mask out p50 {:.1} ms, p99 {:.1} ms", ms(p50), ms(p99));
        }
        text += &format!("; {} dropped", summary.dropped);
        match summary.limit() {
            Some(Stage::Decode) => text + "; the source limits",
            Some(Stage::Network) => text + "; the network limits",
            Some(Stage::Write) => text + "; writing limits",
            None => text,
        }
    }

    fn json<'s>(&'s self, segmenter: &'s Segmenter) -> Json<'s> {
        let summary = &self.summary;
        let names = segmenter.metadata().classes.names.iter().map(String::as_str);
        Json {
            model: segmenter.model().name(),
            weights_sha256: &segmenter.metadata().weights_sha256,
            device: segmenter.device().map(|device| device.to_string()),
            runtime: segmenter.runtime(),
            source: self.plan.feed.place.to_string(),
            outputs: self.plan.outputs.iter().map(|output| output.target.to_string()).collect(),
            live: self.plan.feed.live,
            frames: summary.frames,
            dropped: summary.dropped,
            seconds: summary.elapsed.as_secs_f64(),
            frames_per_second: summary.frames_per_second,
            p50_ms: summary.p50.map(ms),
            p99_ms: summary.p99.map(ms),
            limited_by: summary.limit().map(|stage| stage.to_string()),
            networks: summary.networks,
            busy_seconds: Stage::ALL
                .iter()
                .zip(summary.busy)
                .map(|(s, busy)| (s.to_string(), busy.as_secs_f64()))
                .collect(),
            class_pixels: names.zip(self.class_pixels.iter().copied()).collect(),
            interrupted: self.interrupted,
            error: self.error.map(|error| with_causes(error)),
        }
    }
}
