//! `lrnnet-run verify`: two devices or two files on the same pictures.

use std::path::Path;

use anyhow::{Context, anyhow};
use lrnnet_graph::Precision;
use lrnnet_run::compare::Comparison;
use lrnnet_run::{DeviceChoice, Segmenter, mask, picture, selftest, tolerance};
use serde_json::json;

use super::args::{Network, VerifyArgs};
use super::failure::Failure;
use super::opening::{Volume, open, reasons};
use super::predict::{to_stdout, write};
use super::sources::Target;

/// Compares the model on one device with the reference: the same file on another, or another file.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let reference_model = args.model_b.as_ref().unwrap_or(&args.model);
    if args.place.device == args.against && args.model_b.is_none() {
        return Err(Failure::Usage(anyhow!(
            "both sides are {} on {}; name another device or --model-b",
            args.model.display(),
            args.place.device
        )));
    }
    if args.diff.is_some() && args.pictures.len() > 1 {
        return Err(Failure::Usage(anyhow!(
            "--diff draws one picture, but {} were given; name one",
            args.pictures.len()
        )));
    }
    let side = |model: &Path, choice| open(args.place.runtime.builder(Network::File(model), choice), Volume::Normal);
    let mut candidate = side(&args.model, args.place.device)?;
    let mut reference = side(reference_model, args.against)?;
    check_sides(args, &candidate, &reference)?;
    let names = reference.metadata().classes.names.clone();
    if candidate.metadata().classes.names != names {
        return Err(Failure::Usage(anyhow!(
            "{} and {} have other classes; nothing to compare",
            args.model.display(),
            reference_model.display()
        )));
    }
    let mut comparison = Comparison::new(names.len(), args.tie);
    for path in pictures(args) {
        let picture = match path {
            Some(path) => {
                picture::open(path).with_context(|| format!("picture {}", path.display())).map_err(Failure::Input)?
            }
            None => selftest::picture(reference.model().trained_size()),
        };
        let drawn = comparison
            .add(&picture, &mut candidate, &mut reference)
            .context("cannot compare")
            .map_err(Failure::Input)?;
        if let Some(target) = &args.diff {
            write(&Target::new(target), |out| mask::write_picture(&drawn, out)).map_err(Failure::Output)?;
        }
    }
    let text = if args.json {
        json(&comparison, &names, &candidate, &reference)
    } else {
        table(&comparison, &names, &candidate, &reference, args.tie)
    };
    to_stdout(text.as_bytes()).context("cannot write to standard output").map_err(Failure::Output)?;
    if !comparison.numbers {
        return Err(Failure::Input(anyhow!("logits are NaN or infinite, so the masks say nothing")));
    }
    let int8 = [&candidate, &reference].iter().any(|side| side.metadata().precision == Precision::Int8);
    let usual = if int8 { tolerance::VERIFY_AGREEMENT_INT8 } else { tolerance::VERIFY_AGREEMENT };
    let least = args.min_agreement.unwrap_or(usual);
    if !comparison.passes(least) {
        let (found, expected) = (100.0 * comparison.agreement(), 100.0 * least);
        return Err(Failure::Input(anyhow!(
            "{found:.4} % of the pixels agree; expected at least {expected} % (--min-agreement)"
        )));
    }
    Ok(())
}

/// The pictures that were named, or one that is generated.
fn pictures(args: &VerifyArgs) -> Vec<Option<&Path>> {
    if args.pictures.is_empty() { vec![None] } else { args.pictures.iter().map(|path| Some(path.as_path())).collect() }
}

/// Refuses to compare a file with itself on one device, which is what `auto` may come to.
fn check_sides(args: &VerifyArgs, candidate: &Segmenter, reference: &Segmenter) -> Result<(), Failure> {
    let Some(device) = candidate.device().filter(|device| reference.device() == Some(*device)) else { return Ok(()) };
    if args.model_b.is_some() {
        return Ok(());
    }
    let auto = if args.place.device == DeviceChoice::Auto { candidate } else { reference };
    Err(Failure::Device(anyhow!(
        "both sides are {} on {}, which is what auto comes to here{}\nname another device with --device or --against, or \
         a model with --model-b",
        args.model.display(),
        device,
        reasons(auto.passed_over(), true)
    )))
}

fn table(comparison: &Comparison, names: &[String], candidate: &Segmenter, reference: &Segmenter, tie: f32) -> String {
    let mut text = format!("{} ({})\n", candidate.model().name(), candidate.runtime());
    text += &format!("against {} ({})\n\n", reference.model().name(), reference.runtime());
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    for (name, iou) in names.iter().zip(comparison.confusion.iou()) {
        let iou = iou.map_or_else(|| "absent".to_owned(), |iou| format!("{:.3} %", 100.0 * iou));
        text += &format!("IoU {name:width$} {iou:>10}\n");
    }
    text += &format!("\n{:.4} % of {} pixels agree\n", 100.0 * comparison.agreement(), comparison.pixels());
    let differing = comparison.differing();
    text += &match comparison.near_ties {
        Some(ties) => format!(
            "{differing} differ: {ties} near ties (margin below {tie:e} of the scale), {} real\n",
            differing - ties
        ),
        None => format!(
            "{differing} differ; near ties cannot be told, the reference has no logits (export it with --head both)\n"
        ),
    };
    match comparison.logits {
        Some(logits) => {
            text + &format!("largest logit difference {:.2e} at a scale of {:.1}\n", logits.largest, logits.scale)
        }
        None => text,
    }
}

fn json(comparison: &Comparison, names: &[String], candidate: &Segmenter, reference: &Segmenter) -> String {
    let side = |s: &Segmenter| json!({ "model": s.model().name(), "runtime": s.runtime(), "weights_sha256": s.metadata().weights_sha256 });
    let iou: serde_json::Map<_, _> =
        names.iter().cloned().zip(comparison.confusion.iou().into_iter().map(|iou| json!(iou))).collect();
    let report = json!({
        "candidate": side(candidate),
        "reference": side(reference),
        "pixels": comparison.pixels(),
        "agreement": comparison.agreement(),
        "iou": iou,
        "differing": comparison.differing(),
        "near_ties": comparison.near_ties,
        "logits": comparison.logits.map(|l| json!({ "largest_difference": l.largest, "scale": l.scale })),
    });
    format!("{report:#}\n")
}
