//! Configuration and metadata become each other; what describes no network, or comes from the future, is refused.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use lrnnet_graph::{
    Block, Classes, Config, Context, Form, Head, InputKind, InputSize, Metadata, MetadataError, Normalization, Origin,
    Precision, SelfTest, SelfTestRecord, Settings,
};

fn metadata(settings: Settings) -> Metadata {
    let origin = Origin { weights_sha256: "ab".repeat(32), exporter: "test 1.0".into() };
    Metadata::new(&Config::new(settings).unwrap(), Form::DEPLOY, Precision::Fp32, &origin)
}

fn read(props: &BTreeMap<String, String>) -> Result<Metadata, MetadataError> {
    Metadata::from_props(props.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn props() -> BTreeMap<String, String> {
    metadata(Settings::camvid()).to_props().into_iter().collect()
}

#[test]
fn every_configuration_survives_the_way_through_a_file() {
    let contexts = ["none", "svn:8,4", "svn:16", "max:8,3", "mean:7", "nonlocal"].map(|word| word.parse().unwrap());
    let iterated = Context::SingularVectors { scales: vec![8, 4], iterations: 5 };
    let blocks = [Block::Fcb, Block::SsNbt, Block::NonBt1d];
    let heads = [Head::ClassMap, Head::Logits, Head::Logits8, Head::Both];
    for (i, context) in contexts.into_iter().chain([iterated]).enumerate() {
        for size in [InputSize::Static { batch: 3, height: 72, width: 136 }, InputSize::Dynamic] {
            let settings = Settings {
                block: blocks[i % 3],
                context: context.clone(),
                classes: if i % 2 == 0 { Classes::camvid() } else { Classes::cityscapes() },
                normalization: Normalization { mean: [0.1, 0.2, 1.0 / 3.0], std: [1e-3, 1.0, 2.0] },
                trained_size: [512, 1024],
                size,
                input: if i % 2 == 0 { InputKind::F32Nchw } else { InputKind::U8Nhwc },
                head: heads[i % 4],
            };
            let written = metadata(settings.clone());
            let found = read(&written.to_props().into_iter().collect()).unwrap();
            assert_eq!(found, written);
            assert_eq!(found.config(size).unwrap(), Config::new(settings).unwrap());
        }
    }
}

#[test]
fn what_is_optional_survives_too() {
    let selftest = SelfTest::Known(SelfTestRecord {
        version: SelfTestRecord::VERSION,
        input: SelfTestRecord::PICTURE.into(),
        height: 360,
        width: 480,
        class_map_sha256: "cd".repeat(32),
        clear_sha256: "ef".repeat(32),
        near_ties: vec![360 * 480 - 7, 7],
    });
    let mut written = metadata(Settings::camvid());
    written.selftest = Some(selftest);
    written.precision = Precision::Fp16;
    written.classes.ignore_index = None;
    assert_eq!(read(&written.to_props().into_iter().collect()).unwrap(), written);
}

#[test]
fn values_are_the_documented_words() {
    let props = props();
    let expected = [
        ("format_version", "1"),
        ("task", r#""semantic-segmentation""#),
        ("color_order", r#""RGB""#),
        ("input", r#""f32-nchw""#),
        ("layout", r#""NCHW""#),
        ("mean", "[0.485,0.456,0.406]"),
        ("resize", r#""bilinear-half-pixel""#),
        ("head", r#""class-map""#),
        ("variant", r#""c""#),
        ("block", r#""fcb""#),
        ("context", r#""svn:8,4""#),
        ("power_iterations", "2"),
        ("form", r#""deploy""#),
        ("precision", r#""fp32""#),
        ("selftest", "null"),
    ];
    for (key, value) in expected {
        assert_eq!(props[key], value, "{key}");
    }
}

#[test]
fn a_file_without_a_version_is_read_and_one_of_a_later_version_refused() {
    let mut props = props();
    assert_eq!(read(&props).unwrap().format_version, 1);
    props.remove("format_version");
    let old = read(&props).unwrap();
    assert_eq!(old.format_version, 0);
    assert!(old.to_props().iter().all(|(key, _)| key != "format_version"), "a version is made up");
    // Whatever the other entries have become by then.
    props.insert("format_version".into(), "2".into());
    props.insert("block".into(), "no JSON".into());
    let error = read(&props).unwrap_err();
    assert!(matches!(error, MetadataError::Version { found: 2 }), "{error}");
    assert_eq!(
        error.to_string(),
        "the file's metadata is of format 2, this program knows up to 1; use a newer program"
    );
}

#[test]
fn a_value_that_is_no_json_is_shown_in_part() {
    let mut props = props();
    props.insert("block".into(), format!("[{}", "x".repeat(100)));
    let message = read(&props).unwrap_err().to_string();
    assert_eq!(message, format!("metadata `block` is not JSON: \"[{}\"", "x".repeat(59)));
    assert_eq!(metadata(Settings::camvid()).form.to_string(), "deploy");
}

#[test]
fn keys_of_other_tools_are_left_alone() {
    let mut props = props();
    props.insert("some_tool".into(), "no JSON".into());
    assert_eq!(read(&props).unwrap(), metadata(Settings::camvid()));
    let foreign = BTreeMap::from([("some_tool".to_owned(), "1".to_owned())]);
    assert!(matches!(read(&foreign), Err(MetadataError::None)));
}

#[test]
fn entries_that_describe_no_network_are_refused() {
    let long: Vec<_> = (0..300).map(|i| format!("class {i}")).collect();
    let cases = [
        ("format_version", "\"1\"", "expected u32"),
        ("format_version", "-1", "expected u32"),
        ("task", "\"detection\"", "`detection` is not a task; expected semantic-segmentation"),
        ("color_order", "\"BGR\"", "`BGR` is not a colour order; expected RGB"),
        ("resize", "\"nearest\"", "`nearest` is not a resize rule"),
        ("input", "\"png\"", "`png` is not a kind of input"),
        ("input", "\"u8-nhwc\"", "`layout` is NCHW, but by the other entries it is NHWC"),
        ("layout", "\"NHWC\"", "`layout` is NHWC"),
        ("head", "\"boxes\"", "`boxes` is not a head"),
        ("block", "\"ss-nbt\"", "`variant` is c, but by the other entries it is null"),
        ("variant", "\"a\"", "`variant` is a, but by the other entries it is c"),
        ("variant", "null", "`variant` is null"),
        ("context", "\"svn:8;4\"", "is not a context"),
        ("context", "\"svn:8,8\"", "scales [8, 8]"),
        ("power_iterations", "null", "`power_iterations` is null, but by the other entries it is 2"),
        ("power_iterations", "0", "number of power iterations 0"),
        ("form", "\"\"", "no name"),
        ("precision", "\"fp8\"", "`fp8` is not a precision; expected fp32, fp16 or int8"),
        ("class_names", "[\"only\"]", "1 classes"),
        ("class_names", &serde_json::to_string(&long).unwrap(), "300 classes"),
        ("palette", "[[0,0,0]]", "1 colours for 11 classes"),
        ("palette", "[[0,0,256]]", "expected u8"),
        ("ignore_index", "3", "ignored label 3"),
        ("mean", "[0.0,1e39,0.0]", "metadata does not describe"),
        ("std", "[0.0,1.0,1.0]", "positive deviations"),
        ("std", "[1.0,1.0]", "length 2"),
        ("trained_size", "[0,480]", "trained height 0"),
        ("trained_size", "[360,16392]", "trained width 16392"),
        ("size_multiple", "16", "`size_multiple` is 16, but by the other entries it is 64"),
        ("size_multiple", "0", "`size_multiple` is 0"),
    ];
    let mut wrong = Vec::new();
    for (key, value, expected) in cases {
        let mut props = props();
        props.insert(key.into(), value.into());
        let found = read(&props).map_or_else(|e| e.to_string(), |_| "accepted".into());
        if !found.contains(expected) {
            wrong.push(format!("{key} {value}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A context without iterations has no number of them.
    let mut props = props();
    props.insert("context".into(), "\"max:8\"".into());
    props.insert("variant".into(), "null".into());
    assert!(read(&props).unwrap_err().to_string().contains("`power_iterations` is 2"));
}
