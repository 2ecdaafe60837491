//! `eval`, `verify` and `selftest` on the program itself: figures that follow from how the labels were made, and what
//! is said when something is wrong.
#![allow(missing_docs)]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use image::{GrayImage, Luma};
use program::program;
use serde_json::Value as Json;
use tempfile::TempDir;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with the street scene as `images/street.png`, and its own mask as `labels/street.png`.
fn data() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("images")).unwrap();
    fs::create_dir(at("labels")).unwrap();
    fs::copy(repository("fixtures/street.png"), at("images/street.png")).unwrap();
    let made = run(&[text(&at("images/street.png")), "-o", text(&at("labels/street.png")), "--device", "tract", "-q"]);
    assert!(made.status.success(), "{}", stderr(&made));
    folder
}

fn eval(folder: &TempDir, more: &[&str]) -> Output {
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    let args = ["eval", "--device", "tract", "--images", text(&images), "--labels", text(&labels)];
    run(&[&args[..], more].concat())
}

fn label(folder: &TempDir) -> (PathBuf, GrayImage) {
    let path = folder.path().join("labels/street.png");
    let ids = lrnnet_run::label::open(&path).unwrap();
    (path, ids)
}

#[test]
fn labels_that_are_the_masks_give_full_marks_and_a_quarter_wrong_gives_less() {
    let folder = data();
    let chart = folder.path().join("confusion.png");
    let output = eval(&folder, &["--json", "--confusion", text(&chart)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["miou"], &report["pixel_accuracy"], &report["images"]), (&1.0.into(), &1.0.into(), &1.into()));
    assert_eq!(report["iou"]["Road"], 1.0);
    assert!(image::open(&chart).is_ok_and(|chart| chart.width() > 500));

    // The left quarter becomes void, the next one Sky.
    let (path, mut ids) = label(&folder);
    let right = ids.enumerate_pixels().filter(|(x, _, id)| *x >= 240 || (*x >= 120 && id.0[0] == 0)).count();
    for (x, _, id) in ids.enumerate_pixels_mut() {
        *id = Luma([if x < 120 {
            11
        } else if x < 240 {
            0
        } else {
            id.0[0]
        }]);
    }
    ids.save(&path).unwrap();
    let report: Json = serde_json::from_slice(&eval(&folder, &["--json"]).stdout).unwrap();
    assert_eq!(report["pixel_accuracy"], right as f64 / (360.0 * 360.0));
    assert_eq!(report["pixels"], 360 * 360);
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    type Spoil = fn(&TempDir);
    let cases: [(&str, Spoil, &[&str], i32, &str); 8] = [
        ("no label", |f| fs::remove_file(label(f).0).unwrap(), &[], 2, "holds no png files"),
        (
            "a label too many",
            |f| fs::write(f.path().join("labels/other.png"), "").unwrap(),
            &[],
            2,
            "other.png has no picture",
        ),
        (
            "another size",
            |f| GrayImage::new(8, 8).save(label(f).0).unwrap(),
            &[],
            1,
            "8 x 8 pixels, its picture 480 x 360",
        ),
        (
            "a foreign id",
            |f| {
                let (path, mut ids) = label(f);
                ids.put_pixel(3, 0, Luma([42]));
                ids.save(path).unwrap();
            },
            &[],
            1,
            "pixel 3 has id 42",
        ),
        (
            "colours",
            |f| {
                image::RgbImage::new(480, 360).save(label(f).0).unwrap();
            },
            &[],
            1,
            "expected 8-bit grey",
        ),
        ("no PNG", |f| fs::write(label(f).0, "text").unwrap(), &[], 1, "street.png"),
        (
            "only void",
            |f| GrayImage::from_pixel(480, 360, Luma([11])).save(label(f).0).unwrap(),
            &[],
            1,
            "every pixel of every label is ignored",
        ),
        ("an ignored class", |_| (), &["--ignore", "3"], 2, "--ignore 3 is the class Road"),
    ];
    let mut wrong = vec![];
    for (name, spoil, args, code, expected) in cases {
        let folder = data();
        spoil(&folder);
        let output = eval(&folder, args);
        let said = stderr(&output);
        if output.status.code() != Some(code) || !said.contains(expected) || !output.stdout.is_empty() {
            wrong.push(format!("{name}: {:?}, {said}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shipped_file_passes_its_self_test_and_agrees_with_itself() {
    let model = repository("models/lrnnet-c-camvid.onnx");
    for device in ["tract", "cpu"] {
        let output = run(&["selftest", text(&model), "--device", device]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("passed: "));
    }
    let street = repository("fixtures/street.png");
    let folder = TempDir::new().unwrap();
    let diff = folder.path().join("diff.png");
    let args = ["verify", text(&model), text(&street), "--device", "cpu", "--json", "--diff", text(&diff)];
    let output = run(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["agreement"].as_f64().unwrap() > 0.9999, "{report}");
    assert_eq!(report["pixels"], 480 * 360);
    assert!(image::open(&diff).is_ok());
}

/// A copy of the shipped file in which the values of these keys of its self-test begin with another digit.
fn with_other_hashes(folder: &TempDir, keys: &[&str]) -> PathBuf {
    let mut bytes = fs::read(repository("models/lrnnet-c-camvid.onnx")).unwrap();
    for key in keys {
        let start = format!("\"{key}\":\"");
        let at = bytes.windows(start.len()).position(|window| window == start.as_bytes()).unwrap() + start.len();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    }
    let path = folder.path().join("model.onnx");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_class_map_that_is_not_the_recorded_one_passes_at_near_ties_only() {
    let folder = TempDir::new().unwrap();
    let selftest = |keys: &[&str]| {
        let model = with_other_hashes(&folder, keys);
        let output = run(&["selftest", text(&model), "--device", "tract"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
    };
    let (code, stdout, said) = selftest(&["class_map_sha256"]);
    assert!(code == Some(0) && stdout.contains("another class only among"), "{code:?}, {stdout}, {said}");
    let (code, stdout, said) = selftest(&["class_map_sha256", "clear_sha256"]);
    let words = ["does not give the class map of the export", "lrnnet-run verify"];
    assert!(code == Some(1) && stdout.is_empty() && words.iter().all(|word| said.contains(word)), "{code:?}, {said}");
}

#[test]
fn what_auto_comes_to_is_not_compared_with_itself() {
    let (model, street) = (repository("models/lrnnet-c-camvid.onnx"), repository("fixtures/street.png"));
    let folder = TempDir::new().unwrap();
    let mask = folder.path().join("mask.png");
    let output = run(&[text(&street), "-m", text(&model), "-o", text(&mask), "--json", "-"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    // It differs from machine to machine.
    let device = report["device"].as_str().unwrap();
    let output = run(&["verify", text(&model), "--against", device]);
    let said = stderr(&output);
    assert!(output.status.code() == Some(3) && output.stdout.is_empty(), "{:?}, {said}", output.status);
    let expected = format!("on {device}, which is what auto comes to here");
    assert!(said.contains(&expected) && said.contains("--model-b"), "{said}");
    // Two files may run on one device.
    let output = run(&["verify", text(&model), text(&street), "--against", device, "--model-b", text(&model)]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_verified_or_tested_is_named() {
    let model = repository("models/lrnnet-c-camvid.onnx");
    let (model, street) = (text(&model), repository("fixtures/street.png"));
    let street = text(&street);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["verify", model, "--device", "tract"], 2, "name another device or --model-b"),
        (&["verify", model, street, street, "--device", "cpu", "--diff", "x.png"], 2, "--diff draws one picture"),
        (&["verify", model, "missing.png", "--device", "cpu"], 1, "picture missing.png"),
        (&["verify", model, "--device", "cpu", "--min-agreement", "2"], 2, "expected a number from 0 to 1"),
        (&["verify", street, "--device", "cpu"], 2, "not an ONNX model"),
        (&["selftest", street], 2, "not an ONNX model"),
        (&["selftest", model, "--device", "cuda", "--ort-lib", "missing.so"], 3, "missing.so"),
    ];
    let mut wrong = vec![];
    for (args, code, expected) in cases {
        let output = run(args);
        let said = stderr(&output);
        if output.status.code() != Some(code) || !said.contains(expected) {
            wrong.push(format!("{args:?}: {:?}, {said}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
