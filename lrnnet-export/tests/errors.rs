//! Errors of the library have a sort, and leave the words of programs to programs.

use std::error::Error;
use std::fs;
use std::path::Path;

use lrnnet_export::weights::{WeightFile, read_weights};
use lrnnet_export::{Choices, Clues, ErrorKind, Plan, export, inspect, read_classes};
use lrnnet_graph::{Block, Classes, Config, Context, Normalization, Precision, Settings};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn trained() -> WeightFile {
    read_weights(&repository("models/lrnnet-c-camvid.safetensors")).unwrap()
}

/// The error with its causes.
fn text(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_error_has_its_sort_and_speaks_of_no_flag() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "no weights").unwrap();
    let settle = |choices: Choices| {
        let silent = Clues { class_count: Some(5), has_context: true, ..Clues::default() };
        let error = choices.settle(&silent).unwrap_err();
        (text(&error), error.kind())
    };
    let classes = Some(Classes::named((0..5).map(|i| i.to_string()).collect()));
    let other_network = Config::new(Settings { block: Block::SsNbt, ..Settings::camvid() }).unwrap();
    let fails = |plan: &Plan| {
        let error = export(trained(), plan).unwrap_err();
        (text(&error), error.kind())
    };
    let plan = Plan::new(other_network);

    let mut cases = vec![
        ("no names", settle(Choices::default()), ErrorKind::Argument),
        (
            "other names",
            settle(Choices { classes: Some(Classes::camvid()), ..Choices::default() }),
            ErrorKind::Argument,
        ),
        (
            "iterations of nothing",
            settle(Choices { context: Some(Context::None), power_iterations: Some(3), ..Choices::default() }),
            ErrorKind::Argument,
        ),
        (
            "no statistics",
            settle(Choices {
                classes,
                normalization: Some(Normalization { mean: [128.0; 3], std: [64.0; 3] }),
                ..Choices::default()
            }),
            ErrorKind::Argument,
        ),
        ("weights of another network", fails(&plan), ErrorKind::Weights),
        ("the same in float16", fails(&Plan { precision: Precision::Fp16, ..plan }), ErrorKind::Weights),
    ];
    for name in ["text", "missing", ""] {
        let error = read_weights(&path(name)).unwrap_err();
        cases.push(("no weights", (text(&error), error.kind()), ErrorKind::Weights));
        let error = inspect(&path(name)).unwrap_err();
        cases.push(("no model", (text(&error), error.kind()), ErrorKind::Model));
    }
    let error = read_classes(&path("missing")).unwrap_err();
    cases.push(("no class file", (text(&error), error.kind()), ErrorKind::Classes));

    let wrong = cases.iter().filter(|(_, (said, kind), expected)| kind != expected || said.contains("--"));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
