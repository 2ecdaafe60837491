//! The programs `lrnnet-run` and `lrnnet-export`, for the scripts that the wheel installs.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Does what the program `lrnnet-run` does with these arguments, and gives its exit code.
#[pyfunction]
pub fn run_program(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| lrnnet_run::program(args))
}

/// Does what the program `lrnnet-export` does with these arguments, and gives its exit code.
#[pyfunction]
pub fn export_program(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| lrnnet_export::program(args))
}
