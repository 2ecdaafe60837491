//! Replacing the model that is shipped.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use lrnnet_graph::Classes;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::shell;

const WEIGHTS: &str = "models/lrnnet-c-camvid.safetensors";
const MODEL: &str = "models/lrnnet-c-camvid.onnx";
const SUMS: &str = "models/SHA256SUMS";
const CARD: &str = "models/README.md";

/// Makes `weights` the shipped model; with `data`, evaluates it on the pictures and labels there.
pub fn ship(weights: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    let weights = fs::canonicalize(weights).with_context(|| format!("no weights at {}", weights.display()))?;
    let bytes = fs::read(&weights)?;
    let weights = weights.to_str().context("the path of the weights is not text")?;
    let export = ["run", "--release", "--bin", "lrnnet-export", "--", weights, "-o", MODEL];
    shell::cargo(&[&export[..], &["--variant", "c", "--classes", "camvid", "--input", "u8-nhwc"]].concat())?;
    fs::write(shell::root().join(WEIGHTS), bytes)?;
    write_sums()?;
    draw_pictures()?;
    match data {
        Some(data) => evaluate(data),
        None => {
            eprintln!("no --data: the figures in {CARD} are those of the model before; evaluate before you ship");
            Ok(())
        }
    }
}

/// Hashes in the format of `sha256sum`.
fn write_sums() -> anyhow::Result<()> {
    let mut sums = String::new();
    for path in [MODEL, WEIGHTS] {
        let bytes = fs::read(shell::root().join(path))?;
        for byte in Sha256::digest(bytes) {
            write!(sums, "{byte:02x}")?;
        }
        writeln!(sums, "  {}", path.trim_start_matches("models/"))?;
    }
    Ok(fs::write(shell::root().join(SUMS), sums)?)
}

/// The README's mask and overlay.
fn draw_pictures() -> anyhow::Result<()> {
    let mask = ["-m", MODEL, "--device", "tract", "--mask", "color", "-o", "docs/images/street-mask.png"];
    let overlay = ["--overlay", "docs/images/street-overlay.png"];
    let run = ["run", "--release", "--bin", "lrnnet-run", "--", "fixtures/street.png"];
    shell::cargo(&[&run[..], &mask, &overlay].concat())
}

/// Puts IoU per class, mIoU and pixel accuracy between the markers of the card.
fn evaluate(data: &Path) -> anyhow::Result<()> {
    let folder = |name: &str| data.join(name).display().to_string();
    let (images, labels) = (folder("images"), folder("labels"));
    let eval = ["run", "--release", "--bin", "lrnnet-run", "--", "eval", "-m", MODEL, "--json"];
    let report = shell::cargo_output(&[&eval[..], &["--images", &images, "--labels", &labels]].concat())?;
    let report: Json = serde_json::from_str(&report).context("`lrnnet-run eval --json` printed no JSON")?;
    let card = shell::root().join(CARD);
    let updated = with_figures(&fs::read_to_string(&card)?, &table(&report)?)?;
    Ok(fs::write(card, updated)?)
}

fn table(report: &Json) -> anyhow::Result<String> {
    let number = |key: &str| report[key].as_f64().with_context(|| format!("the evaluation has no `{key}`"));
    let iou = report["iou"].as_object().context("the evaluation has no `iou`")?;
    let mut table = String::from("| class | IoU, % |\n|---|---|\n");
    for class in Classes::camvid().names {
        let value = iou.get(&class).with_context(|| format!("the evaluation has no class {class}"))?;
        let value = value.as_f64().map_or_else(|| "absent".to_owned(), |v| format!("{:.1}", 100.0 * v));
        writeln!(table, "| {class} | {value} |")?;
    }
    writeln!(table, "| **mean** | **{:.1}** |", 100.0 * number("miou")?)?;
    writeln!(table, "\nPixel accuracy {:.1} % on {} pictures.", 100.0 * number("pixel_accuracy")?, number("images")?)?;
    Ok(table)
}

fn with_figures(card: &str, table: &str) -> anyhow::Result<String> {
    let (head, rest) = card.split_once("<!-- figures -->\n").context("the card has no <!-- figures --> marker")?;
    let (_, tail) = rest.split_once("<!-- end of figures -->").context("the card has no end of figures")?;
    Ok(format!("{head}<!-- figures -->\n{table}<!-- end of figures -->{tail}"))
}
