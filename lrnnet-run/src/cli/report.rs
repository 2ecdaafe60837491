//! What is said about the pictures: a line each, a bar, a summary, JSON.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Error};
use indicatif::{ProgressBar, ProgressStyle};
use lrnnet_run::{Metadata, Segmentation, Segmenter, Timings};
use serde::Serialize;

use super::args::PredictArgs;
use super::failure::{Failure, describe};
use super::opening::Volume;
use super::predict;
use super::sources::{Job, Target};

/// Classes named in a picture's line.
const NAMED_CLASSES: usize = 3;

/// How much is said, and where.
pub struct Voice {
    volume: Volume,
    /// Whether standard output is taken by a mask or by JSON, so that lines go elsewhere.
    stdout_taken: bool,
    bar: ProgressBar,
}

impl Voice {
    /// As `args` ask for, with a bar for several pictures on a terminal.
    pub fn new(args: &PredictArgs, jobs: usize) -> Self {
        let is_dash = |path: &Path| Target::new(path) == Target::Stdout;
        let stdout_taken = is_dash(args.output()) || args.json.as_deref().is_some_and(is_dash);
        let volume = args.volume();
        let bar = if jobs > 1 && volume != Volume::Quiet && stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}");
            ProgressBar::new(jobs as u64).with_style(style.expect("the template is well formed"))
        } else {
            ProgressBar::hidden()
        };
        Self { volume, stdout_taken, bar }
    }

    /// A picture's line: on standard output, where it is free, since it is a result.
    fn line(&self, line: &str) -> Result<(), Failure> {
        let beside_bar = !self.bar.is_hidden() && stdout().is_terminal() && self.volume != Volume::Verbose;
        if self.volume == Volume::Quiet || beside_bar {
            return Ok(());
        }
        self.bar.suspend(|| {
            if self.stdout_taken {
                eprintln!("{line}");
                return Ok(());
            }
            let written = predict::to_stdout(format!("{line}\n").as_bytes());
            written.context("cannot write to standard output").map_err(Failure::Output)
        })
    }

    fn error(&self, error: &Error) {
        self.bar.suspend(|| eprint!("{}", describe(error)));
    }
}

/// Everything about all pictures; this is the JSON report.
#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    weights_sha256: &'a str,
    device: Option<String>,
    runtime: &'a str,
    images: &'a [Done],
    failed: &'a [Failed],
}

#[derive(Serialize)]
struct Done {
    source: String,
    mask: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
    width: u32,
    height: u32,
    /// Height and width at which the network ran.
    input_size: [usize; 2],
    /// Pixels by class name.
    class_pixels: BTreeMap<String, u64>,
    pre_ms: f64,
    infer_ms: f64,
    post_ms: f64,
}

#[derive(Serialize)]
struct Failed {
    source: String,
    error: String,
}

/// What happened so far.
pub struct Report {
    voice: Voice,
    start: Instant,
    done: Vec<Done>,
    failed: Vec<Failed>,
}

impl Report {
    /// Nothing yet.
    pub fn new(voice: Voice) -> Self {
        Self { voice, start: Instant::now(), done: vec![], failed: vec![] }
    }

    /// Takes in a picture that is done.
    pub fn done(&mut self, job: &Job, segmentation: &Segmentation, metadata: &Metadata) -> Result<(), Failure> {
        let names = &metadata.classes.names;
        let classes = largest(&segmentation.class_pixels, names);
        let Timings { pre, infer, post } = segmentation.timings;
        let (width, height) = segmentation.mask.dimensions();
        self.voice.bar.inc(1);
        self.voice.bar.set_message(classes.clone());
        self.voice.line(&format!(
            "{} -> {}: {width} x {height}, {classes}; pre {:.1} ms, infer {:.1} ms, post {:.1} ms",
            job.source,
            job.mask,
            ms(pre),
            ms(infer),
            ms(post)
        ))?;
        self.done.push(Done {
            source: job.source.to_string(),
            mask: job.mask.to_string(),
            overlay: job.overlay.as_ref().map(ToString::to_string),
            width,
            height,
            input_size: [segmentation.input_size.height, segmentation.input_size.width],
            class_pixels: names.iter().cloned().zip(segmentation.class_pixels.iter().copied()).collect(),
            pre_ms: ms(pre),
            infer_ms: ms(infer),
            post_ms: ms(post),
        });
        Ok(())
    }

    /// Takes in a picture that failed, and says why at once.
    pub fn failed(&mut self, job: &Job, error: Error) {
        self.voice.bar.inc(1);
        self.failed.push(Failed { source: job.source.to_string(), error: format!("{error:#}") });
        self.voice.error(&error.context(format!("cannot segment {}", job.source)));
    }

    /// Writes the JSON report and says how it went.
    pub fn finish(self, segmenter: &Segmenter, json: Option<&Path>) -> Result<(), Failure> {
        self.voice.bar.finish_and_clear();
        if let Some(path) = json {
            self.write_json(&Target::new(path), segmenter).map_err(Failure::Output)?;
        }
        if self.voice.volume != Volume::Quiet {
            eprintln!("{}", self.summary());
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        let names: String = self.failed.iter().map(|failed| format!("\n  {}", failed.source)).collect();
        eprintln!("failed: {} of {}:{names}", self.failed.len(), self.failed.len() + self.done.len());
        Err(Failure::Inputs)
    }

    fn write_json(&self, target: &Target, segmenter: &Segmenter) -> Result<(), Error> {
        let summary = Summary {
            model: segmenter.model().name(),
            weights_sha256: &segmenter.metadata().weights_sha256,
            device: segmenter.device().map(|device| device.to_string()),
            runtime: segmenter.runtime(),
            images: &self.done,
            failed: &self.failed,
        };
        let text = serde_json::to_string_pretty(&summary)? + "\n";
        predict::write(target, |out| out.write_all(text.as_bytes()))
    }

    fn summary(&self) -> String {
        let count = self.done.len();
        let plural = if count == 1 { "picture" } else { "pictures" };
        let mut text = format!("{count} {plural} in {:.2} s", self.start.elapsed().as_secs_f64());
        if count > 1 {
            let mean = |part: fn(&Done) -> f64| self.done.iter().map(part).sum::<f64>() / count as f64;
            let (pre, infer, post) = (mean(|d| d.pre_ms), mean(|d| d.infer_ms), mean(|d| d.post_ms));
            text += &format!("; mean pre {pre:.1} ms, infer {infer:.1} ms, post {post:.1} ms");
        }
        text
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The largest classes with their share of the picture.
fn largest(pixels: &[u64], names: &[String]) -> String {
    let total = pixels.iter().sum::<u64>().max(1) as f64;
    let mut order: Vec<usize> = (0..pixels.len()).filter(|&id| pixels[id] > 0).collect();
    order.sort_by_key(|&id| std::cmp::Reverse(pixels[id]));
    let share = |&id: &usize| format!("{} {:.0} %", names[id], 100.0 * pixels[id] as f64 / total);
    order.iter().take(NAMED_CLASSES).map(share).collect::<Vec<_>>().join(", ")
}
