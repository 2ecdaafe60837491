//! A picture in somebody else's memory.

use image::RgbImage;

use crate::ErrorKind;
use crate::size::Size;

/// Order and number of a pixel's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV has it.
    Bgr,
    /// Red, green, blue, alpha; alpha is not looked at.
    Rgba,
}

impl PixelFormat {
    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba => 4,
        }
    }

    /// Where red, green and blue lie in a pixel.
    pub(crate) const fn rgb(self) -> [usize; 3] {
        match self {
            Self::Rgb | Self::Rgba => [0, 1, 2],
            Self::Bgr => [2, 1, 0],
        }
    }
}

/// A picture of 8-bit pixels in borrowed memory, row by row; nothing is copied to make one.
///
/// ```
/// use lrnnet_run::{Frame, PixelFormat, Size};
///
/// // Two rows of three BGR pixels, each row padded to 12 bytes, as a camera may deliver them.
/// let bytes = [0u8; 24];
/// let frame = Frame::new(&bytes, Size::new(2, 3), PixelFormat::Bgr)?; // rows without padding
/// let padded = Frame::with_stride(&bytes, Size::new(2, 3), PixelFormat::Bgr, 12)?;
/// assert_eq!((frame.stride(), padded.stride()), (9, 12));
/// # Ok::<(), lrnnet_run::FrameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    size: Size,
    format: PixelFormat,
    stride: usize,
}

impl<'a> Frame<'a> {
    /// Bytes `[height, width, bytes of a pixel]` without padding. Bytes behind the last pixel are left alone.
    ///
    /// # Errors
    ///
    /// As for [`with_stride`](Self::with_stride).
    pub fn new(bytes: &'a [u8], size: Size, format: PixelFormat) -> Result<Self, FrameError> {
        Self::with_stride(bytes, size, format, size.width.saturating_mul(format.bytes()))
    }

    /// The same with `stride` bytes from the beginning of a row to that of the next.
    ///
    /// # Errors
    ///
    /// A picture without pixels, rows that overlap, or too few bytes.
    pub fn with_stride(bytes: &'a [u8], size: Size, format: PixelFormat, stride: usize) -> Result<Self, FrameError> {
        let needed = Self::bytes_needed(size, format, stride)?;
        if bytes.len() < needed {
            return Err(FrameError::TooShort { found: bytes.len(), needed, size });
        }
        Ok(Self { bytes, size, format, stride })
    }

    /// Bytes from the first of the first pixel to the last of the last: no padding follows the last row.
    ///
    /// # Errors
    ///
    /// A picture without pixels, rows that overlap, or more than any memory holds.
    pub fn bytes_needed(size: Size, format: PixelFormat, stride: usize) -> Result<usize, FrameError> {
        if size.height == 0 || size.width == 0 {
            return Err(FrameError::NoPixels);
        }
        let row = size.width.checked_mul(format.bytes()).ok_or(FrameError::Overflow { size })?;
        if stride < row {
            return Err(FrameError::Stride { stride, row, size });
        }
        let needed = (size.height - 1).checked_mul(stride).and_then(|above| above.checked_add(row));
        // No object has more bytes than half of the addresses.
        needed.filter(|needed| isize::try_from(*needed).is_ok()).ok_or(FrameError::Overflow { size })
    }

    /// Height and width, neither of them zero.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Order and number of a pixel's bytes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Bytes from the beginning of a row to that of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The bytes of row `y`, without padding.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn row(&self, y: usize) -> &'a [u8] {
        assert!(y < self.size.height, "row {y} of a picture of {} rows", self.size.height);
        &self.bytes[y * self.stride..][..self.size.width * self.format.bytes()]
    }

    /// All pixels as they lie in memory, where these are RGB bytes without padding: `[height, width, 3]`.
    pub fn as_packed_rgb(&self) -> Option<&'a [u8]> {
        let packed = self.format == PixelFormat::Rgb && self.stride == 3 * self.size.width;
        packed.then(|| &self.bytes[..self.size.height * self.stride])
    }
}

/// The pixels of a decoded picture.
impl<'a> TryFrom<&'a RgbImage> for Frame<'a> {
    type Error = FrameError;

    fn try_from(picture: &'a RgbImage) -> Result<Self, FrameError> {
        let size = Size::new(picture.height() as usize, picture.width() as usize);
        Self::new(picture.as_raw(), size, PixelFormat::Rgb)
    }
}

/// Why bytes are no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Nothing to segment.
    #[error("the picture has no pixels")]
    NoPixels,
    /// Rows that overlap.
    #[error("a stride of {stride} bytes is too short for the rows of {size} pixels; expected at least {row}")]
    Stride {
        /// Bytes from row to row.
        stride: usize,
        /// Bytes of a row.
        row: usize,
        /// Height and width.
        size: Size,
    },
    /// Less memory than pixels.
    #[error("{found} bytes are too few for {size} pixels; expected at least {needed}")]
    TooShort {
        /// Number of bytes.
        found: usize,
        /// Number of bytes needed.
        needed: usize,
        /// Height and width.
        size: Size,
    },
    /// More pixels than memory can hold.
    #[error("{size} pixels are more than memory can hold")]
    Overflow {
        /// Height and width.
        size: Size,
    },
}

impl FrameError {
    /// The sort of the error: always [`ErrorKind::Picture`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_a_stride_apart() {
        let bytes: Vec<u8> = (0..22).collect();
        let frame = Frame::with_stride(&bytes, Size::new(2, 3), PixelFormat::Bgr, 12).unwrap();
        assert_eq!((frame.row(0), frame.row(1), frame.stride()), (&bytes[..9], &bytes[12..21], 12));
        assert_eq!(frame.as_packed_rgb(), None);
        let packed = Frame::new(&bytes, Size::new(2, 3), PixelFormat::Rgb).unwrap();
        assert_eq!(packed.as_packed_rgb(), Some(&bytes[..18]));
        assert_eq!(Frame::new(&bytes, Size::new(2, 2), PixelFormat::Rgba).unwrap().row(1), &bytes[8..16]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let bytes = [0; 24];
        let (rgb, size) = (PixelFormat::Rgb, Size::new(2, 4));
        let cases = [
            (0, size, 12, FrameError::TooShort { found: 0, needed: 24, size }),
            (23, size, 12, FrameError::TooShort { found: 23, needed: 24, size }),
            (24, size, 13, FrameError::TooShort { found: 24, needed: 25, size }),
            (24, size, 11, FrameError::Stride { stride: 11, row: 12, size }),
            (24, size, 0, FrameError::Stride { stride: 0, row: 12, size }),
            (24, Size::new(0, 4), 12, FrameError::NoPixels),
            (24, Size::new(4, 0), 12, FrameError::NoPixels),
        ];
        for (len, size, stride, error) in cases {
            assert_eq!(Frame::with_stride(&bytes[..len], size, rgb, stride).unwrap_err(), error);
        }
        let huge = [Size::new(2, usize::MAX), Size::new(usize::MAX, 4)];
        for size in huge {
            let error = Frame::new(&bytes, size, rgb).unwrap_err();
            assert!(matches!(error, FrameError::Overflow { .. } | FrameError::Stride { .. }), "{error}");
        }
        assert!(Frame::try_from(&RgbImage::new(0, 3)).is_err());
        let largest = isize::MAX as usize;
        assert_eq!(Frame::bytes_needed(size, rgb, largest - 12), Ok(largest));
        assert_eq!(Frame::bytes_needed(size, rgb, largest - 11), Err(FrameError::Overflow { size }));
    }
}
