//! Calibration and export of int8, on generated pictures.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use lrnnet_export::weights::{WeightFile, read_weights};
use lrnnet_export::{
    Calibrated, CalibrationError, Choices, Clues, ErrorKind, Note, Plan, Samples, SizeChoice, calibrate, export,
};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{Form, InputKind, Precision, SelfTest, synthetic};
use lrnnet_run::engine::{self, EngineOptions};
use lrnnet_run::selftest::{self, Verdict};
use lrnnet_run::{Device, Model};
use tempfile::TempDir;

fn weights() -> WeightFile {
    read_weights(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/lrnnet-c-camvid.safetensors")).unwrap()
}

fn plan(input: InputKind) -> Plan {
    let choices = Choices { size: Some(SizeChoice::Fixed([96, 128])), input, ..Choices::default() };
    let config = choices.settle(&Clues::of(&weights())).unwrap().config;
    Plan { form: Form::DENSE, precision: Precision::Int8, ..Plan::new(config) }
}

/// Cuts of the generated street, which differ in size, place and light.
fn pictures(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let street = RgbImage::from_raw(256, 192, synthetic::picture(192, 256)).unwrap();
    for i in 0..count as u32 {
        let mut cut = image::imageops::crop_imm(&street, 8 * i, 4 * i, 200 - 8 * i, 150 - 6 * i).to_image();
        cut.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|v| (u32::from(v) * (16 + i) / 24) as u8));
        cut.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    folder
}

fn measure(plan: &Plan, folder: &Path) -> Result<Calibrated, CalibrationError> {
    calibrate(&weights(), plan, &Samples::of(folder, Samples::DEFAULT)?, &mut |_| ())
}

#[test]
fn a_calibrated_file_proves_itself_and_is_the_same_every_time() {
    let folder = pictures(9);
    for input in [InputKind::U8Nhwc, InputKind::F32Nchw] {
        let make = || {
            let mut plan = plan(input);
            let mut done = vec![];
            let samples = Samples::of(folder.path(), 8).unwrap();
            let found = calibrate(&weights(), &plan, &samples, &mut |count| done.push(count)).unwrap();
            assert_eq!((found.notes, done), (vec![], (1..=8).collect::<Vec<_>>()));
            plan.ranges = found.ranges;
            export(weights(), &plan).unwrap()
        };
        let exported = make();
        assert!(exported.bytes == make().bytes, "{input}: two exports differ");
        assert!(exported.bytes.len() < 900_000 + 10_000, "{input}: {} bytes", exported.bytes.len());
        let found = exported.verification.unwrap();
        assert!(found.logits.largest > 0.0, "{input}: nothing was rounded");

        let model = Model::from_bytes("exported", exported.bytes).unwrap();
        assert_eq!(model.metadata().precision, Precision::Int8);
        assert!(matches!(model.metadata().selftest, Some(SelfTest::Known(_))), "{input}: no self-test");
        let mut opened = engine::open(&model, Device::TRACT, &EngineOptions::default(), &|_| ()).unwrap();
        assert_eq!(selftest::run(&model, opened.engine.as_mut()).unwrap(), Verdict::Equal, "{input}");
    }
}

#[test]
fn ranges_are_those_of_all_pictures() {
    let (folder, plan) = (pictures(4), plan(InputKind::U8Nhwc));
    let all = measure(&plan, folder.path()).unwrap();
    assert_eq!(all.notes, [Note::CalibrationFew { different: 4, wanted: 8 }]);
    let mut widened = 0;
    for i in 0..4 {
        let one = TempDir::new().unwrap();
        std::fs::copy(folder.path().join(format!("{i}.png")), one.path().join("one.png")).unwrap();
        for (name, [low, high]) in measure(&plan, one.path()).unwrap().ranges {
            let [least, most] = all.ranges[&name];
            assert!(least <= low && high <= most, "{name}: {low} to {high} beyond {least} to {most}");
            widened += usize::from(least < low || high < most);
        }
    }
    assert!(widened > 100, "of 4 pictures, each would do");
    let relu = all.ranges["encoder.1.relu"];
    assert!(relu[0] >= 0.0 && relu[1] > 1.0, "{relu:?}");
}

#[test]
fn what_cannot_be_calibrated_is_named() {
    let plan = plan(InputKind::U8Nhwc);
    let folder = pictures(2);
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::write(path("broken.png"), "no picture").unwrap();
    let error = measure(&plan, folder.path()).unwrap_err();
    assert!(matches!(&error, CalibrationError::Picture { path, .. } if path.ends_with("broken.png")), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Argument);
    std::fs::remove_file(path("broken.png")).unwrap();

    // Nothing of a form or an opset that cannot be depends on pictures.
    let wrong = [
        (Plan { form: Form::PLAIN, ..plan.clone() }, "another form than `plain`"),
        (Plan { opset: Opset::new(12).unwrap(), ..plan.clone() }, "int8 needs opset 13 or later"),
    ];
    for (wrong, expected) in wrong {
        let error = measure(&wrong, folder.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = export(weights(), &plan).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("is not known; calibrate the model"), "{source}");

    let flat = TempDir::new().unwrap();
    for i in 0..3 {
        RgbImage::from_pixel(8, 8, Rgb([i; 3])).save(flat.path().join(format!("{i}.png"))).unwrap();
    }
    let error = measure(&plan, flat.path()).unwrap_err();
    assert_eq!(error.to_string().split(" show").next(), Some("3 calibration pictures"), "{error}");
}

#[test]
fn ranges_that_cut_off_too_much_do_not_pass_verification() {
    let mut plan = plan(InputKind::U8Nhwc);
    let mut ranges = measure(&plan, pictures(4).path()).unwrap().ranges;
    ranges.values_mut().for_each(|range| *range = range.map(|end| end / 8.0));
    plan.ranges = ranges;
    assert_eq!(export(weights(), &plan).unwrap_err().kind(), ErrorKind::Verification);
}

#[test]
fn files_have_bytes_where_they_say_int8() {
    let mut plan = Plan { verify: false, ..plan(InputKind::U8Nhwc) };
    plan.ranges = measure(&plan, pictures(2).path()).unwrap().ranges;
    // The default, and the oldest that has scales by channel.
    for opset in [Opset::default(), Opset::FOR_INT8] {
        let exported = export(weights(), &Plan { opset, ..plan.clone() }).unwrap();
        let proto = ModelFile::parse(&exported.bytes).unwrap().proto().clone();
        let count = |op: &str| proto.graph.as_ref().unwrap().node.iter().filter(|node| node.op_type() == op).count();
        // The blocks' sums and convolutions, and the classifier's first; what they read is bytes.
        assert!(count("QuantizeLinear") > 90, "{opset:?}: {}", count("QuantizeLinear"));
        assert_eq!(count("Relu"), 0, "{opset:?}");
    }
}
