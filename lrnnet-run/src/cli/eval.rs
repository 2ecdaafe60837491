//! `lrnnet-run eval`: accuracy of the deployed file against labels.

use std::time::Instant;

use anyhow::{Context, Result};
use lrnnet_run::Segmenter;
use lrnnet_run::metrics::Confusion;
use serde::{Serialize, Serializer};

use super::args::EvalArgs;
use super::drawing;
use super::failure::Failure;
use super::labelled::{Labelled, progress};
use super::opening::{Volume, open};
use super::predict::{to_stdout, write};
use super::sources::Target;

/// Segments every picture of a folder and compares the masks with the labels of another.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let labelled = Labelled::open(&args.images, &args.labels).map_err(Failure::Usage)?;
    let mut segmenter = open(args.engine.builder(), Volume::Normal)?;
    let classes = &segmenter.metadata().classes;
    let ignore = args.ignore.or(classes.ignore_index);
    let names = classes.names.clone();
    if let Some(id) = ignore.filter(|id| usize::from(*id) < names.len()) {
        let name = &names[usize::from(id)];
        return Err(Failure::Usage(anyhow::anyhow!(
            "--ignore {id} is the class {name}; expected an id that no class has"
        )));
    }
    let bar = progress(labelled.len());
    let start = Instant::now();
    let confusion = labelled.confusion(&mut segmenter, ignore, || bar.inc(1)).map_err(Failure::Input)?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = &args.confusion {
        let drawn = drawing::confusion(&confusion, &names).map_err(Failure::Output)?;
        write(&Target::new(path), |out| lrnnet_run::mask::write_picture(&drawn, out)).map_err(Failure::Output)?;
    }
    let report = Report::new(&segmenter, &names, &confusion, labelled.len(), seconds)?;
    let text = if args.json { report.json().map_err(Failure::Output)? } else { report.table() };
    to_stdout(text.as_bytes()).context("cannot write to standard output").map_err(Failure::Output)
}

/// Everything that was measured; this is the JSON report.
#[derive(Serialize)]
struct Report<'a> {
    miou: f64,
    #[serde(serialize_with = "in_class_order")]
    iou: Vec<(&'a str, Option<f64>)>,
    pixel_accuracy: f64,
    images: usize,
    pixels: u64,
    images_per_second: f64,
    model: &'a str,
    weights_sha256: &'a str,
    runtime: &'a str,
    confusion: Vec<&'a [u64]>,
}

fn in_class_order<S: Serializer>(iou: &[(&str, Option<f64>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(iou.iter().copied())
}

impl<'a> Report<'a> {
    fn new(
        segmenter: &'a Segmenter,
        names: &'a [String],
        confusion: &'a Confusion,
        images: usize,
        seconds: f64,
    ) -> Result<Self, Failure> {
        let (Some(miou), Some(pixel_accuracy)) = (confusion.mean_iou(), confusion.pixel_accuracy()) else {
            return Err(Failure::Input(anyhow::anyhow!("every pixel of every label is ignored; nothing to measure")));
        };
        Ok(Self {
            miou,
            iou: names.iter().map(String::as_str).zip(confusion.iou()).collect(),
            pixel_accuracy,
            images,
            pixels: confusion.pixels(),
            images_per_second: images as f64 / seconds,
            model: segmenter.model().name(),
            weights_sha256: &segmenter.metadata().weights_sha256,
            runtime: segmenter.runtime(),
            confusion: confusion.rows().collect(),
        })
    }

    fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    fn table(&self) -> String {
        let width = self.iou.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(14);
        let line = |name: &str, value: Option<f64>| {
            let value = value.map_or_else(|| "absent".to_owned(), |v| format!("{:.2} %", 100.0 * v));
            format!("{name:width$} {value:>9}\n")
        };
        let mut text: String = self.iou.iter().map(|(name, iou)| line(name, *iou)).collect();
        text += &line("mIoU", Some(self.miou));
        text += &line("pixel accuracy", Some(self.pixel_accuracy));
        text + &format!("{} pictures, {:.1} a second with reading and decoding\n", self.images, self.images_per_second)
    }
}
