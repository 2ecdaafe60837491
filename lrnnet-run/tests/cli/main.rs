//! The program as its users see it: files, streams, messages and exit codes.
#![allow(missing_docs)]

mod devices;
mod frames;
mod inputs;
mod models;
mod outputs;
#[path = "../program/mod.rs"]
mod program;
mod streams;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use image::RgbImage;
use lrnnet_graph::{Config, InputKind, InputSize, Settings, synthetic};
use program::{clear, program};
use tempfile::TempDir;

/// What a run of the program left behind.
struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is text")
    }
}

fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    finish(program().args(args))
}

/// With the tiny model in tract, for tests that are not about networks.
fn run_tiny<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    finish(tiny().args(args))
}

fn tiny() -> Command {
    let mut command = program();
    command.args(["--device", "tract", "--threads", "1", "-m"]).arg(tiny_model());
    command
}

fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into() }
}

fn run_with_stdin(command: &mut Command, stdin: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that ends early closes the pipe, which is for the test to judge by what it says.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into() }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// Bytes of a model C with synthetic weights, 11 classes.
fn model_bytes(size: InputSize) -> Vec<u8> {
    let settings = Settings { size, trained_size: [64, 128], input: InputKind::U8Nhwc, ..Settings::camvid() };
    synthetic::onnx(Config::new(settings).unwrap())
}

fn tiny_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| model_bytes(InputSize::Static { batch: 1, height: 64, width: 128 }))
}

fn tiny_model() -> &'static Path {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.onnx");
        std::fs::write(&path, tiny_bytes()).unwrap();
        (folder, path)
    });
    path
}

fn picture(width: u32, height: u32) -> RgbImage {
    let pixels = synthetic::picture(height as usize, width as usize);
    RgbImage::from_raw(width, height, pixels).unwrap()
}

/// Saves a picture at `folder/name`, with all folders between.
fn save_picture(folder: &Path, name: &str, width: u32, height: u32) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(width, height).save(&path).unwrap();
    path
}

/// Every file below `folder`, relative, sorted: hidden ones too.
fn files_below(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let mut names: Vec<_> =
        files.map(|e| e.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Collects what does not hold, so that one run shows every failing case.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn check(&mut self, case: impl std::fmt::Display, holds: bool, ran: &Ran) {
        if !holds {
            self.0.push(format!("{case}: exit code {:?}, standard error:\n{}", ran.code, ran.stderr));
        }
    }

    /// Exit code, and words that standard error must hold, without a panic.
    fn expect(&mut self, case: impl std::fmt::Display, ran: &Ran, code: i32, words: &[&str]) {
        for word in words {
            self.check(format!("{case}: no {word:?}"), ran.stderr.contains(word), ran);
        }
        self.check(format!("{case}: expected exit code {code}"), ran.code == Some(code), ran);
        self.check(format!("{case}: panicked"), !ran.stderr.contains("panicked"), ran);
    }

    fn finish(self) {
        assert!(self.0.is_empty(), "{} checks fail:\n{}", self.0.len(), self.0.join("\n"));
    }
}
