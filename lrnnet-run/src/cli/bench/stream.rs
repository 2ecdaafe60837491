//! A whole stream through a row's network: frames are read and segmented, and their masks thrown away.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lrnnet_run::Segmenter;
use lrnnet_run::stream::{self, FrameProblem, Options, Segmented, Sink, Stage, Stop, StreamError, Summary};
use serde::Serialize;

use super::stats::milliseconds;
use crate::cli::failure::Failure;
use crate::cli::stream::{Feed, Place, of_source};

/// How long a source may give nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A recorded stream that each row reads from its beginning.
pub struct Recording {
    feed: Feed,
}

/// How a stream went, by the same measures as the main command's summary.
#[derive(Serialize)]
pub struct StreamFigures {
    pub frames: u64,
    pub frames_per_second: Option<f64>,
    /// From frame in to mask out.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub limited_by: Option<String>,
    /// Networks side by side.
    pub networks: usize,
    /// Part of the time, the first frame's aside, in which the networks worked: 1 where nothing else takes any.
    pub network_share: Option<f64>,
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        Ok(())
    }
}

impl Recording {
    /// The stream at `path`.
    ///
    /// # Errors
    ///
    /// A path that is no video or y4m file.
    pub fn open(path: &Path) -> Result<Self> {
        let feed = Feed::of(path, None).filter(|feed| matches!(feed.place, Place::File(_)));
        let feed = feed.with_context(|| format!("{} is no video file and no .y4m file", path.display()))?;
        ensure!(path.is_file(), "{} is not there or no file", path.display());
        Ok(Self { feed })
    }

    /// Sends all frames through `segmenters`, side by side. The inner error is that of the network.
    ///
    /// # Errors
    ///
    /// A source that cannot be read to its end.
    pub fn run(&self, segmenters: &mut [Segmenter]) -> Result<Result<Summary, StreamError>, Failure> {
        let stop = Stop::default();
        let probe = self.feed.probe(PATIENCE, &stop).map_err(of_source)?;
        let mut source = self.feed.open(probe.as_ref(), None, PATIENCE, &stop).map_err(of_source)?;
        let options = Options { live: false, stop };
        match stream::run_side_by_side(segmenters, &mut *source, &mut Nowhere, &options) {
            (summary, None) => Ok(Ok(summary)),
            (_, Some(error)) if error.stage == Stage::Network => Ok(Err(error)),
            (_, Some(error)) => {
                let error =
                    anyhow::Error::from(error).context(format!("the stream from {} ended early", self.feed.place));
                Err(Failure::Input(error))
            }
        }
    }
}

impl From<&Summary> for StreamFigures {
    fn from(summary: &Summary) -> Self {
        let [_, network, _] = summary.busy;
        let steady = summary.frames_per_second.map(|rate| summary.frames.saturating_sub(1) as f64 / rate);
        Self {
            frames: summary.frames,
            networks: summary.networks,
            frames_per_second: summary.frames_per_second,
            p50_ms: summary.p50.map(milliseconds),
            p99_ms: summary.p99.map(milliseconds),
            limited_by: summary.limit().map(|stage| stage.to_string()),
            network_share: steady.map(|steady| network.as_secs_f64() / steady),
        }
    }
}
