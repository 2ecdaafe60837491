//! The command line: what was typed, what it means, and what is said.

mod args;
mod convert;
mod failure;
mod hints;
mod list;

use std::io::{self, Write};
use std::path::Path;

pub use args::Args;
use args::Command;
use failure::Failure;
use lrnnet_export::weights::read_weights;
use serde::Serialize;

/// Does what `args` ask for.
pub fn run(args: Args) -> Result<(), Failure> {
    match (args.command, args.convert) {
        (Some(Command::Inspect { model, json }), _) => inspect(&model, json),
        (Some(Command::List { weights, json }), _) => {
            let listing = list::Listing::of(&read_weights(&weights)?);
            say(if json { to_json(&listing) } else { printable(&listing.to_string()) })
        }
        (None, Some(convert)) => convert::run(convert),
        (None, None) => unreachable!("clap demands WEIGHTS and -o where there is no subcommand"),
    }
}

fn inspect(model: &Path, json: bool) -> Result<(), Failure> {
    let inspection = lrnnet_export::inspect(model)?;
    say(if json { to_json(&inspection) } else { printable(&inspection.to_string()) })
}

/// `text` without control characters, since names in a file could hold those of a terminal.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

fn to_json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain structs of strings and numbers serialise");
    text.push('\n');
    text
}

/// Prints a result. A reader that has seen enough (`| head`) is no failure.
fn say(text: String) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Output(anyhow::Error::new(error).context("cannot write to standard output")))
        }
        _ => Ok(()),
    }
}
