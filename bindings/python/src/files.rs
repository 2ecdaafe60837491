//! Picture files in, mask files out, for those who have no other library for them.

use std::path::{Path, PathBuf};

use lrnnet_graph::Color;
use lrnnet_run::mask::{self, MaskStyle};
use lrnnet_run::{ErrorKind, Size, picture};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::{argument, exception, of_kind, unknown};

/// A picture file, or what is in one.
#[derive(FromPyObject)]
pub enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

/// Decodes a PNG, JPEG or WebP file, or its bytes, as `lrnnet-run` does.
///
/// Gives uint8 `[height, width, 3]`, RGB, turned upright as EXIF says, without alpha.
#[pyfunction]
pub fn read_picture(py: Python<'_>, source: Source) -> PyResult<Bound<'_, PyArray3<u8>>> {
    let read = py.detach(|| match source {
        Source::Bytes(bytes) => picture::decode(&bytes),
        Source::Path(path) => picture::open(&path),
    });
    let picture = read.map_err(|error| exception(error.kind(), &error))?;
    let (width, height) = picture.dimensions();
    PyArray1::from_vec(py, picture.into_raw()).reshape([height as usize, width as usize, 3])
}

/// Writes a mask as the PNG file that `lrnnet-run` writes, whole or not at all.
pub fn write_mask(
    py: Python<'_>,
    mask: &PyReadonlyArray2<'_, u8>,
    path: &Path,
    style: &str,
    palette: &[Color],
) -> PyResult<()> {
    let style: MaskStyle = style.parse().map_err(|error| unknown(&error))?;
    let &[height, width] = mask.shape() else { unreachable!("an array of two axes has two extents") };
    let size = Size::new(height, width);
    let ids = mask.as_slice()?;
    if let Some(id) = ids.iter().find(|id| usize::from(**id) >= palette.len()) {
        let text = format!("the mask holds class id {id}, but the model has {} classes", palette.len());
        return Err(argument(text));
    }
    let write = || lrnnet_run::atomic::write(path, |file| mask::write_ids(size, ids, palette, style, file));
    py.detach(write).map_err(|error| unwritten(path, &error))
}

/// The exception for a file that cannot be written.
pub fn unwritten(path: &Path, error: &std::io::Error) -> PyErr {
    of_kind(ErrorKind::Output, format!("cannot write `{}`\ncaused by: {error}", path.display()))
}
