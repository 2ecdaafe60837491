//! `lrnnet-run`: pictures in, masks out.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// tract makes and drops a tensor of megabytes for each node. The system's allocator hands such memory back each time,
/// and with two threads a sixth of a run goes to getting it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
