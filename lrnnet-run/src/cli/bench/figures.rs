//! The figures of all rows, as JSON and as a table.

use std::collections::BTreeMap;

use lrnnet_run::with_causes;
use serde::Serialize;

use super::machine::Machine;
use super::memory::Memory;
use super::row::{Measured, Row};
use super::stats::{median, milliseconds, percentile};
use super::stream::StreamFigures;

/// What each figure covers; printed below the table and part of the JSON.
pub const REGIONS: [(&str, &str); 12] = [
    (
        "load",
        "model file to ready network, once; on a GPU with a run on zeros, which builds kernels, engines and graphs",
    ),
    ("first", "the first whole run, once"),
    ("pre", "median; decoded RGB picture to the network's input: resize, normalise where the graph does not"),
    ("infer", "median; the runtime's run, with its copies of input and output to and from the device"),
    ("network", "median; the run alone in runs of its own, input and output staying where the network has them"),
    ("post", "median; the network's output to a mask of the picture's size, and counting its pixels by class"),
    ("p50, p90, p99", "pre + infer + post of one run (end-to-end); nearest rank; no file is read or written in it"),
    ("frames/s", "pictures by the sum of all end-to-end times, one run after the other"),
    ("peak RSS", "largest resident size of the whole process while the row loaded and ran first; + what it added"),
    ("agrees", "pixels with the class that the first row gives them"),
    (
        "stream",
        "frames a second from the first mask to the last of the whole recording, reading and decoding included; p50, p99: \
         from frame in to mask out; network: part of the time in which it worked",
    ),
    ("mIoU", "mean over classes of intersection over union, all pixels of all labels together"),
];

/// Everything about a call; this is the JSON report.
#[derive(Serialize)]
pub struct Figures {
    /// What it was measured on.
    pub machine: Machine,
    /// What was segmented.
    pub picture: String,
    /// Pictures per run.
    pub batch: usize,
    /// Untimed runs before.
    pub warmup: usize,
    /// Threads asked for; null for the runtime's choice.
    pub threads: Option<usize>,
    /// What each figure covers.
    pub regions: BTreeMap<&'static str, &'static str>,
    /// One per model and device.
    pub rows: Vec<Line>,
}

/// A row's figures. All times are in milliseconds.
#[derive(Serialize)]
pub struct Line {
    /// The model file's name.
    pub model: String,
    /// The device that was asked for.
    pub device: String,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The measurement.
    #[serde(flatten)]
    pub measured: Option<Values>,
}

/// The figures of a row that ran.
#[derive(Default, Serialize)]
pub struct Values {
    pub runtime: String,
    pub nodes: BTreeMap<String, usize>,
    pub precision: String,
    pub weights_sha256: String,
    pub input: String,
    pub head: String,
    pub input_size: [usize; 2],
    pub runs: usize,
    pub load_ms: f64,
    pub first_run_ms: f64,
    pub pre_ms: f64,
    pub infer_ms: f64,
    pub network_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_error: Option<String>,
    pub post_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub frames_per_second: f64,
    #[serde(flatten)]
    pub memory: Option<Memory>,
    pub agreement: f64,
    /// Bytes of the model file.
    pub model_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamFigures>,
    /// Of the labels that were given, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miou: Option<f64>,
}

/// The figures of `rows`, each compared with the first that ran.
pub fn of(rows: &[Row], batch: usize) -> Vec<Line> {
    let reference = rows.iter().find_map(|row| row.state.as_ref().ok()).map(|measured| &measured.mask);
    let line = |row: &Row| {
        let (error, measured) = match &row.state {
            Ok(measured) => (None, Some(Values::of(measured, reference, batch))),
            Err(error) => (Some(with_causes(&**error)), None),
        };
        Line { model: row.model.clone(), device: row.choice.to_string(), error, measured }
    };
    rows.iter().map(line).collect()
}

impl Values {
    fn of(measured: &Measured, reference: Option<&Vec<u8>>, batch: usize) -> Self {
        let (metadata, samples) = (measured.metadata(), &measured.samples);
        let middle = |times| median(times).map_or(0.0, milliseconds);
        let rank = |percent| percentile(&samples.total, percent).map_or(0.0, milliseconds);
        let seconds: f64 = samples.total.iter().map(|time| time.as_secs_f64()).sum();
        Self {
            runtime: measured.runtime().to_owned(),
            nodes: measured.placement.clone(),
            precision: metadata.precision.to_string(),
            weights_sha256: metadata.weights_sha256.clone(),
            input: metadata.input.to_string(),
            head: metadata.head.to_string(),
            input_size: [measured.input_size.height, measured.input_size.width],
            runs: samples.total.len(),
            load_ms: milliseconds(measured.load),
            first_run_ms: milliseconds(measured.first),
            pre_ms: middle(&samples.pre),
            infer_ms: middle(&samples.infer),
            network_ms: measured.network_error.is_none().then(|| middle(&samples.network)),
            network_error: measured.network_error.as_ref().map(|error| with_causes(&**error)),
            post_ms: middle(&samples.post),
            p50_ms: rank(50),
            p90_ms: rank(90),
            p99_ms: rank(99),
            frames_per_second: (samples.total.len() * batch) as f64 / seconds,
            memory: measured.memory,
            agreement: reference.map_or(0.0, |reference| agreement(reference, &measured.mask)),
            model_bytes: measured.model_bytes(),
            stream: measured.stream.as_ref().map(StreamFigures::from),
            miou: measured.miou,
        }
    }
}

/// Part of positions where both have the same class id.
fn agreement(reference: &[u8], found: &[u8]) -> f64 {
    let equal = reference.iter().zip(found).filter(|(a, b)| a == b).count();
    equal as f64 / reference.len().max(found.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_a_part_of_all_pixels() {
        let cases: [(&[u8], &[u8], f64); 4] = [
            (&[1, 2], &[1, 2], 1.0),
            (&[1, 2], &[2, 1], 0.0),
            (&[1, 2, 3, 4], &[1, 2, 3, 0], 0.75),
            (&[1, 2], &[1], 0.5),
        ];
        for (reference, found, expected) in cases {
            assert_eq!(agreement(reference, found), expected, "{reference:?} {found:?}");
        }
    }
}
