//! Label files: PNGs whose values are class ids.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::GrayImage;

use crate::ErrorKind;
use crate::guard::{Panicked, guarded};
use crate::picture::{MAX_FILE, MAX_PIXELS, MAX_SIDE, can_hold};

/// Bytes that a decoder may allocate.
const MAX_ALLOC: usize = 256 << 20;

/// Reads the class ids of the label file at `path`, at most [`MAX_FILE`] bytes; see [`decode`].
///
/// # Errors
///
/// A file that cannot be read, and what [`decode`] reports.
pub fn open(path: &Path) -> Result<GrayImage, LabelError> {
    let mut bytes = vec![];
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(LabelError::FileTooLarge) } else { decode(&bytes) }
}

/// Reads the class ids of a label file: an 8-bit grey PNG (value = id) or an 8-bit palette PNG (index = id),
/// as `lrnnet-run` writes masks.
///
/// # Errors
///
/// Bytes that are no PNG, hold colours instead of ids, or more pixels than a picture may have.
pub fn decode(bytes: &[u8]) -> Result<GrayImage, LabelError> {
    guarded(|| decode_unguarded(bytes))?
}

fn decode_unguarded(bytes: &[u8]) -> Result<GrayImage, LabelError> {
    let limits = png::Limits { bytes: MAX_ALLOC };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let (width, height, color, depth) = (info.width, info.height, info.color_type, info.bit_depth);
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(LabelError::TooLarge { width, height });
    }
    if !can_hold(bytes.len(), width, height) {
        return Err(LabelError::TooFewBytes { bytes: bytes.len(), width, height });
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
    /// Too many bytes.
    #[error("the label file has more than {} MiB; expected at most that", MAX_FILE >> 20)]
    FileTooLarge,
    /// Cut short, or a header that lies.
    #[error("the label file is cut short: its {bytes} bytes cannot hold {width} x {height} pixels")]
    TooFewBytes {
        /// Bytes of the file.
        bytes: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// No PNG, or a broken one.
    #[error("the label file is not a whole PNG: {0}")]
    Png(#[from] png::DecodingError),
    /// Damaged in a way that its decoder did not foresee.
    #[error("the label file is damaged: {0}")]
    Panicked(#[from] Panicked),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a PNG of this header and these bytes of pixels.
    fn opened(
        size: [u32; 2],
        color: png::ColorType,
        depth: png::BitDepth,
        pixels: &[u8],
    ) -> Result<GrayImage, LabelError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encoder = png::Encoder::new(file.as_file(), size[0], size[1]);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(vec![9; 3 * 256]);
        }
        let mut writer = encoder.write_header().unwrap();
        match pixels {
            [] => writer.write_chunk(png::chunk::IDAT, &[]).unwrap(),
            pixels => writer.write_image_data(pixels).unwrap(),
        }
        drop(writer);
        open(file.path())
    }

    #[test]
    fn eight_bits_of_grey_or_of_a_palette_are_ids() {
        use png::{BitDepth as Bits, ColorType as Color};
        let ids = [3, 0, 11, 255];
        for color in [Color::Grayscale, Color::Indexed] {
            let label = opened([2, 2], color, Bits::Eight, &ids).unwrap();
            assert_eq!((label.dimensions(), label.as_raw().as_slice()), ((2, 2), &ids[..]), "{color:?}");
        }
        let others = [
            (Color::Grayscale, Bits::Sixteen, 8),
            (Color::Grayscale, Bits::Four, 2),
            (Color::Indexed, Bits::Four, 2),
            (Color::Rgb, Bits::Eight, 12),
            (Color::Rgba, Bits::Eight, 16),
            (Color::GrayscaleAlpha, Bits::Eight, 8),
        ];
        for (color, depth, bytes) in others {
            let error = opened([2, 2], color, depth, &vec![0; bytes]).unwrap_err();
            assert!(matches!(error, LabelError::NoIds { .. }), "{color:?} {depth:?}: {error}");
        }
    }

    #[test]
    fn a_label_may_be_as_large_as_a_picture_and_no_larger() {
        let long = MAX_SIDE;
        let side = u32::try_from(MAX_PIXELS.isqrt()).unwrap();
        let grey =
            |size: [u32; 2], pixels: &[u8]| opened(size, png::ColorType::Grayscale, png::BitDepth::Eight, pixels);
        for size in [[long, 1], [1, long]] {
            assert!(grey(size, &vec![0; long as usize]).is_ok(), "{size:?}");
        }
        // Without pixels it is no whole PNG, which shows only where the size is allowed.
        let error = grey([side, side], &[]).unwrap_err();
        assert!(matches!(error, LabelError::TooFewBytes { .. }), "{error}");
        assert!(matches!(grey([500, 500], &[]), Err(LabelError::Png(_))));
        for size in [[long + 1, 1], [1, long + 1], [side + 1, side], [side, side + 1], [long, long]] {
            let error = grey(size, &[]).unwrap_err();
            let [width, height] = size;
            assert!(
                matches!(error, LabelError::TooLarge { width: w, height: h } if (w, h) == (width, height)),
                "{error}"
            );
        }
    }
}
