//! `doctor`: what was looked for, what was found, what works, what would fix the rest.

use anyhow::Context;
use lrnnet_run::engine::library::{self, Candidate, LibraryError};
use lrnnet_run::engine::{self, BACKENDS, EngineError, EngineOptions};
use lrnnet_run::{DeviceChoice, Model};

use super::args::DoctorArgs;
use super::failure::{Failure, explained};
use super::hints;
use super::predict::to_stdout;

/// Looks at everything and prints what it finds.
pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let model = match &args.model {
        Some(path) => args.trust.open(path),
        None => Model::builtin(),
    };
    let model = model.map_err(|error| Failure::Usage(error.into()))?;
    let candidates = library::survey(args.ort_lib.as_deref());
    let options = EngineOptions { library: args.ort_lib.clone(), ..EngineOptions::default() };
    let text = format!(
        "lrnnet-run {}\n\n{}\n{}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        describe_model(&model),
        describe_libraries(&candidates),
        describe_devices(&model, &options)
    );
    to_stdout(text.as_bytes()).context("cannot write to standard output").map_err(Failure::Output)?;
    // A library that was named on purpose and does not do is a failure; a machine without one is not.
    match library::find(args.ort_lib.as_deref()) {
        Err(error @ LibraryError::Named(_)) => Err(Failure::Device(error.into())),
        _ => Ok(()),
    }
}

fn describe_model(model: &Model) -> String {
    let metadata = model.metadata();
    let size = model.fixed_size().map_or_else(|| "any size".to_owned(), |size| size.to_string());
    format!(
        "model: {}, {} classes, input {} {size}, head {}, {} {}\n  weights {}\n",
        model.name(),
        model.classes(),
        metadata.input,
        metadata.head,
        metadata.form,
        metadata.precision,
        metadata.weights_sha256
    )
}

fn describe_libraries(candidates: &[Candidate]) -> String {
    let mut used = false;
    let mut text = "ONNX Runtime's library, the first that fits is used:\n".to_owned();
    for candidate in candidates {
        let mark = if candidate.found.is_ok() && !used { "*" } else { " " };
        used |= candidate.found.is_ok();
        text += &format!("{mark} {candidate}\n");
    }
    if !used {
        text += &format!("  fix: {}\n", hints::GET_LIBRARY);
    }
    text
}

fn describe_devices(model: &Model, options: &EngineOptions) -> String {
    let mut text = "devices:\n".to_owned();
    for row in BACKENDS {
        let notice = |text: &str| eprintln!("note: {text}");
        text += &match engine::open(model, row.device, options, &notice) {
            Ok(opened) => format!("  {}: works ({})\n", row.device, opened.engine.description()),
            Err(error) => format!("  {}: does not work: {}\n{}", row.device, row.about, indent(&reason(error))),
        };
    }
    let auto = engine::open(model, DeviceChoice::Auto, options, &|_| ());
    text + &auto.map_or_else(|_| "  auto: nothing works".to_owned(), |opened| format!("  auto: uses {}", opened.device))
}

/// Message and causes. That no library was found stands above, so it is not listed again for each device.
fn reason(error: EngineError) -> String {
    match error {
        EngineError::Library(LibraryError::NotFound(_)) => "ONNX Runtime was not found".to_owned(),
        error => explained(&error),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
