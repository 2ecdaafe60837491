//! NumPy arrays as pictures in memory.

use lrnnet_run::{ErrorKind, Frame, PixelFormat, Size};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice};

use crate::error::{exception, of_kind};

/// The bytes of an array `[height, width, 3]`, borrowed from it wherever a [`Frame`] can be laid over them.
pub struct Picture<'py> {
    bytes: PyReadonlyArray1<'py, u8>,
    size: Size,
    format: PixelFormat,
    stride: usize,
}

impl<'py> Picture<'py> {
    /// Takes an array of any strides.
    pub fn of(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let array = checked(array)?;
        let &[height, width, _] = array.shape() else { unreachable!("an array of three axes has three extents") };
        let size = Size::new(height, width);
        if size.area() == 0 {
            return Err(of_kind(ErrorKind::Picture, "the picture has no pixels".to_owned()));
        }
        let lies = Lies::of(&array);
        let rgb = match lies {
            Some(Lies { format: PixelFormat::Bgr, .. }) => reversed(&array)?,
            Some(_) => array.into_any(),
            None => array.py().import("numpy")?.call_method1("ascontiguousarray", (&array,))?,
        };
        let Lies { format, stride } = lies.unwrap_or(Lies { format: PixelFormat::Rgb, stride: 3 * width });
        let bytes = flat(&rgb, (height - 1) * stride + 3 * width)?;
        Ok(Self { bytes, size, format, stride })
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The picture as the library takes it.
    pub fn frame(&self) -> PyResult<Frame<'_>> {
        let frame = Frame::with_stride(self.bytes.as_slice()?, self.size, self.format, self.stride);
        frame.map_err(|error| exception(error.kind(), &error))
    }
}

/// How pixels lie in memory, where rows of whole pixels follow each other from top to bottom.
#[derive(Clone, Copy)]
struct Lies {
    format: PixelFormat,
    stride: usize,
}

impl Lies {
    /// `None` where a copy must bring the bytes into order.
    fn of(array: &Bound<'_, PyArray3<u8>>) -> Option<Self> {
        let (&[height, width, _], &[row, pixel, channel]) = (array.shape(), array.strides()) else { return None };
        // The stride of an axis of one entry says nothing.
        let together = pixel == 3 || width == 1;
        let format = match channel {
            1 if together => PixelFormat::Rgb,
            // What `bgr[:, :, ::-1]` gives.
            -1 if together => PixelFormat::Bgr,
            _ => return None,
        };
        let stride = if height == 1 { 3 * width } else { usize::try_from(row).ok()? };
        (stride >= 3 * width).then_some(Self { format, stride })
    }
}

fn checked<'py>(array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray3<u8>>> {
    const EXPECTED: &str = "expected a uint8 array of shape [height, width, 3], RGB";
    let Ok(untyped) = array.cast::<PyUntypedArray>() else {
        return Err(PyTypeError::new_err(format!("{EXPECTED}; found {}", array.get_type().name()?)));
    };
    let picture = array.cast::<PyArray3<u8>>().ok().filter(|picture| picture.shape()[2] == 3);
    picture.cloned().ok_or_else(|| {
        let found = format!("{EXPECTED}; found {} of shape {:?}", untyped.dtype(), untyped.shape());
        of_kind(ErrorKind::Picture, found)
    })
}

/// `array[:, :, ::-1]`
fn reversed<'py>(array: &Bound<'py, PyArray3<u8>>) -> PyResult<Bound<'py, PyAny>> {
    let all = || PySlice::full(array.py());
    array.get_item((all(), all(), array.py().get_type::<PySlice>().call1((array.py().None(), array.py().None(), -1))?))
}

/// The `length` bytes that begin with the first one of `array`, which lie in it or between its rows.
fn flat<'py>(array: &Bound<'py, PyAny>, length: usize) -> PyResult<PyReadonlyArray1<'py, u8>> {
    let tricks = array.py().import("numpy.lib.stride_tricks")?;
    let options = PyDict::new(array.py());
    options.set_item("shape", (length,))?;
    options.set_item("strides", (1,))?;
    options.set_item("writeable", false)?;
    let bytes = tricks.call_method("as_strided", (array,), Some(&options))?;
    Ok(bytes.cast_into::<PyArray1<u8>>()?.try_readonly()?)
}
