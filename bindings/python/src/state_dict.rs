//! A PyTorch state dict, or a mapping of NumPy arrays, as weights. PyTorch itself is not imported.

use std::path::PathBuf;

use lrnnet_export::weights::{TensorBytes, WeightFile, read_weights, weights_in_memory};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyMapping, PyString};

use crate::error::exception;

/// Reads the weight file at a path, or takes the tensors of a mapping.
pub fn weights(source: &Bound<'_, PyAny>) -> PyResult<WeightFile> {
    let read = if let Ok(tensors) = source.cast::<PyMapping>() {
        let tensors = tensors.items()?.iter().map(|item| Taken::of(&item)).collect::<PyResult<Vec<_>>>()?;
        let tensors: Vec<_> = tensors.iter().map(Taken::as_bytes).collect();
        source.py().detach(|| weights_in_memory("the state dict", &tensors))
    } else {
        let path: PathBuf = source.extract().map_err(|_| {
            PyTypeError::new_err("expected a state dict (a mapping of names to tensors), or the path of a weight file")
        })?;
        source.py().detach(|| read_weights(&path))
    };
    read.map_err(|error| exception(error.kind(), &error))
}

/// A tensor of a mapping.
struct Taken {
    name: String,
    value_type: String,
    shape: Vec<usize>,
    bytes: PyBackedBytes,
}

impl Taken {
    fn of(item: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let Ok(name) = name.cast::<PyString>().map(ToString::to_string) else {
            return Err(PyTypeError::new_err(format!("the state dict has the key {name}; expected names of tensors")));
        };
        if value.cast::<PyMapping>().is_ok() {
            let text = format!("`{name}` holds a mapping, not a tensor; if it is the state dict, pass that alone");
            return Err(PyTypeError::new_err(text));
        }
        let array = array(&value)?;
        let dtype = array.getattr("dtype")?;
        let little = dtype.call_method1("newbyteorder", ("<",))?;
        let bytes = array.call_method1("astype", (little,))?.call_method0("tobytes")?;
        Ok(Self {
            name,
            value_type: dtype.getattr("name")?.extract()?,
            shape: array.getattr("shape")?.extract()?,
            bytes: bytes.extract()?,
        })
    }

    fn as_bytes(&self) -> TensorBytes<'_> {
        let (name, shape) = (self.name.as_str(), self.shape.clone());
        TensorBytes { name, value_type: self.value_type.as_str().into(), shape, bytes: &self.bytes }
    }
}

/// A tensor as a NumPy array: PyTorch's own way there, or NumPy's.
fn array<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !value.hasattr("detach")? {
        return value.py().import("numpy")?.call_method1("asarray", (value,));
    }
    let tensor = value.call_method0("detach")?.call_method0("cpu")?;
    // NumPy has no such type; each of its values is one of float32.
    let is_bfloat16 = tensor.getattr("dtype")?.str()?.to_string_lossy().ends_with("bfloat16");
    let tensor = if is_bfloat16 { tensor.call_method0("float")? } else { tensor };
    tensor.call_method0("numpy")
}
