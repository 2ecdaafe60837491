//! The command line: what was typed, what it means, and what is said.

mod args;
mod convert;
mod failure;
mod hints;
mod list;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use lrnnet_export::weights::read_weights;
use serde::Serialize;

/// The program `lrnnet-export`: does what `args` ask for, of which the first is the name that it was called by, and gives its
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
