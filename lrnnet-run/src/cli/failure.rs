//! What can end the program, and with which exit code.

use std::error::Error;

use lrnnet_run::{BuildError, ErrorKind, with_causes};

use super::hints::hint;

/// Why the program ends without success.
#[derive(Debug)]
pub enum Failure {
    /// Some inputs failed; each was reported when it did.
    Inputs,
    /// Ctrl-C; what was done is complete.
    Interrupted,
    /// An input without which there is no result.
    Input(anyhow::Error),
    /// A result could not be written.
    Output(anyhow::Error),
    /// What was asked for makes no sense, or the model is none.
    Usage(anyhow::Error),
    /// The device or its library does not work.
    Device(anyhow::Error),
}

impl Failure {
    /// Prints the error with its causes and gives the exit code.
    pub fn report(self) -> u8 {
        let (error, code) = match self {
            Self::Inputs => (None, 1),
            Self::Interrupted => (None, 130),
            Self::Input(error) | Self::Output(error) => (Some(error), 1),
            Self::Usage(error) => (Some(error), 2),
            Self::Device(error) => (Some(error), 3),
        };
        if let Some(error) = error {
            eprint!("{}", describe(&error));
        }
        code
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error.kind() {
            ErrorKind::Argument | ErrorKind::Model => Self::Usage(error.into()),
            _ => Self::Device(error.into()),
        }
    }
}

/// `error: ...` with its causes and a hint, in lines.
pub fn describe(error: &anyhow::Error) -> String {
    format!("error: {}\n", explained(&**error))
}

/// The error, its causes, and what to type to mend it.
pub fn explained(error: &(dyn Error + 'static)) -> String {
    let said = with_causes(error);
    hint(error).map_or_else(|| said.clone(), |hint| format!("{said}\nhint: {hint}"))
}
