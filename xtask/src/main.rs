//! The project's own tasks, run as `cargo xtask TASK`.

mod c_library;
mod model;
mod shell;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask TASK

  test [CARGO TEST ARGS]        fetch what the tests need, then run all of them
  model WEIGHTS CALIBRATION [--data DIR]
                                make WEIGHTS the model that is shipped: export in float32 and, calibrated on the
                                pictures in the folder CALIBRATION, in int8; verify, draw the pictures of the README,
                                and with --data (folders images/ and labels/) evaluate and update the card
  install-c PREFIX [--debug]    build the C library and put it, its header and its pkg-config file under PREFIX;
                                --debug takes the build that the tests have";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test", ref rest @ ..] => test(rest),
        ["model", weights, calibration] => model::ship(weights.as_ref(), calibration.as_ref(), None),
        ["model", weights, calibration, "--data", data] => {
            model::ship(weights.as_ref(), calibration.as_ref(), Some(data.as_ref()))
        }
        ["install-c", prefix] if !prefix.starts_with('-') => c_library::install(prefix.as_ref(), false),
        ["install-c", prefix, "--debug"] => c_library::install(prefix.as_ref(), true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The tests compare tract with ONNX Runtime, whose library `lrnnet-run setup` puts where they look for it. The program
/// is the one that the tests build, so that nothing is compiled twice.
fn test(args: &[&str]) -> anyhow::Result<()> {
    shell::cargo(&[&["test", "--workspace", "--no-run"], args].concat())?;
    shell::program("lrnnet-run", &["setup"])?;
    shell::cargo(&[&["test", "--workspace"], args].concat())
}
