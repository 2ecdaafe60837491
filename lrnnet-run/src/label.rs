//! Label files: PNGs whose values are class ids.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use image::GrayImage;

use crate::ErrorKind;
use crate::picture::{MAX_PIXELS, MAX_SIDE};

/// Bytes that a decoder may allocate.
const MAX_ALLOC: usize = 256 << 20;

/// Reads the class ids of the label file at `path`: an 8-bit grey PNG (value = id) or an 8-bit palette PNG (index = id),
/// as `lrnnet-run` writes masks.
///
/// # Errors
///
/// A file that cannot be read, is no PNG, holds colours instead of ids, or is larger than a picture may be.
pub fn open(path: &Path) -> Result<GrayImage, LabelError> {
    let limits = png::Limits { bytes: MAX_ALLOC };
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(File::open(path)?), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let (width, height, color, depth) = (info.width, info.height, info.color_type, info.bit_depth);
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(LabelError::TooLarge { width, height });
    }
    let holds_ids = matches!(color, png::ColorType::Grayscale | png::ColorType::Indexed);
    if !holds_ids || depth != png::BitDepth::Eight {
        return Err(LabelError::NoIds { color, depth });
    }
    let mut ids = vec![0; width as usize * height as usize];
    reader.next_frame(&mut ids)?;
    Ok(GrayImage::from_raw(width, height, ids).expect("one id per pixel"))
}

/// Why a label file gives no class ids.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Not readable.
    #[error("cannot read the label file: {0}")]
    Read(#[from] io::Error),
    /// No PNG, or a broken one.
    #[error("the label file is not a whole PNG: {0}")]
    Png(#[from] png::DecodingError),
    /// Colours, or another depth.
    #[error(
        "the label file holds {color:?} values of {depth:?} bits; expected 8-bit grey values or palette indices, one class id per pixel"
    )]
    NoIds {
        /// Kind of values.
        color: png::ColorType,
        /// Bits per value.
        depth: png::BitDepth,
    },
    /// More pixels than a picture may have.
    #[error("the label has {width} x {height} pixels; expected at most {MAX_SIDE} a side and {MAX_PIXELS} in all")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl LabelError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Picture
    }
}
