//! Model files: the one in the program, dynamic ones, and those that are none.

use lrnnet_graph::onnx::proto::{ModelProto, OperatorSetIdProto};
use prost::Message;

use super::*;

/// The tiny model's message, changed.
fn changed(change: impl FnOnce(&mut ModelProto)) -> Vec<u8> {
    let mut proto = ModelProto::decode(tiny_bytes()).unwrap();
    change(&mut proto);
    proto.encode_to_vec()
}

fn set_metadata(proto: &mut ModelProto, key: &str, value: &str) {
    let entry = proto.metadata_props.iter_mut().find(|entry| entry.key() == key).unwrap();
    entry.value = Some(value.to_owned());
}

#[test]
fn what_is_no_model_is_a_usage_error() {
    let tiny = tiny_bytes();
    // Field 5 of the graph (field 7) is an initializer, whose field 14 with value 1 says that its data is elsewhere.
    let external = [tiny, &[7 << 3 | 2, 4, 5 << 3 | 2, 2, 14 << 3, 1]].concat();
    // Field 25 holds functions.
    let functions = [tiny, &[0xCA, 0x01, 0x00]].concat();
    let custom = changed(|m| {
        m.opset_import.push(OperatorSetIdProto { domain: Some("com.example".into()), version: Some(1) });
    });
    let unknown = changed(|m| m.graph.as_mut().unwrap().node[0].op_type = Some("NoSuchOperator".into()));
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("empty", vec![], "graph has 0 inputs"),
        ("text", b"this is no model".to_vec(), "not an ONNX model"),
        ("truncated", tiny[..tiny.len() / 2].to_vec(), "cut short"),
        ("external", external, "external data"),
        ("functions", functions, "functions"),
        ("custom", custom, "com.example"),
        ("unknown", unknown, "(NoSuchOperator) is none that lrnnet-export writes"),
        ("nameless", changed(|m| m.metadata_props.clear()), "no metadata"),
        ("headless", changed(|m| m.graph.as_mut().unwrap().output.clear()), "0 outputs"),
        ("bgr", changed(|m| set_metadata(m, "color_order", "\"BGR\"")), "expected RGB"),
        ("palette", changed(|m| set_metadata(m, "palette", "[[0,0,0]]")), "1 colours for 11 classes"),
        ("std", changed(|m| set_metadata(m, "std", "[0.0,1.0,1.0]")), "positive deviations"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 20, 10);
    let mask = folder.path().join("mask.png");
    let mut report = Report::default();
    for (name, bytes, message) in cases {
        let path = folder.path().join(format!("{name}.onnx"));
        std::fs::write(&path, bytes).unwrap();
        let ran = finish(program().args(["--device", "tract", "-m"]).arg(&path).arg(&source).arg("-o").arg(&mask));
        report.expect(name, &ran, 2, &["error: ", message]);
        report.check(format!("{name}: the file is not named"), ran.stderr.contains(path.to_str().unwrap()), &ran);
        let is_strange = ["external", "functions", "custom", "unknown"].contains(&name);
        report.check(format!("{name}: hint"), ran.stderr.contains("add --trust-model") == is_strange, &ran);
        report.check(format!("{name}: wrote a mask"), !mask.exists(), &ran);
    }
    // Who is trusted gets as far as the runtime.
    let path = folder.path().join("unknown.onnx");
    let trusting = |subcommand: &[&str], rest: &[&Path]| {
        finish(program().args(subcommand).args(["--device", "tract", "--trust-model"]).args(rest))
    };
    let (option, out) = (Path::new("-m"), Path::new("-o"));
    let ran = trusting(&[], &[option, &path, &source, out, &mask]);
    report.expect("trusted", &ran, 2, &["does not take the model"]);
    for (subcommand, rest) in [("selftest", vec![path.as_path()]), ("bench", vec![option, &path])] {
        let ran = trusting(&[subcommand], &rest);
        report.check(format!("{subcommand}: trusted"), !ran.stderr.contains("is none that lrnnet-export"), &ran);
        report.check(format!("{subcommand}: tried"), ran.code != Some(0), &ran);
    }
    let ran = finish(program().args(["-m", "no/such.onnx"]).arg(&source).arg("-o").arg(&mask));
    report.expect("missing", &ran, 2, &["no/such.onnx", "No such file"]);
    report.finish();
}

#[test]
fn dynamic_models_follow_the_picture_or_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("dynamic.onnx");
    std::fs::write(&model, model_bytes(InputSize::Dynamic)).unwrap();
    let mut report = Report::default();
    // Trained at 64 x 128, so 8192 pixels, in multiples of 64.
    for (width, height, imgsz, expected) in [
        (500, 240, None, [64, 128]),
        (300, 620, None, [128, 64]),
        (200, 200, None, [64, 64]),
        (9, 9, Some("128x192"), [128, 192]),
    ] {
        let source = save_picture(folder.path(), "a.png", width, height);
        let mut command = program();
        command.args(["--device", "tract", "--threads", "1", "-m"]).arg(&model).arg(&source);
        command.args(["-o", "/dev/null", "--json", "-"]).args(imgsz.iter().flat_map(|size| ["--imgsz", size]));
        let ran = finish(&mut command);
        let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        let found = &json["images"][0]["input_size"];
        report.check(format!("{width} x {height}: {found}"), *found == serde_json::json!(expected), &ran);
    }
    let ran =
        finish(program().args(["--device", "tract", "--imgsz", "100x64", "-m"]).arg(&model).args(["a", "-o", "b"]));
    report.expect("no multiple", &ran, 2, &["100x64 is not a multiple of 64", "128x64"]);
    report.finish();
}

/// The first command of the README: no model, no library, and a street that looks like one.
#[test]
fn the_model_in_the_program_sees_the_street() {
    let folder = tempfile::tempdir().unwrap();
    let mask = folder.path().join("mask.png");
    let street = fixture("street.png");
    let ran = run(["--device", "tract", street.to_str().unwrap(), "-o", mask.to_str().unwrap(), "--mask", "gray"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mask = image::open(&mask).unwrap().into_luma8();
    let names = lrnnet_graph::Classes::camvid().names;
    let class = |x, y| names[usize::from(mask.get_pixel(x, y).0[0])].as_str();
    assert_eq!((class(240, 60), class(240, 340), class(25, 60)), ("Sky", "Road", "Building"));
}

#[test]
fn the_built_in_model_has_two_precisions() {
    let folder = tempfile::tempdir().unwrap();
    let street = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/street.png");
    let mask = |name: &str, args: &[&str]| {
        let path = folder.path().join(name);
        let out = path.to_str().unwrap();
        let ran = run([&[street, "-o", out, "--mask", "gray", "--device", "tract"], args].concat());
        (ran, path)
    };
    let classes = |precision: &str| {
        let (ran, path) = mask(&format!("{precision}.png"), &["--precision", precision]);
        assert_eq!(ran.code, Some(0), "{precision}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("tract computes int8 in floats"), precision == "int8", "{}", ran.stderr);
        image::open(path).unwrap().into_luma8().into_raw()
    };
    let (float, int8) = (classes("fp32"), classes("int8"));
    let same = float.iter().zip(&int8).filter(|(a, b)| a == b).count();
    assert!(same < float.len(), "int8 is another model");
    assert!(1000 * same > 985 * float.len(), "{same} of {} pixels agree", float.len());

    let refused = [
        (vec!["--precision", "fp16"], "no model of its own in fp16"),
        (vec!["--precision", "int4"], "expected fp32, fp16 or int8"),
        (vec!["--precision", "int8", "-m", "other.onnx"], "cannot be used with"),
    ];
    for (args, message) in refused {
        let (ran, path) = mask("refused.png", &args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message) && !path.exists(), "{args:?}: {}", ran.stderr);
    }
}
