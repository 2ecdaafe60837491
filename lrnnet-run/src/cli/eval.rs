//! `lrnnet-run eval`: accuracy of the deployed file against labels.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use lrnnet_run::metrics::Confusion;
use lrnnet_run::picture::EXTENSIONS;
use lrnnet_run::{Segmenter, label, picture};
use serde::{Serialize, Serializer};

use super::args::EvalArgs;
use super::drawing;
use super::failure::Failure;
use super::opening::{Volume, open};
use super::predict::{to_stdout, write};
use super::sources::Target;

/// Segments every picture of a folder and compares the masks with the labels of another.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let pairs = pairs(&args.images, &args.labels).map_err(Failure::Usage)?;
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
    let bar = progress(pairs.len());
    let mut confusion = Confusion::new(names.len());
    let start = Instant::now();
    for pair in &pairs {
        pair.count(&mut segmenter, ignore, &mut confusion).map_err(Failure::Input)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = &args.confusion {
        let drawn = drawing::confusion(&confusion, &names).map_err(Failure::Output)?;
        write(&Target::new(path), |out| lrnnet_run::mask::write_picture(&drawn, out)).map_err(Failure::Output)?;
    }
    let report = Report::new(&segmenter, &names, &confusion, pairs.len(), seconds)?;
    let text = if args.json { report.json().map_err(Failure::Output)? } else { report.table() };
    to_stdout(text.as_bytes()).context("cannot write to standard output").map_err(Failure::Output)
}

fn progress(pictures: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}").expect("the template is well formed");
    ProgressBar::new(pictures as u64).with_style(style)
}

/// A picture and its label.
struct Pair {
    picture: PathBuf,
    label: PathBuf,
}

impl Pair {
    fn count(&self, segmenter: &mut Segmenter, ignore: Option<u8>, confusion: &mut Confusion) -> Result<()> {
        let picture_name = || format!("picture {}", self.picture.display());
        let label_name = || format!("label {}", self.label.display());
        let picture = picture::open(&self.picture).with_context(picture_name)?;
        let label = label::open(&self.label).with_context(label_name)?;
        let (size, expected) = (label.dimensions(), picture.dimensions());
        ensure!(
            size == expected,
            "{} has {} x {} pixels, its picture {} x {}; expected the same",
            label_name(),
            size.0,
            size.1,
            expected.0,
            expected.1
        );
        let segmentation = segmenter.segment(&picture).with_context(picture_name)?;
        confusion.add(label.as_raw(), segmentation.mask.as_raw(), ignore).with_context(label_name)
    }
}

/// Pairs every picture with the label of the same stem.
fn pairs(images: &Path, labels: &Path) -> Result<Vec<Pair>> {
    let pictures = by_stem(images, &EXTENSIONS)?;
    let mut labels_left = by_stem(labels, &["png"])?;
    let mut pairs = Vec::with_capacity(pictures.len());
    for (stem, picture) in pictures {
        match labels_left.remove(&stem) {
            Some(label) => pairs.push(Pair { picture, label }),
            None => bail!("picture {} has no label {stem}.png in {}", picture.display(), labels.display()),
        }
    }
    match labels_left.into_values().next() {
        Some(label) => bail!("label {} has no picture in {}", label.display(), images.display()),
        None => Ok(pairs),
    }
}

fn by_stem(folder: &Path, extensions: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let unreadable = || format!("cannot list the folder {}", folder.display());
    let mut files = BTreeMap::new();
    for entry in folder.read_dir().with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
        if !extension.is_some_and(|e| extensions.contains(&e.as_str())) {
            continue;
        }
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned) else {
            bail!("the name of {} is not text", path.display());
        };
        if let Some(other) = files.insert(stem, path.clone()) {
            bail!("{} and {} have the same stem; expected one file each", other.display(), path.display());
        }
    }
    ensure!(!files.is_empty(), "{} holds no {} files", folder.display(), extensions.join(", "));
    Ok(files)
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
