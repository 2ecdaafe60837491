//! `lrnnet-run selftest`: does the file do here what it did at export?

use anyhow::{Context, anyhow};
use lrnnet_run::selftest::{self, SelfTestError, Verdict};
use lrnnet_run::{BuildError, engine};

use super::args::SelfTestArgs;
use super::failure::Failure;
use super::opening::{Volume, say_where};
use super::predict::to_stdout;

/// Runs the self-test of a file on a device.
pub fn run(args: &SelfTestArgs) -> Result<(), Failure> {
    let model = args.place.runtime.trust.open(&args.model).map_err(|error| Failure::Usage(error.into()))?;
    let notice = |text: &str| eprintln!("note: {text}");
    let options = args.place.runtime.options();
    let opened = engine::open(&model, args.place.device, &options, &notice).map_err(BuildError::from)?;
    say_where(opened.engine.description(), &opened.passed_over, Volume::Normal);
    let mut engine = opened.engine;
    let verdict = selftest::run(&model, engine.as_mut()).map_err(|error| match error {
        SelfTestError::Engine(error) => Failure::Device(error.into()),
        error => Failure::Usage(anyhow!(error).context(format!("cannot test {}", args.model.display()))),
    })?;
    let place = format!("{} on {}", args.model.display(), engine.description());
    let line = match verdict {
        Verdict::Equal => format!("passed: {place} gives the class map of the export, byte for byte"),
        Verdict::AtNearTies { near_ties, positions } => format!(
            "passed: {place} gives another class only among {near_ties} of {positions} positions, which were near ties at \
             export"
        ),
        Verdict::Different { near_ties, positions } => {
            return Err(Failure::Input(anyhow!(
                "{place} does not give the class map of the export, not even outside of the {near_ties} near ties among \
                 its {positions} positions. `lrnnet-run verify` shows where; try another device, or export the file \
                 again"
            )));
        }
    };
    to_stdout(format!("{line}\n").as_bytes()).context("cannot write to standard output").map_err(Failure::Output)
}
