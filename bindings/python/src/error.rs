//! An exception for each kind of error.

use lrnnet_graph::{ErrorKind, with_causes};
use lrnnet_run::BuildError;
use lrnnet_run::engine::EngineError;
use lrnnet_run::engine::library::LibraryError;
use pyo3::exceptions::PyException;
use pyo3::{PyErr, create_exception};

create_exception!(lrnnet, Error, PyException, "The base of all errors of this package.");
create_exception!(lrnnet, ArgumentError, Error, "What was asked for makes no sense or does not fit the model.");
create_exception!(lrnnet, WeightsError, Error, "The weights cannot be read, are none, or do not fit the network.");
create_exception!(lrnnet, ClassesError, Error, "The file of class names cannot be read or is none.");
create_exception!(lrnnet, ModelError, Error, "The model file cannot be read, is none, or cannot be fed.");
create_exception!(lrnnet, PictureError, Error, "An array or file is no picture, or too large a one.");
create_exception!(lrnnet, VerificationError, Error, "The exported model computes something else than its plain form.");
create_exception!(lrnnet, DeviceError, Error, "The device or the library of its runtime does not work here.");
create_exception!(lrnnet, RunError, Error, "The network ran and failed.");
create_exception!(lrnnet, OutputError, Error, "What was made cannot be written.");

const GET_LIBRARY: &str = "install it with `python -m pip install onnxruntime` (onnxruntime-gpu for CUDA), or name a \
                           library with `library=`";

/// The exception of `kind` that says `text`.
pub fn of_kind(kind: ErrorKind, text: String) -> PyErr {
    match kind {
        ErrorKind::Argument => ArgumentError::new_err(text),
        ErrorKind::Weights => WeightsError::new_err(text),
        ErrorKind::Classes => ClassesError::new_err(text),
        ErrorKind::Model => ModelError::new_err(text),
        ErrorKind::Picture => PictureError::new_err(text),
        ErrorKind::Verification => VerificationError::new_err(text),
        ErrorKind::Device => DeviceError::new_err(text),
        ErrorKind::Run => RunError::new_err(text),
        ErrorKind::Output => OutputError::new_err(text),
        _ => Error::new_err(text),
    }
}

/// The exception for arguments that make no sense.
pub fn argument(text: impl Into<String>) -> PyErr {
    of_kind(ErrorKind::Argument, text.into())
}

/// The exception for a word that is none of those expected.
pub fn unknown(error: &(dyn std::error::Error + 'static)) -> PyErr {
    exception(ErrorKind::Argument, error)
}

/// The exception for an error of the libraries, with its causes.
pub fn exception(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> PyErr {
    of_kind(kind, with_causes(error))
}

/// The exception for a segmenter that cannot be built, with what to type where ONNX Runtime is missing.
pub fn of_building(error: &BuildError) -> PyErr {
    let hint = match error {
        BuildError::Engine(EngineError::Library(LibraryError::NotFound(_))) => format!("\nhint: {GET_LIBRARY}"),
        _ => String::new(),
    };
    of_kind(error.kind(), with_causes(error) + &hint)
}
