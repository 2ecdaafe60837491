//! Libraries and devices that are there, missing, too old or something else.

use std::fs;
use std::process::Command;

use lrnnet_run::engine::library;

use super::*;

/// The library that `lrnnet-run setup` installed.
fn library_of_setup() -> PathBuf {
    let folder = library::setup_folder().unwrap_or_default();
    match library::find(Some(&folder)) {
        Ok(found) => found.path,
        Err(error) => panic!("{error}\nrun `cargo xtask test`, or `lrnnet-run setup`, to get what this test needs"),
    }
}

/// A shared library from C code: the compiler that links Rust programs makes it.
fn shared_library(path: &Path, code: &str) {
    let source = path.with_extension("c");
    fs::write(&source, code).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(path).arg(&source).status().unwrap();
    assert!(status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn libraries_that_do_not_do_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (text, foreign, old) = (path("text.so"), path("foreign.so"), path("old.so"));
    fs::write(&text, "no library").unwrap();
    shared_library(&foreign, "int nothing(void) { return 0; }");
    shared_library(
        &old,
        "static const void *get_api(unsigned version) { return 0; }
         static const char *get_version(void) { return \"1.10.0\"; }
         static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {get_api, get_version};
         const void *OrtGetApiBase(void) { return &base; }",
    );
    let cases = [
        (path("missing.so"), "not found"),
        (path("text.so"), "cannot be loaded"),
        (foreign, "is not ONNX Runtime"),
        (old, "is ONNX Runtime 1.10; 1.17 or later"),
    ];
    let source = save_picture(folder.path(), "a.png", 20, 10);
    let mut report = Report::default();
    for (library, message) in cases {
        let name = library.to_str().unwrap();
        // A library that was named is used or refused, on every device that needs one and with `auto` too.
        for device in ["cpu", "auto", "cuda", "tensorrt:1"] {
            let mut command = program();
            command.args(["--device", device, "--ort-lib", name, "-m"]).arg(tiny_model());
            let ran = finish(command.arg(&source).args(["-o", "/dev/null"]));
            report.expect(format!("{name} on {device}"), &ran, 3, &[name, message, "lrnnet-run setup"]);
        }
        let ran =
            finish(program().env("ORT_DYLIB_PATH", name).args(["--device", "cpu"]).arg(&source).args(["-o", "-"]));
        report.expect(format!("{name} in ORT_DYLIB_PATH"), &ran, 3, &[name, "ORT_DYLIB_PATH", message]);
        let ran = run(["doctor", "--ort-lib", name]);
        report.expect(format!("doctor with {name}"), &ran, 3, &[name, message]);
        report.check(format!("doctor with {name}"), ran.text().contains(message), &ran);
    }
    report.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_gpu_that_is_not_there_is_an_error_and_never_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 20, 10);
    let alone = folder.path().join(library::file_name());
    fs::copy(library_of_setup(), &alone).unwrap();
    let home = folder.path().join("home");
    let mut report = Report::default();
    let mut check = |case: &str, device: &str, words: &[&str]| {
        let mut command = program();
        command
            .env("LRNNET_HOME", &home)
            .args(["--device", device, "--ort-lib"])
            .arg(&alone)
            .arg("-m")
            .arg(tiny_model());
        let mask = folder.path().join("mask.png");
        let ran = finish(command.arg(&source).arg("-o").arg(&mask));
        report.expect(format!("{case}, {device}"), &ran, 3, words);
        report.check(format!("{case}, {device}: wrote a mask"), !mask.exists(), &ran);
    };
    for (device, provider) in [("cuda", "cuda"), ("cuda:3", "cuda"), ("tensorrt", "tensorrt")] {
        let file = format!("libonnxruntime_providers_{provider}.so is not beside");
        check("no provider", device, &[device, &file, "lrnnet-run setup --gpu"]);
    }
    // With a file of that name the runtime itself has to say that it cannot.
    for (device, provider) in [("cuda", "cuda"), ("tensorrt", "tensorrt")] {
        fs::write(folder.path().join(format!("libonnxruntime_providers_{provider}.so")), "no library").unwrap();
        check("no such build or GPU", device, &[device, "does not work here", "caused by: "]);
    }
    report.finish();
    // TensorRT was asked to keep its engines there, and nothing else was left.
    let caches: Vec<_> = home.join("cache/tensorrt").read_dir().unwrap().collect();
    assert_eq!((caches.len(), files_below(&home).len()), (1, 0), "{caches:?}");
}

#[test]
fn auto_takes_the_library_of_setup_and_says_so_and_what_it_passed_over() {
    let library = library_of_setup();
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 40, 30);
    let mask = |name: &str| folder.path().join(name);
    let run_on = |device: &str, mask: &Path| {
        let mut command = program();
        // If there is a GPU, it is not seen.
        command.env("CUDA_VISIBLE_DEVICES", "-1");
        command.args(["--device", device, "-m"]).arg(tiny_model()).arg(&source).arg("-o").arg(mask);
        finish(&mut command)
    };
    let (auto, cpu, tract) = (mask("auto.png"), mask("cpu.png"), mask("tract.png"));
    let mut report = Report::default();
    let ran = run_on("auto", &auto);
    report.expect(
        format!("auto with {}", library.display()),
        &ran,
        0,
        &["running on ONNX Runtime 1.", "not on cuda:0: "],
    );
    report.expect("cpu", &run_on("cpu", &cpu), 0, &["running on ONNX Runtime 1."]);
    report.expect("tract", &run_on("tract", &tract), 0, &["running on tract"]);
    report.finish();
    let ids = |path: &Path| image::open(path).unwrap().into_rgb8().into_raw();
    assert_eq!(ids(&cpu), ids(&tract));
}

#[test]
fn doctor_lists_places_devices_and_remedies() {
    let folder = tempfile::tempdir().unwrap();
    let ran = finish(program().env("LRNNET_HOME", folder.path()).arg("doctor"));
    let text = ran.text();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let place = folder.path().join("onnxruntime");
    for word in
        [place.to_str().unwrap(), "beside the program", "system's loader", "tract: works", "cuda:0", "auto: uses"]
    {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    assert_eq!(files_below(folder.path()), [""; 0], "doctor only looks");
}

// What glibc's loader says of a library that it cannot load is told apart by its words.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn what_the_systems_loader_finds_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(library::file_name());
    let mut report = Report::default();
    let mut check = |case: &str, words: &[&str]| {
        let mut command = program();
        command.env_remove("ORT_DYLIB_PATH").env("LRNNET_HOME", folder.path()).env("LD_LIBRARY_PATH", folder.path());
        let ran = finish(command.arg("doctor"));
        let text = ran.text();
        let line = text.lines().find(|line| line.contains("system's loader")).unwrap_or_default();
        report.check(format!("{case}: {line}"), words.iter().any(|word| line.contains(word)), &ran);
    };
    // The system may have one of its own.
    check("nothing", &["): not found", "): ONNX Runtime 1."]);
    fs::write(&place, "no library").unwrap();
    check("text", &["): cannot be loaded: "]);
    shared_library(&place, "int nothing(void) { return 0; }");
    check("another library", &["): is not ONNX Runtime"]);
    report.finish();
}

#[cfg(unix)]
#[test]
fn setup_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let home = folder.path().join("home");
    let setup = || finish(program().env("PATH", &bin).env("LRNNET_HOME", &home).arg("setup"));
    let mut report = Report::default();
    report.expect("no Python", &setup(), 3, &["python3 was not found", "install", "ORT_DYLIB_PATH"]);
    let python = |script: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = bin.join("python3");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    python("exit 1");
    report.expect("no pip", &setup(), 3, &["python3 has no pip", "install"]);
    python("case \"$3\" in --version) exit 0;; esac; echo no such package >&2; exit 1");
    report.expect("no package", &setup(), 3, &["no such package", "could not fetch onnxruntime==", "try again"]);
    python("exit 0");
    report.expect("no wheel", &setup(), 3, &["pip fetched no wheel"]);
    // A package index that serves another file under the right name.
    python("while [ $# -gt 1 ]; do if [ \"$1\" = --dest ]; then echo fake > \"$2/onnxruntime.whl\"; fi; shift; done");
    report.expect("another wheel", &setup(), 3, &["onnxruntime.whl has the SHA-256 ", "Nothing was installed"]);
    report.finish();
    assert_eq!(files_below(&home), [""; 0]);
}
