//! What can end the program, and with which exit code.

use lrnnet_export::triton::TritonError;
use lrnnet_export::weights::WeightsError;
use lrnnet_export::{CalibrationError, ChoiceError, ClassFileError, ErrorKind, ExportError, InspectError, with_causes};

use super::hints;

/// Why the program ends without success.
#[derive(Debug)]
pub enum Failure {
    /// A result could not be written.
    Output(anyhow::Error),
    /// What was asked for makes no sense, or weights or model are none.
    Usage(anyhow::Error),
    /// The runtime failed.
    Runtime(anyhow::Error),
}

impl Failure {
    /// Prints the error with its causes and gives the exit code.
    pub fn report(self) -> u8 {
        let (error, code) = match self {
            Self::Output(error) => (error, 1),
            Self::Usage(error) => (error, 2),
            Self::Runtime(error) => (error, 3),
        };
        eprintln!("error: {}", super::printable(&with_causes(&*error)));
        if let Some(hint) = error.chain().find_map(hints::against) {
            eprintln!("hint: {hint}");
        }
        code
    }
}

/// Errors of the library end the program as their sort says.
macro_rules! by_kind {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                match error.kind() {
                    ErrorKind::Run => Self::Runtime(error.into()),
                    ErrorKind::Output => Self::Output(error.into()),
                    _ => Self::Usage(error.into()),
                }
            }
        })+
    };
}

by_kind!(CalibrationError, WeightsError, ChoiceError, ClassFileError, ExportError, InspectError, TritonError);
