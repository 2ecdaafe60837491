//! The shipped model is what this code makes of the shipped weights.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;

use lrnnet_export::weights::read_weights;
use lrnnet_export::{Choices, Clues, Plan, export};
use lrnnet_graph::InputKind;
use lrnnet_graph::onnx::ModelFile;

/// Everything but the metadata, which holds a record of the run at export. A file that was read is written back to the
/// same bytes, so equal messages are equal bytes.
#[test]
fn the_shipped_graph_is_made_of_the_shipped_weights_to_the_bit() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let weights = read_weights(&models.join("lrnnet-c-camvid.safetensors")).unwrap();
    let choices = Choices { input: InputKind::U8Nhwc, ..Choices::default() };
    let plan = Plan { verify: false, ..Plan::new(choices.settle(&Clues::of(&weights)).unwrap().config) };
    let made = export(weights, &plan).unwrap().bytes;
    let shipped = fs::read(models.join("lrnnet-c-camvid.onnx")).unwrap();
    let [made, shipped] = [made, shipped].map(|bytes| {
        let mut proto = ModelFile::parse(&bytes).unwrap().proto().clone();
        proto.metadata_props.clear();
        proto
    });
    assert!(made == shipped, "run `cargo xtask model models/lrnnet-c-camvid.safetensors`");
}
