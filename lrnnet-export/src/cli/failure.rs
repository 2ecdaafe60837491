//! What can end the program, with which exit code, and which flags help.

use std::error::Error;
use std::process::ExitCode;

use lrnnet_export::weights::WeightsError;
use lrnnet_export::{ChoiceError, ClassFileError, ExportError, InspectError, ModelError, VerifyError};
use lrnnet_graph::Precision;

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
    pub fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Output(error) => (error, 1),
            Self::Usage(error) => (error, 2),
            Self::Runtime(error) => (error, 3),
        };
        eprintln!("error: {}", super::printable(&error.to_string()));
        for cause in error.chain().skip(1) {
            eprintln!("caused by: {}", super::printable(&cause.to_string()));
        }
        if let Some(hint) = error.chain().find_map(hint) {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(code)
    }
}

/// The flags that help against an error of the library, which knows nothing of flags.
fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    Some(match error.downcast_ref()? {
        VerifyError::Disagreement { precision: Precision::Fp16, .. } => "export it without --half",
        VerifyError::Disagreement { .. } => "please report this; --no-verify writes the file anyway",
        _ => return None,
    })
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Verify(VerifyError::Engine { .. }) => Self::Runtime(error.into()),
            ExportError::Model { source: ModelError::Half(_), .. } => Self::Usage(
                anyhow::Error::from(error).context("these weights cannot be stored in float16; export without --half"),
            ),
            _ => Self::Usage(error.into()),
        }
    }
}

/// Errors that are about what was typed or given.
macro_rules! usage {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Usage(error.into())
            }
        })+
    };
}

usage!(WeightsError, ChoiceError, ClassFileError, InspectError);
