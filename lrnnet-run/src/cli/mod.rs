//! The command line: what was typed, what it means, and what is said.

mod args;
mod bench;
mod doctor;
mod drawing;
mod eval;
mod failure;
mod hints;
mod labelled;
mod opening;
mod predict;
mod report;
mod selftest;
mod setup;
mod sources;
mod stream;
mod verify;

use std::ffi::OsString;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;

/// The program `lrnnet-run`: does what `args` ask for, of which the first is the name that it was called by, and gives its
/// exit code.
pub fn program(args: impl IntoIterator<Item = OsString>) -> u8 {
    match Args::try_parse_from(args) {
        Ok(args) => run(args).map_or_else(Failure::report, |()| 0),
        Err(error) => {
            // Help that nobody reads is no failure.
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(2)
        }
    }
}

/// Does what `args` ask for.
fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Some(Command::Doctor(doctor)) => doctor::run(&doctor),
        Some(Command::Setup(setup)) => setup::run(&setup),
        Some(Command::Eval(eval)) => eval::run(&eval),
        Some(Command::Selftest(selftest)) => selftest::run(&selftest),
        Some(Command::Verify(verify)) => verify::run(&verify),
        Some(Command::Bench(bench)) => bench::run(&bench),
        None => predict::run(&args.predict),
    }
}
