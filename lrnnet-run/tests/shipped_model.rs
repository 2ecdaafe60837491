//! The files in `models/` belong together, and the model in the program is one of them.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;

use lrnnet_graph::{Form, Precision};
use lrnnet_run::engine::{self, BACKENDS, EngineOptions};
use lrnnet_run::selftest::{self, Verdict};
use lrnnet_run::{Device, Model, Output};
use sha2::{Digest, Sha256};

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn hashes_are_those_of_the_files() {
    let sums = String::from_utf8(read("SHA256SUMS")).unwrap();
    let lines: Vec<_> = sums.lines().filter_map(|line| line.split_once("  ")).collect();
    assert_eq!(lines.len(), 4, "{sums}");
    for (sum, name) in lines {
        assert_eq!(sum, sha256(&read(name)), "{name}: run `cargo xtask model`");
    }
}

/// The self-test of `model` passes on tract and on ONNX Runtime.
fn does_what_it_did_at_export(model: &Model) {
    for device in [Device::TRACT, Device::CPU] {
        let options = EngineOptions::default();
        let mut opened = engine::open(model, device, &options, &|_| ())
            .unwrap_or_else(|e| panic!("{device}: {e:?}\nrun `cargo xtask test`"));
        let verdict = selftest::run(model, opened.engine.as_mut()).unwrap();
        let passes = matches!(verdict, Verdict::Equal | Verdict::AtNearTies { .. });
        assert!(passes, "{} on {device}: {verdict:?}", model.name());
    }
}

#[test]
fn the_builtin_models_are_made_of_the_weights_and_do_what_they_did_at_export() {
    for precision in [Precision::Fp32, Precision::Int8] {
        let model = Model::builtin_in(precision).unwrap();
        assert_eq!(model.metadata().precision, precision);
        assert_eq!(model.metadata().weights_sha256, sha256(&read("lrnnet-c-camvid.safetensors")), "{precision}");
        does_what_it_did_at_export(&model);
    }
    let error = Model::builtin_in(Precision::Fp16).unwrap_err();
    assert!(error.problem().to_string().contains("no model of its own in fp16"), "{error:?}");
}

#[test]
fn each_device_is_given_the_builtin_model_in_the_form_that_suits_it() {
    let builtin = Model::builtin().unwrap();
    let blocked = Model::from_bytes("blocked", read("lrnnet-c-camvid-blocked.onnx")).unwrap();
    assert_eq!(blocked.metadata().weights_sha256, builtin.metadata().weights_sha256);
    does_what_it_did_at_export(&blocked);
    for row in BACKENDS {
        let form = if row.keeps_blocks { Form::BLOCKED } else { Form::DEPLOY };
        let output = if row.finishes_here { Output::Logits8 } else { Output::ClassMap };
        let runs = builtin.as_run_by(row);
        assert_eq!((runs.metadata().form.as_str(), runs.outputs()), (form.name(), &[output][..]), "{}", row.word);
        // A file of the user's stays in its form.
        let own = Model::from_bytes("own", read("lrnnet-c-camvid.onnx")).unwrap();
        assert_eq!(own.as_run_by(row).metadata().form.as_str(), Form::DEPLOY.name(), "{}", row.word);
    }
}
