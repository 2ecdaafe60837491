//! `lrnnet-run`: pictures in, masks out.

use std::process::ExitCode;

/// tract makes and drops a tensor of megabytes for each node. The system's allocator hands such memory back each time,
/// and with two threads a sixth of a run goes to getting it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lrnnet_run::program(std::env::args_os()).into()
}
