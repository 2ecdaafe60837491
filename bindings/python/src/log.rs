//! What programs say on standard error goes to the logger `lrnnet` here.

use pyo3::prelude::*;

/// Says what was assumed or takes long; shown unless logging is configured otherwise.
pub fn warning(py: Python<'_>, text: &str) -> PyResult<()> {
    say(py, "warning", text)
}

/// Says what is as usual.
pub fn info(py: Python<'_>, text: &str) -> PyResult<()> {
    say(py, "info", text)
}

fn say(py: Python<'_>, level: &str, text: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("lrnnet",))?;
    logger.call_method1(level, ("%s", text))?;
    Ok(())
}
