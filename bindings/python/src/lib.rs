//! The Python package `lrnnet`: what `lrnnet-run` and `lrnnet-export` do, for NumPy arrays and state dicts.
//!
//! Nothing is computed here. Each function brings Python's values to the libraries, calls them without the interpreter's
//! lock, and brings back what they give; `python/lrnnet/__init__.pyi` is what Python sees.

mod error;
mod export;
mod files;
mod log;
mod picture;
mod programs;
mod segmenter;
mod state_dict;

/// `lrnnet._native`
#[pyo3::pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::error::{
        ArgumentError, ClassesError, DeviceError, Error, ModelError, OutputError, PictureError, RunError,
        VerificationError, WeightsError,
    };
    #[pymodule_export]
    use crate::export::{Exported, export};
    #[pymodule_export]
    use crate::files::read_picture;
    #[pymodule_export]
    use crate::programs::{export_program, run_program};
    #[pymodule_export]
    use crate::segmenter::Segmenter;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
