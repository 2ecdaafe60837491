//! The program as its users run it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lrnnet_graph::onnx::ModelFile;
use lrnnet_graph::{Classes, Config, Head, Network, Normalization, SelfTest, Settings, Variant, Weights, synthetic};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

/// The program, free of what this machine's user has set.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrnnet-export"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name).to_str().unwrap().to_owned()
}

/// A folder for one test, with a weight file by formula for each network that is asked for.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn weights(&self, block: &str, context: &str, classes: usize, change: impl FnOnce(&mut Weights)) -> String {
        let names = (0..classes).map(|i| format!("class {i}")).collect();
        let settings = Settings {
            block: block.parse().unwrap(),
            context: context.parse().unwrap(),
            classes: Classes::named(names),
            ..Settings::camvid()
        };
        let mut weights = synthetic::weights(&Network::new(Config::new(settings).unwrap()));
        change(&mut weights);
        let bytes: Vec<_> = weights.iter().map(|(n, t)| (n, t.shape().to_vec(), little_endian(t.data()))).collect();
        let view = |shape: &[usize], data| TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap();
        let views: HashMap<_, _> = bytes.iter().map(|(name, shape, data)| (*name, view(shape, data))).collect();
        let path = self.text("weights.safetensors");
        // Where no size is asked for, verification takes that of training.
        let metadata = HashMap::from([("trained_size".to_owned(), "[64, 128]".to_owned())]);
        fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
        path
    }
}

#[test]
fn trained_weights_become_a_verified_model_that_describes_itself() {
    let bench = Bench::new();
    let (weights, model) = (fixture("oracle/c-camvid.safetensors"), bench.text("model.onnx"));
    let output = run(&[&weights, "-o", &model, "--input", "u8-nhwc"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in
        ["CamVid assumed", "context svn:8,4 assumed", "verified: largest logit difference", "100.0000 %", "360x480"]
    {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let file = ModelFile::parse(&fs::read(&model).unwrap()).unwrap();
    let metadata = file.metadata();
    assert_eq!(metadata.weights_sha256, SHA256_OF_C_CAMVID);
    assert_eq!((metadata.variant(), metadata.head), (Some(Variant::C), Head::ClassMap));
    assert_eq!(metadata.classes, Classes::camvid());
    let Some(SelfTest::Known(selftest)) = &metadata.selftest else { panic!("{:?}", metadata.selftest) };
    assert_eq!((selftest.height, selftest.width), (360, 480));
    assert_eq!(selftest.near_ties.iter().sum::<u32>(), 360 * 480);
    assert_eq!(fs::read_dir(bench.0.path()).unwrap().count(), 1, "something is left beside the model");

    let again = bench.text("again.onnx");
    assert!(run(&[&weights, "-o", &again, "--input", "u8-nhwc"]).status.success());
    assert!(fs::read(&model).unwrap() == fs::read(&again).unwrap(), "two exports differ");
}

/// By `sha256sum`.
const SHA256_OF_C_CAMVID: &str = "fcbfb89e4d51502003c6fb13381eb3f03d7b9c132cd7b3899ff0ff5620b731d2";

#[test]
fn every_network_head_and_form_passes_verification() {
    let networks = [
        ("fcb", "none", "--variant a"),
        ("fcb", "svn:8", "--variant b"),
        ("fcb", "svn:8,4,2", "--context svn:8,4,2 --power-iters 3"),
        ("fcb", "max:8", "--context max:8"),
        ("fcb", "mean:8", "--context mean:8"),
        ("fcb", "nonlocal", "--context nonlocal"),
        ("ss-nbt", "none", ""),
        ("non-bt-1d", "none", ""),
        ("fcb", "svn:8,4", ""),
    ];
    let ways = [
        "--head logits --imgsz 72x136",
        "--head logits-8 --input u8-nhwc --form plain --imgsz 64x128",
        "--head both --opset 13 --imgsz 64x128",
        "--half --head both --opset 21 --imgsz 64x64",
        "--half --head logits-8 --input u8-nhwc --imgsz 72x136",
    ];
    let bench = Bench::new();
    let mut failures = vec![];
    for (i, (block, context, flags)) in networks.into_iter().enumerate() {
        let weights = bench.weights(block, context, 11, |_| {});
        // float32 and float16 for each network, each way for several.
        failures.extend(check(&bench, &weights, &format!("{flags} {}", ways[i % 3])));
        // The synthetic weights give these contexts sums beyond float16; see below.
        if !["max:8", "mean:8", "nonlocal"].contains(&context) {
            failures.extend(check(&bench, &weights, &format!("{flags} {}", ways[3 + i % 2])));
        }
    }
    // Trained weights of any context hold the start vector that only singular vectors use.
    let trained = fixture("oracle/c-camvid.safetensors");
    failures.extend(check(&bench, &trained, "--context max:8 --imgsz 64x128"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn dynamic_models_pass_verification() {
    let bench = Bench::new();
    let weights = bench.weights("fcb", "svn:8,4", 11, |_| {});
    let ways = ["", "--half --head logits", "--form plain --head logits-8", "--head both --input u8-nhwc"];
    let failures: Vec<_> = ways.iter().filter_map(|way| check(&bench, &weights, &format!("--dynamic {way}"))).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn models_for_several_pictures_pass_verification() {
    let bench = Bench::new();
    let weights = bench.weights("fcb", "svn:8,4", 11, |_| {});
    for (batch, extent) in [("2", Some(2)), ("any", None)] {
        for way in ["--head both", "--head logits-8 --input u8-nhwc"] {
            assert_eq!(check(&bench, &weights, &format!("--imgsz 64x128 --batch {batch} {way}")), None);
            let model = ModelFile::parse(&fs::read(bench.path("model.onnx")).unwrap()).unwrap();
            assert_eq!(model.input().shape[0], extent, "{way}");
        }
    }
    let output = run(&[&weights, "-o", &bench.text("none.onnx"), "--batch", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("batch"), "{}", stderr(&output));
}

#[test]
fn a_model_repository_is_written_whole_and_never_over_another() {
    let bench = Bench::new();
    let weights = bench.weights("fcb", "svn:8,4", 11, |_| {});
    let repository = bench.text("models");
    let triton = |more: &[&str]| {
        run(&[&[&*weights, "--triton", &repository, "--imgsz", "64x128", "--input", "u8-nhwc"], more].concat())
    };
    let refused: [(&[&str], i32, &str); 4] = [
        (&["--batch", "4", "--no-verify"], 2, "takes 4 pictures a run"),
        (&["--name", "a/b"], 2, "`a/b` is no name"),
        (&["--max-batch", "0"], 2, "largest batch 0"),
        (&["--int8"], 2, "--calibration"),
    ];
    for (more, code, words) in refused {
        let output = triton(more);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "no {words:?} in: {}", stderr(&output));
        assert!(!Path::new(&repository).exists(), "{words}");
    }
    let output = triton(&["--max-batch", "16", "--tensorrt", "fp32"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in ["verified: largest logit difference", "models/lrnnet", "any number of 64x128"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let model = ModelFile::parse(&fs::read(bench.path("models/lrnnet/1/model.onnx")).unwrap()).unwrap();
    assert_eq!(model.input().shape, [None, Some(64), Some(128), Some(3)]);
    let config = fs::read_to_string(bench.path("models/lrnnet/config.pbtxt")).unwrap();
    for words in ["max_batch_size: 16", "name: \"tensorrt\"", "dims: [64, 128, 3]"] {
        assert!(config.contains(words), "no {words:?} in: {config}");
    }
    let output = triton(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("is there already"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(bench.path("models/lrnnet/config.pbtxt")).unwrap(), config);
}

#[test]
fn a_model_that_computes_something_else_is_not_written() {
    let bench = Bench::new();
    // Unnormalised keys of these weights have sums beyond float16's 65504.
    let weights = bench.weights("fcb", "nonlocal", 11, |_| {});
    let model = bench.text("model.onnx");
    let output = run(&[&weights, "-o", &model, "--context", "nonlocal", "--half", "--imgsz", "64x64"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("does not agree with the plain form") && said.contains("without --half"), "{said}");
    assert!(!Path::new(&model).exists());
}

fn check(bench: &Bench, weights: &str, flags: &str) -> Option<String> {
    let model = bench.text("model.onnx");
    let args: Vec<_> = [weights, "-o", &model].into_iter().chain(flags.split_whitespace()).collect();
    let output = run(&args);
    let verified = output.status.success() && stderr(&output).contains("verified: ");
    (!verified).then(|| format!("{flags}: {}", stderr(&output)))
}

#[test]
fn failures_are_named_and_leave_nothing_behind() {
    let bench = Bench::new();
    let good = fixture("oracle/c-camvid.safetensors");
    let set = |name: &'static str, index: usize, value: f32| {
        move |weights: &mut Weights| weights.get_mut(name).unwrap().data_mut()[index] = value
    };
    let made = |file: &str, path: String| {
        let kept = bench.text(file);
        fs::rename(path, &kept).unwrap();
        kept
    };
    let nan = made("nan.safetensors", bench.weights("fcb", "none", 11, set("encoder.0.conv.weight", 5, f32::NAN)));
    let large = made("large.safetensors", bench.weights("fcb", "none", 11, set("encoder.0.bn.bias", 0, 1e6)));
    let variance = made("var.safetensors", bench.weights("fcb", "none", 11, set("encoder.4.bn.running_var", 1, -1.0)));
    let lacking = made(
        "lacking.safetensors",
        bench.weights("fcb", "none", 11, |weights| {
            weights.remove("classifier.conv.weight");
        }),
    );
    let five = made("five.safetensors", bench.weights("fcb", "none", 5, |_| {}));
    let (empty, names) = (bench.text("empty.pth"), bench.text("names.txt"));
    fs::write(&empty, "").unwrap();
    fs::write(&names, "road\nrest\n").unwrap();
    let missing = bench.text("missing.pth");

    let cases: Vec<(&str, &str, i32, Vec<&str>)> = vec![
        (&missing, "", 2, vec!["missing.pth", "No such file"]),
        (&empty, "", 2, vec!["empty.pth", "0 bytes"]),
        (&nan, "", 2, vec!["nan.safetensors", "`encoder.0.conv.weight` holds NaN at index 5"]),
        (&variance, "", 2, vec!["`encoder.4.bn.running_var` holds -1"]),
        (&lacking, "", 2, vec!["`classifier.conv.weight`", "missing"]),
        (&large, "--half", 2, vec!["float16", "without --half"]),
        (&good, "--block ss-nbt", 2, vec!["c-camvid.safetensors", "missing", "more"]),
        (&good, "--variant a", 2, vec!["`svn.", "not a tensor of this network"]),
        (&good, "--classes cityscapes", 2, vec!["19 classes are named", "11 outputs"]),
        (&good, "--classes ade20k", 2, vec!["`ade20k`", "neither camvid nor cityscapes", "No such file"]),
        (&good, "--mean 0.5,0.5,0.5 --std 0.5,0.5,0", 2, vec!["deviation [0.5, 0.5, 0.0]", "above 0 up to 1"]),
        (&good, "--mean 123,116,103 --std 58,57,57", 2, vec!["mean [123.0, 116.0, 103.0]", "divide"]),
        (&five, "", 2, vec!["5 classes", "--classes"]),
        (&five, &names, 2, vec!["2 classes are named"]),
        (&good, "--imgsz 100x128", 2, vec!["100", "96 and 104"]),
        (&good, "--variant a --power-iters 3", 2, vec!["power iterations"]),
        (&good, "--opset 10", 2, vec!["opset 10", "11 to 21"]),
    ];
    let model = bench.path("model.onnx");
    fs::write(&model, "what was here before").unwrap();
    let mut failures = vec![];
    for (weights, flags, code, words) in cases {
        let flags = if flags == names { format!("--classes {names}") } else { flags.to_owned() };
        let args = [weights, "-o", model.to_str().unwrap()].into_iter().chain(flags.split_whitespace());
        let output = run(&args.collect::<Vec<_>>());
        let said = stderr(&output);
        let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
        if output.status.code() != Some(code) || !missing.is_empty() || said.contains("panicked") {
            failures.push(format!("{weights} {flags}: {}, no {missing:?} in: {said}", output.status));
        }
        if fs::read(&model).unwrap() != b"what was here before" {
            failures.push(format!("{weights} {flags}: the old file is gone"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let left: Vec<_> = fs::read_dir(bench.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 8, "{left:?}");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let weights = bench.weights("fcb", "none", 11, |_| {});
    fs::write(bench.path("file"), "").unwrap();
    let mut cases = vec![
        (bench.text("file/model.onnx"), "Not a directory"),
        (bench.text("no/such/folder/model.onnx"), "No such file"),
        (bench.text(""), "folder"),
    ];
    if cfg!(target_os = "linux") {
        cases.push(("/dev/full".into(), "No space left"));
    }
    for (path, words) in cases {
        let output = run(&[&weights, "-o", &path, "--no-verify"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains(&format!("cannot write `{path}`")), "{said}");
    }
    assert_eq!(fs::read_dir(bench.0.path()).unwrap().count(), 2);
}

#[test]
fn normalisation_is_what_was_asked_for_or_said_or_else_noted() {
    let bench = Bench::new();
    let weights = bench.weights("fcb", "none", 11, |_| {});
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/lrnnet-c-camvid.safetensors");
    let cases = [
        (weights.as_str(), "", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), "choose with --mean and --std"),
        (&weights, "--mean 0.5,0.25,0 --std 1,0.5,0.25", ([0.5, 0.25, 0.0], [1.0, 0.5, 0.25]), ""),
        (shipped.to_str().unwrap(), "", ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ""),
    ];
    for (weights, flags, statistics, words) in cases {
        let model = bench.text("model.onnx");
        let args: Vec<_> = [weights, "-o", &model, "--no-verify"].into_iter().chain(flags.split_whitespace()).collect();
        let output = run(&args);
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains(words) && said.contains("normalisation") != words.is_empty(),
            "{weights} {flags}: {said}"
        );
        let file = ModelFile::parse(&fs::read(&model).unwrap()).unwrap();
        let Normalization { mean, std } = file.metadata().normalization;
        assert_eq!((mean, std), statistics, "{weights} {flags}");
    }
}

#[test]
fn class_names_come_from_a_file() {
    let bench = Bench::new();
    let (names, model) = (bench.text("names.txt"), bench.text("model.onnx"));
    let weights = bench.weights("fcb", "none", 2, |_| {});
    fs::write(&names, "road 128 64 128\neverything else 0 0 0\n").unwrap();
    let output = run(&[&weights, "-o", &model, "--classes", &names, "--imgsz", "64x64"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let file = ModelFile::parse(&fs::read(&model).unwrap()).unwrap();
    assert_eq!(file.metadata().classes.names, ["road", "everything else"]);
    assert_eq!(file.metadata().classes.palette, [[128, 64, 128], [0, 0, 0]]);
    assert_eq!(file.metadata().trained_size, [64, 128]);
}

#[test]
fn inspect_describes_a_model() {
    let bench = Bench::new();
    let (weights, model) = (fixture("oracle/c-camvid.safetensors"), bench.text("model.onnx"));
    assert!(run(&[&weights, "-o", &model, "--no-verify", "--dynamic", "--head", "both"]).status.success());
    let output = run(&["inspect", &model]);
    let said = stdout(&output);
    for words in
        ["opset 17, IR 8", "image float32 [any, 3, any, any]", "class_map uint8 [any, any, any]", "681178", "Conv"]
    {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let output = run(&["inspect", &model, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["parameters"], 681_178);
    assert_eq!(json["inputs"][0]["shape"], serde_json::json!([null, 3, null, null]));
    assert_eq!(json["metadata"]["variant"], "c");

    for (name, bytes, words) in [("no.onnx", &b"nonsense"[..], "ONNX"), ("empty.onnx", b"", "empty.onnx")] {
        fs::write(bench.path(name), bytes).unwrap();
        let output = run(&["inspect", &bench.text(name)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn list_shows_names_types_and_shapes() {
    let output = run(&["list", &fixture("pth/f16.pth")]);
    let said = stdout(&output);
    for words in ["conv.weight", "float16  [4, 3, 3, 1]", "bn.num_batches_tracked", "int64", "7 tensors", "pytorch"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["list", &fixture("pth/expected.safetensors"), "--json"]).stdout).unwrap();
    assert_eq!((json["format"].as_str(), json["tensors"].as_array().map(Vec::len)), (Some("safetensors"), Some(6)));
    assert_eq!(run(&["list", &fixture("pth/legacy.pth")]).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let weights = fixture("oracle/c-camvid.safetensors");
    let output = program().args(["list", &weights]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn int8_is_calibrated_on_a_folder_and_says_what_is_wrong_with_it() {
    let bench = Bench::new();
    let (weights, model) = (fixture("oracle/c-camvid.safetensors"), bench.text("model.onnx"));
    let (pictures, nothing) = (bench.text("pictures"), bench.text("nothing"));
    fs::create_dir(&pictures).unwrap();
    fs::create_dir(&nothing).unwrap();
    fs::copy(fixture("street.png"), bench.path("pictures/street.png")).unwrap();
    let int8 = |folder: &str, more: &[&str]| {
        run(&[&[&*weights, "-o", &model, "--imgsz", "96x128", "--int8", "--calibration", folder], more].concat())
    };
    let cases: [(&str, &[&str], &str); 4] = [
        (&nothing, &[], "expected files named .png"),
        (&bench.text("missing"), &[], "cannot list the calibration pictures"),
        (&pictures, &["--opset", "12"], "int8 needs opset 13 or later"),
        (&pictures, &["--form", "plain"], "another form than `plain`"),
    ];
    for (folder, more, message) in cases {
        let output = int8(folder, more);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(stderr(&output).contains(message), "no {message:?} in: {}", stderr(&output));
        assert!(!bench.path("model.onnx").exists(), "{message}");
    }
    let output = int8(&pictures, &["--samples", "3"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in ["calibration pictures: only 1", "calibrated on 1 picture", "verified: largest logit difference"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let inspected = stdout(&run(&["inspect", &model]));
    assert!(inspected.contains("\"int8\"") && inspected.contains("QuantizeLinear"), "{inspected}");
}
