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

pub use args::Args;
use args::Command;
use failure::Failure;

/// Does what `args` ask for.
pub fn run(args: Args) -> Result<(), Failure> {
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
