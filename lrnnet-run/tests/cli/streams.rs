//! Standard input, output and error.

use std::fs::{self, File};
use std::io::Read;

use serde_json::Value as Json;

use super::*;

#[test]
fn results_go_to_standard_output_and_the_rest_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 60, 40);
    let (source, mask) = (source.to_str().unwrap(), folder.path().join("mask.png"));
    let mask = mask.to_str().unwrap();

    let ran = run_tiny([source, "-o", mask]);
    let line = ran.text();
    assert_eq!((ran.code, line.lines().count()), (Some(0), 1), "{line}");
    for word in [source, mask, "60 x 40", "%", "pre", "infer", "post", "ms"] {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
    assert!(ran.stderr.contains("running on tract") && ran.stderr.contains("1 picture in"), "{}", ran.stderr);

    let ran = run_tiny([source, "-o", mask, "-q"]);
    assert_eq!((ran.code, ran.text().as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_picture_goes_through_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 60, 40);
    let file = folder.path().join("mask.png");
    assert_eq!(run_tiny([&source, Path::new("-o"), &file]).code, Some(0));
    let ran = run_with_stdin(tiny().args(["-", "-o", "-"]), &fs::read(&source).unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, fs::read(&file).unwrap());
    assert!(ran.stderr.contains("standard input -> standard output"), "{}", ran.stderr);

    let ran = run_with_stdin(tiny().args(["-", "-o", "-"]), b"");
    let mut report = Report::default();
    report.expect("nothing on standard input", &ran, 1, &["cannot segment standard input", "the file is empty"]);
    report.check("standard output", ran.stdout.is_empty(), &ran);
    report.finish();
}

#[test]
fn the_json_report_holds_what_was_done_and_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    save_picture(&pictures, "a.png", 60, 40);
    fs::write(pictures.join("b.png"), "").unwrap();
    let out = folder.path().join("out");
    let to_file = folder.path().join("report.json");
    for target in ["-", to_file.to_str().unwrap()] {
        let ran = run_tiny([pictures.to_str().unwrap(), "-o", out.to_str().unwrap(), "--json", target]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let text = if target == "-" { ran.text() } else { fs::read_to_string(&to_file).unwrap() };
        let json: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(json["device"], "tract");
        assert_eq!(json["failed"].as_array().unwrap().len(), 1);
        assert!(json["failed"][0]["source"].as_str().unwrap().ends_with("b.png"));
        let image = &json["images"][0];
        assert_eq!((&image["width"], &image["height"]), (&60.into(), &40.into()));
        assert_eq!(image["input_size"], serde_json::json!([64, 128]));
        let pixels = image["class_pixels"].as_object().unwrap();
        assert_eq!(pixels.len(), 11);
        assert_eq!(pixels.values().filter_map(Json::as_u64).sum::<u64>(), 60 * 40);
        assert!(image["infer_ms"].as_f64().unwrap() > 0.0);
    }
}

/// A reader that goes away, as `head` does, is no failure.
#[test]
fn a_broken_pipe_is_success() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        save_picture(&folder.path().join("in"), &format!("{i}.png"), 60, 40);
    }
    let out = folder.path().join("out");
    let mut child = tiny()
        .arg(folder.path().join("in"))
        .arg("-o")
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert_eq!(files_below(&out).len(), 3);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 60, 40);
    let mut report = Report::default();
    for output in ["-", "/dev/null"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = tiny().arg(&source).args(["-o", output]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let done = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        let ran = Ran { code: done.status.code(), stdout: vec![], stderr };
        report.expect(output, &ran, 1, &["cannot write to standard output", "No space left"]);
    }
    report.finish();
}
