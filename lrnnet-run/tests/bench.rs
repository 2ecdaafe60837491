//! `lrnnet-run bench` as a user runs it.
#![allow(missing_docs)]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use lrnnet_graph::{Config, Head, InputKind, InputSize, Settings, synthetic};
use program::program;
use serde_json::Value as Json;
use tempfile::TempDir;

/// A small model in a folder of its own.
fn model(folder: &TempDir, name: &str, batch: usize) -> PathBuf {
    let size = InputSize::Static { batch, height: 64, width: 128 };
    let settings = Settings { size, head: Head::ClassMap, input: InputKind::U8Nhwc, ..Settings::camvid() };
    let path = folder.path().join(name);
    fs::write(&path, synthetic::onnx(Config::new(settings).unwrap())).unwrap();
    path
}

fn bench(model: &Path, arguments: &str) -> Output {
    let mut command = program();
    command.arg("bench").arg("-m").arg(model).args(arguments.split_whitespace());
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

#[test]
fn every_figure_of_a_row_is_in_the_json() {
    let folder = TempDir::new().unwrap();
    let output = bench(&model(&folder, "m.onnx", 1), "--device tract,cpu --warmup 0 --iters 2 --json -");
    assert!(output.status.success(), "{}", stderr(&output));
    let report = json(&output);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let mut wrong = vec![];
    for row in rows {
        let positive = [
            "load_ms",
            "first_run_ms",
            "pre_ms",
            "infer_ms",
            "network_ms",
            "post_ms",
            "p50_ms",
            "p90_ms",
            "p99_ms",
            "frames_per_second",
            "runs",
            "peak_rss_mib",
        ];
        wrong.extend(positive.iter().filter(|key| row[**key].as_f64().is_none_or(|value| value <= 0.0)).copied());
        let words = ["runtime", "model", "device", "precision", "weights_sha256", "input", "head"];
        wrong.extend(words.iter().filter(|key| row[**key].as_str().is_none_or(str::is_empty)).copied());
        assert_eq!(row["runs"], 2);
        assert_eq!(row["input_size"], serde_json::json!([64, 128]));
        assert_eq!(row["precision"], "fp32");
        assert!(row["p50_ms"].as_f64() <= row["p90_ms"].as_f64() && row["p90_ms"].as_f64() <= row["p99_ms"].as_f64());
        assert!(row["nodes"].as_object().unwrap().values().all(|nodes| nodes.as_u64().unwrap() > 10), "{row:#}");
    }
    assert!(wrong.is_empty(), "{wrong:?} in {report:#}");
    assert_eq!(rows[0]["agreement"], 1.0);
    assert!(rows[1]["agreement"].as_f64().unwrap() > 0.999);
    assert!(rows[0]["runtime"].as_str().unwrap().starts_with("tract"));
    assert!(rows[1]["nodes"]["CPUExecutionProvider"].is_u64());
    let about = ["machine", "picture", "batch", "warmup", "regions"];
    assert!(about.iter().all(|key| !report[*key].is_null()), "{report:#}");
    // Standard output is JSON alone, so the table is on standard error.
    assert!(stderr(&output).contains("| tract "), "{}", stderr(&output));
}

#[test]
fn a_device_that_is_not_there_is_a_row_that_says_why() {
    let folder = TempDir::new().unwrap();
    let model = model(&folder, "m.onnx", 1);
    let nowhere = folder.path().join("nowhere");
    let missing = format!("--ort-lib {} --warmup 0 --iters 1 --json -", nowhere.display());

    let output = bench(&model, &format!("--device tract,cuda:0+graph,tensorrt:0 {missing}"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = json(&output)["rows"].clone();
    assert!(rows[0]["error"].is_null() && rows[0]["p50_ms"].is_number());
    for (index, device) in [(1, "cuda:0+graph"), (2, "tensorrt:0")] {
        assert_eq!(rows[index]["device"], device);
        assert!(rows[index]["error"].as_str().unwrap().contains("nowhere"), "{rows:#}");
        assert!(rows[index]["p50_ms"].is_null());
    }

    // There is nothing to spend the time on.
    let output =
        bench(&model, &format!("--device cpu,cuda:0 --duration 86400 --ort-lib {} --json -", nowhere.display()));
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(json(&output)["rows"].as_array().unwrap().len(), 2);
    assert!(stderr(&output).contains("no device of cpu, cuda:0 works here"), "{}", stderr(&output));
}

#[test]
fn what_makes_no_sense_on_any_device_is_a_usage_error() {
    let folder = TempDir::new().unwrap();
    let model = model(&folder, "m.onnx", 2);
    let cases = [
        ("--device tract", "takes 2 pictures at a time, not 1"),
        ("--device tract --batch 3", "not 3"),
        ("--device tract --batch 2 --imgsz 128x128", "fixed"),
        ("--device tract --batch 2 --image none.png", "none.png"),
        ("--device warp", "`warp` is no device"),
        ("--device cpu+graph", "cuda takes +tf32"),
    ];
    for (arguments, message) in cases {
        let output = bench(&model, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments}");
    }
    let output = bench(&folder.path().join("absent.onnx"), "--device tract");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("absent.onnx"));
}

#[test]
fn batches_models_and_a_plot() {
    let folder = TempDir::new().unwrap();
    let first = model(&folder, "first.onnx", 2);
    let second = model(&folder, "second.onnx", 2);
    let plot = folder.path().join("plot.png");
    let rest = format!(
        "-m {} --device tract --batch 2 --duration 0.01 --warmup 1 --plot {}",
        second.display(),
        plot.display()
    );
    let output = bench(&first, &rest);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for words in ["first.onnx", "second.onnx", "batch 2", " 100 % |", "- infer: ", "machine: "] {
        assert!(table.contains(words), "no `{words}` in\n{table}");
    }
    let picture = image::open(&plot).unwrap();
    assert!(picture.width() >= 640 && picture.height() >= 360);
}

/// Ten grey frames of the network's size.
fn recording(folder: &TempDir) -> PathBuf {
    let frames = (0..10u8).flat_map(|i| [&b"FRAME\n"[..], &[20 * i; 64 * 128]].concat());
    let path = folder.path().join("street.y4m");
    fs::write(&path, b"YUV4MPEG2 W128 H64 F25:1 Cmono\n".iter().copied().chain(frames).collect::<Vec<_>>()).unwrap();
    path
}

/// Two pictures, each with a label of one class and some void.
fn labelled(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    [&images, &labels].iter().for_each(|folder| fs::create_dir(folder).unwrap());
    for (name, class) in [("a.png", 3), ("b.png", 10)] {
        image::RgbImage::from_raw(128, 64, synthetic::picture(64, 128)).unwrap().save(images.join(name)).unwrap();
        let label = |x, _| image::Luma([if x < 9 { 11 } else { class }]);
        image::GrayImage::from_fn(128, 64, label).save(labels.join(name)).unwrap();
    }
    (images, labels)
}

#[test]
fn a_stream_and_labels_give_rows_of_their_own() {
    let folder = TempDir::new().unwrap();
    let model = model(&folder, "m.onnx", 1);
    let (images, labels) = labelled(&folder);
    let trade_off = folder.path().join("trade-off.png");
    let folders = format!("--images {} --labels {}", images.display(), labels.display());
    let output = bench(
        &model,
        &format!(
            "--device tract --warmup 0 --iters 1 --json - --source {} {folders} --trade-off {}",
            recording(&folder).display(),
            trade_off.display()
        ),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let row = json(&output)["rows"][0].clone();
    assert_eq!(row["stream"]["frames"], 10);
    assert!(row["stream"]["frames_per_second"].as_f64().unwrap() > 0.0);
    let share = row["stream"]["network_share"].as_f64().unwrap();
    assert!(0.0 < share && share < 1.5, "{share}");
    assert_eq!(row["model_bytes"], fs::metadata(&model).unwrap().len());
    let eval =
        program().args(["eval", "--json", "--device", "tract", "-m"]).arg(&model).args(folders.split(' ')).output();
    assert_eq!(row["miou"], json(&eval.unwrap())["miou"], "as `eval` counts it");
    let table = stderr(&output);
    for words in ["stream:", "| limited by |", "accuracy:", " mIoU |"] {
        assert!(table.contains(words), "no `{words}` in\n{table}");
    }
    assert!(image::open(&trade_off).unwrap().width() >= 640);

    // What cannot be read is said before anything is measured.
    let broken = folder.path().join("broken.y4m");
    fs::write(&broken, "YUV4MPEG2 W128 H64 F25:1 Cmono\nFRAME\nshort").unwrap();
    let cases = [
        (format!("--source {}", images.display()), 2, "is no video file"),
        ("--source absent.mp4".to_owned(), 2, "absent.mp4"),
        (format!("--source {}", broken.display()), 1, "ended early"),
        (format!("--images {} --labels {}", images.display(), folder.path().display()), 2, "has no label"),
    ];
    for (arguments, code, message) in cases {
        let output = bench(&model, &format!("--device tract --warmup 0 --iters 1 {arguments}"));
        assert_eq!(output.status.code(), Some(code), "{arguments}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments}: {}", stderr(&output));
    }
}
