//! Replacing the model that is shipped.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use lrnnet_graph::onnx::ModelFile;
use lrnnet_graph::{Classes, Variant};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::shell;

/// Where new files are made, so that a failure leaves the shipped ones as they were.
const STAGED: &str = "models/.staged";
const WEIGHTS: &str = "models/lrnnet-c-camvid.safetensors";
const MODEL: &str = "models/lrnnet-c-camvid.onnx";
const BLOCKED: &str = "models/lrnnet-c-camvid-blocked.onnx";
const INT8: &str = "models/lrnnet-c-camvid-int8.onnx";
const SUMS: &str = "models/SHA256SUMS";
const CARD: &str = "models/README.md";
const MASK: &str = "docs/images/street-mask.png";
/// Stands in the card for figures.
const UNMEASURED: &str = "Not measured; `cargo xtask model` with `--data DIR` does.\n";
const OVERLAY: &str = "docs/images/street-overlay.png";

/// Makes `weights` the shipped model: exports and verifies them, in float in two forms and, calibrated on the pictures in
/// `calibration`, in int8; draws the README's pictures, writes hashes and card; with `data`, evaluates both models on the
/// pictures and labels there. Nothing is replaced before all of that is done.
pub fn ship(weights: &Path, calibration: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    // Cargo runs in the repository's root, so paths must not depend on where this program was called.
    let canonical = |path: &Path| fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()));
    let (weights, calibration, data) = (canonical(weights)?, canonical(calibration)?, data.map(canonical).transpose()?);
    let folder = shell::root().join(STAGED);
    fs::create_dir_all(&folder)?;
    let result = stage(&weights, &calibration, data.as_deref()).and_then(|()| replace());
    fs::remove_dir_all(folder)?;
    result
}

fn staged(path: &str) -> PathBuf {
    let name = Path::new(path).file_name().expect("the paths above end in a name");
    shell::root().join(STAGED).join(name)
}

fn replace() -> anyhow::Result<()> {
    for path in [MODEL, BLOCKED, INT8, WEIGHTS, SUMS, CARD, MASK, OVERLAY] {
        fs::rename(staged(path), shell::root().join(path)).with_context(|| format!("cannot replace {path}"))?;
    }
    Ok(())
}

fn stage(weights: &Path, calibration: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    fs::copy(weights, staged(WEIGHTS))?;
    let (new_weights, calibration) = (text(&staged(WEIGHTS))?, text(calibration)?);
    let (model, blocked, int8) = (text(&staged(MODEL))?, text(&staged(BLOCKED))?, text(&staged(INT8))?);
    let export = |output: &str, more: &[&str]| {
        let run =
            ["run", "--release", "--bin", "lrnnet-export", "--", &new_weights, "--input", "u8-nhwc", "-o", output];
        shell::cargo(&[&run[..], more].concat())
    };
    export(&model, &[])?;
    export(&blocked, &["--form", "blocked"])?;
    export(&int8, &["--int8", "--calibration", &calibration])?;
    check(&fs::read(staged(MODEL))?)?;
    fs::write(staged(SUMS), sums()?)?;
    draw_pictures(&model)?;
    let (figures, lost) = match data {
        Some(data) => {
            let [float, int8] = [evaluate(&model, data)?, evaluate(&int8, data)?];
            (table(&float)?, loss(&float, &int8)?)
        }
        None => (UNMEASURED.to_owned(), UNMEASURED.to_owned()),
    };
    let card = fs::read_to_string(shell::root().join(CARD))?;
    let card = with_block(&card, "training", &training(&fs::read(weights)?)?)?;
    let card = with_block(&card, "int8", &lost)?;
    Ok(fs::write(staged(CARD), with_block(&card, "figures", &figures)?)?)
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("the path {} is not text", path.display()))?.to_owned())
}

/// The file's name says what it is, so it must be that.
fn check(model: &[u8]) -> anyhow::Result<()> {
    let file = ModelFile::parse(model)?;
    let (variant, classes) = (file.metadata().variant(), &file.metadata().classes.names);
    ensure!(
        variant == Some(Variant::C) && *classes == Classes::camvid().names,
        "the weights are variant {variant:?} with the classes {classes:?}; expected c with those of CamVid"
    );
    Ok(())
}

/// Hashes in the format of `sha256sum`.
fn sums() -> anyhow::Result<String> {
    let mut sums = String::new();
    for path in [MODEL, BLOCKED, INT8, WEIGHTS] {
        for byte in Sha256::digest(fs::read(staged(path))?) {
            write!(sums, "{byte:02x}")?;
        }
        writeln!(sums, "  {}", path.trim_start_matches("models/"))?;
    }
    Ok(sums)
}

/// The README's mask and overlay.
fn draw_pictures(model: &str) -> anyhow::Result<()> {
    let (mask, overlay) = (text(&staged(MASK))?, text(&staged(OVERLAY))?);
    let run =
        ["run", "--release", "--bin", "lrnnet-run", "--", "fixtures/street.png", "-m", model, "--device", "tract"];
    shell::cargo(&[&run[..], &["--mask", "color", "-o", &mask, "--overlay", &overlay]].concat())
}

/// What the weights say of their training, or of the trainings that they are the mean of.
fn training(weights: &[u8]) -> anyhow::Result<String> {
    let said = metadata(weights).filter(|said| said["steps"].is_string());
    let Some(said) = said.as_ref().and_then(Json::as_object) else {
        return Ok("The weights do not say how they were trained.\n".to_owned());
    };
    let value = |text: &Json| serde_json::from_str::<Json>(text.as_str()?).ok();
    let values = Json::Object(said.iter().filter_map(|(key, text)| Some((key.clone(), value(text)?))).collect());
    let Some(trainings) = values["mean_of"].as_array() else {
        return Ok(format!("The last training saw {}.\n{}", seen(&values)?, offsets(&values)));
    };
    let parts = trainings.iter().map(|each| Ok(format!("one{} saw {}", share(each), seen(each)?)));
    let each = parts.collect::<anyhow::Result<Vec<_>>>()?;
    let (count, each) = (each.len(), each.join("; "));
    Ok(format!("The weights are the mean of {count} trainings' weights: {each}.\n{}", offsets(&values)))
}

/// What part of a mean a training is, where its weights say so.
fn share(training: &Json) -> String {
    training["share"].as_f64().map_or_else(String::new, |share| format!(" ({} %)", (10_000.0 * share).round() / 100.0))
}

/// What was added to the logits after the training, by class (`lrnnet.adjust`).
fn offsets(weights: &Json) -> String {
    let Some(offsets) = weights["logit_offsets"].as_object() else { return String::new() };
    let each = offsets.iter().filter_map(|(class, offset)| Some(format!("{class} {:+}", offset.as_f64()?)));
    format!("Added to the logits after that: {}.\n", each.collect::<Vec<_>>().join(", "))
}

/// What one training saw.
fn seen(training: &Json) -> anyhow::Result<String> {
    let value = |key: &str| training.get(key).with_context(|| format!("the weights' metadata have no `{key}` in JSON"));
    let (images, steps, minutes) = (value("images_seen")?, value("steps")?, value("minutes")?);
    let (seed, commit) = (&value("recipe")?["seed"], value("commit")?);
    let commit = commit.as_str().unwrap_or("unknown");
    Ok(format!(
        "{images} crops in {steps} steps and {minutes} minutes, with seed {seed} and the code of commit `{commit}`"
    ))
}

/// The `__metadata__` of a safetensors file: a length in eight bytes, then JSON.
fn metadata(weights: &[u8]) -> Option<Json> {
    let (length, rest) = weights.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    serde_json::from_slice::<Json>(header).ok()?.get("__metadata__").cloned()
}

/// What `lrnnet-run eval` finds.
fn evaluate(model: &str, data: &Path) -> anyhow::Result<Json> {
    let (images, labels) = (text(&data.join("images"))?, text(&data.join("labels"))?);
    let eval = ["run", "--release", "--bin", "lrnnet-run", "--", "eval", "-m", model, "--json"];
    let report = shell::cargo_output(&[&eval[..], &["--images", &images, "--labels", &labels]].concat())?;
    serde_json::from_str(&report).context("`lrnnet-run eval --json` printed no JSON")
}

/// What int8 costs, as Markdown.
fn loss(float: &Json, int8: &Json) -> anyhow::Result<String> {
    let miou = |report: &Json| report["miou"].as_f64().context("the evaluation has no `miou`");
    let [float, int8] = [100.0 * miou(float)?, 100.0 * miou(int8)?];
    Ok(format!("{float:.2} % mIoU in float32, {int8:.2} % in int8: {:+.2}.\n", int8 - float))
}

/// IoU per class, mIoU and pixel accuracy as Markdown.
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

/// The card with `text` between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn with_block(card: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (head, rest) = card.split_once(&start).with_context(|| format!("{CARD} has no <!-- {name} -->"))?;
    let (_, tail) = rest.split_once(&end).with_context(|| format!("{CARD} has no {end}"))?;
    Ok(format!("{head}{start}{text}{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_the_card_is_replaced_and_nothing_else() {
        let card = "a\n<!-- figures -->\nold\n<!-- end of figures -->\nb\n";
        let new = with_block(card, "figures", "new\n").unwrap();
        assert_eq!(new, card.replace("old", "new"));
        assert!(with_block(card, "training", "x").unwrap_err().to_string().contains("no <!-- training -->"));
    }

    #[test]
    fn the_loss_of_int8_has_a_sign() {
        let report = |miou: f64| serde_json::json!({ "miou": miou });
        let text = loss(&report(0.8), &report(0.7988)).unwrap();
        assert_eq!(text, "80.00 % mIoU in float32, 79.88 % in int8: -0.12.\n");
        assert!(loss(&report(0.8), &serde_json::json!({})).is_err());
    }

    /// A safetensors file of nothing but its header.
    fn file(header: &str) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    }

    #[test]
    fn a_mean_names_each_of_its_trainings() {
        let one = |images: u32, seed: u32| {
            let recipe = serde_json::json!({ "seed": seed });
            serde_json::json!({"images_seen": images, "steps": 10, "minutes": 1.5, "recipe": recipe, "commit": "abc"})
        };
        let header = |trainings: &[Json]| {
            let trainings = serde_json::json!(trainings).to_string();
            serde_json::json!({"__metadata__": {"steps": "20", "mean_of": trainings}}).to_string()
        };
        let mut first = one(80, 2);
        first["share"] = 0.0625.into();
        assert_eq!(
            training(&file(&header(&[first, one(90, 3)]))).unwrap(),
            "The weights are the mean of 2 trainings' weights: \
             one (6.25 %) saw 80 crops in 10 steps and 1.5 minutes, with seed 2 and the code of commit `abc`; \
             one saw 90 crops in 10 steps and 1.5 minutes, with seed 3 and the code of commit `abc`.\n"
        );
        let message = training(&file(&header(&[one(80, 2), serde_json::json!({})]))).unwrap_err().to_string();
        assert!(message.contains("no `images_seen`"), "{message}");
    }

    #[test]
    fn the_training_is_what_the_weights_say() {
        let header = r#"{"__metadata__": {"images_seen": "80", "steps": "10", "minutes": "1.5",
                         "recipe": "{\"seed\": 2}", "commit": "\"abc\""}}"#;
        let text = training(&file(header)).unwrap();
        assert_eq!(
            text,
            "The last training saw 80 crops in 10 steps and 1.5 minutes, with seed 2 and the code of commit `abc`.\n"
        );
        let offsets = r#""logit_offsets": "{\"Sky\": 0.25, \"Road\": -0.5}""#;
        let adjusted =
            training(&file(&header.replacen(r#""images_seen""#, &format!(r#"{offsets}, "images_seen""#), 1)));
        assert_eq!(adjusted.unwrap(), format!("{text}Added to the logits after that: Road -0.5, Sky +0.25.\n"));
        for silent in [file("{}"), file(r#"{"__metadata__": {"a": "1"}}"#), vec![1, 2], vec![255; 9]] {
            assert!(training(&silent).unwrap().contains("do not say"));
        }
        let message = training(&file(&header.replace("minutes", "hours"))).unwrap_err().to_string();
        assert!(message.contains("no `minutes`"), "{message}");
        let message = training(&file(&header.replace(r#"\"abc\""#, "abc"))).unwrap_err().to_string();
        assert!(message.contains("no `commit` in JSON"), "{message}");
    }
}
