//! Pictures from files: decoded within limits, turned upright, as 8-bit RGB.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use crate::ErrorKind;
use crate::guard::{Panicked, guarded};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

/// Pixels that a side of a picture may have.
pub const MAX_SIDE: u32 = 16_384;
/// Pixels that a picture may have.
pub const MAX_PIXELS: u64 = 100_000_000;
/// Bytes that a picture file may have.
pub const MAX_FILE: u64 = 256 << 20;
/// Pixels that a byte of a PNG or JPEG file can stand for: deflate repeats a byte 1032 times, which holds 8 pixels at
/// most, and of a JPEG each block of 64 pixels takes a bit. (A WebP of one colour has no such measure.)
const PIXELS_PER_BYTE: u64 = 10_000;
/// Bytes that a decoder may allocate, as far as it counts them; the decoded picture counts.
const MAX_ALLOC: u64 = 512 << 20;
/// File name extensions of the formats that can be decoded, in lower case.
pub const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Reads and decodes the picture in the file at `path`; see [`decode`].
///
/// # Errors
///
/// What [`read`] and [`decode`] report.
pub fn open(path: &Path) -> Result<RgbImage, PictureError> {
    decode(&read(File::open(path)?)?)
}

/// Reads the bytes of a picture file, at most [`MAX_FILE`].
///
/// # Errors
///
/// What the reader reports, or [`PictureError::FileTooLarge`].
pub fn read(reader: impl Read) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(PictureError::FileTooLarge) } else { Ok(bytes) }
}

/// Decodes PNG, JPEG or WebP and turns the picture upright as its EXIF orientation says.
///
/// Grey values become RGB, 16-bit values are scaled to 8 bits, and alpha is dropped: the colours under it are taken as
/// they are stored, as Pillow's `convert("RGB")` does. Of an animation the first picture is taken. Colour profiles are
/// not applied.
///
/// # Errors
///
/// Bytes that are no whole picture of these formats, and pictures over [`MAX_SIDE`] or [`MAX_PIXELS`], which are
/// refused from their header alone. A decoder that panics is an error too, [`PictureError::Panicked`], and prints
/// nothing: the first call puts a hook in front of the process's panic hook for that.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, PictureError> {
    guarded(|| decode_unguarded(bytes))?
}

fn decode_unguarded(bytes: &[u8]) -> Result<RgbImage, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    let format = image::guess_format(bytes).map_err(|_| PictureError::UnknownFormat)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(PictureError::UnknownFormat);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    check_size(&decoder)?;
    let (width, height) = decoder.dimensions();
    if format != ImageFormat::WebP && !can_hold(bytes.len(), width, height) {
        return Err(PictureError::TooFewBytes { bytes: bytes.len(), width, height });
    }
    decoder.set_limits(limits())?;
    // The decoder itself fills the rest of a JPEG that is cut short with grey and says nothing.
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err(PictureError::Truncated);
    }
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// The side limits are not given to the decoder: [`check_size`] says more than the decoder would.
fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    limits
}

fn check_size(decoder: &impl ImageDecoder) -> Result<(), PictureError> {
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { width, height });
    }
    let needed = decoder.total_bytes();
    if needed > MAX_ALLOC { Err(PictureError::Memory { needed }) } else { Ok(()) }
}

/// Whether a PNG or JPEG file of so many bytes can hold so many pixels; asked before memory is spent on them.
pub(crate) fn can_hold(bytes: usize, width: u32, height: u32) -> bool {
    u64::from(width) * u64::from(height) <= PIXELS_PER_BYTE * bytes as u64
}

/// Whether the image data of a JPEG is followed by its end marker (ITU-T T.81, annex B).
fn jpeg_ends(bytes: &[u8]) -> bool {
    const END: u8 = 0xD9;
    let stands_alone = |marker: u8| matches!(marker, 0x00 | 0x01 | 0xD0..=0xD8);
    let mut at = 0;
    while let Some(&[0xFF, marker]) = bytes.get(at..at + 2) {
        match marker {
            END => return true,
            // A fill byte: the marker's code comes with the next byte.
            0xFF => at += 1,
            _ if stands_alone(marker) => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
        // Entropy-coded data follows a scan's header; a byte of 0xFF in it is followed by zero or a restart marker.
        at += bytes.get(at..).unwrap_or_default().iter().position(|&byte| byte == 0xFF).unwrap_or(0);
    }
    false
}

/// Why bytes are no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Not readable at all.
    #[error("cannot read the picture")]
    Read(#[from] io::Error),
    /// No bytes.
    #[error("the file is empty; expected a PNG, JPEG or WebP picture")]
    Empty,
    /// Too many bytes.
    #[error("the file has more than {} MiB; expected a picture file of at most that", MAX_FILE >> 20)]
    FileTooLarge,
    /// Another format.
    #[error("not a PNG, JPEG or WebP picture; convert it to one of these")]
    UnknownFormat,
    /// Too many pixels.
    #[error(
        "the picture has {width} x {height} pixels; expected at most {MAX_SIDE} a side and {} megapixels; scale it down",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Too many bytes once decoded.
    #[error("the decoded picture takes {} MiB; expected at most {}; scale it down", needed >> 20, MAX_ALLOC >> 20)]
    Memory {
        /// Bytes needed.
        needed: u64,
    },
    /// Cut short, or a header that lies.
    #[error("the picture is cut short: its {bytes} bytes cannot hold {width} x {height} pixels; fetch the file again")]
    TooFewBytes {
        /// Bytes of the file.
        bytes: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Cut short.
    #[error("the picture is cut short: the end marker of its JPEG data is missing; fetch the file again")]
    Truncated,
    /// Damaged, cut short or of an unsupported kind.
    #[error("the picture is damaged, cut short or of an unsupported kind")]
    Decode(#[from] ImageError),
    /// Damaged in a way that its decoder did not foresee.
    #[error("the picture is damaged")]
    Panicked(#[from] Panicked),
}

impl PictureError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder};

    fn encode(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 9, 128]));
        let mut bytes = Cursor::new(vec![]);
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_prefix_of_a_picture_is_an_error() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encode(format);
            assert_eq!(decode(&bytes).unwrap().dimensions(), (40, 24), "{format:?}");
            // PNG's last chunk, IEND (12 bytes), holds nothing, and its data is complete before the checksum.
            let enough = if format == ImageFormat::Png { bytes.len() - 16 } else { bytes.len() };
            let survivors: Vec<_> = (0..enough).filter(|&n| decode(&bytes[..n]).is_ok()).collect();
            assert!(survivors.is_empty(), "{format:?} of {} bytes decodes from {survivors:?}", bytes.len());
        }
    }

    #[test]
    fn files_are_read_up_to_the_limit() {
        let zeros = |bytes| read(io::repeat(0).take(bytes)).map(|read| read.len() as u64);
        assert!(matches!(zeros(MAX_FILE), Ok(MAX_FILE)));
        assert!(matches!(zeros(MAX_FILE + 1), Err(PictureError::FileTooLarge)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        assert!(matches!(open(&path), Err(PictureError::Read(_))));
        std::fs::write(&path, encode(ImageFormat::Png)).unwrap();
        assert_eq!(open(&path).unwrap(), decode(&encode(ImageFormat::Png)).unwrap());
    }

    /// Headers without data: what is within the limits fails for another reason.
    #[test]
    fn sizes_are_taken_up_to_their_limits() {
        use png::BitDepth::{Eight, Sixteen};
        use png::ColorType::{Grayscale, Rgba};
        let refused = |(width, height), color, depth| {
            let mut bytes = vec![];
            let mut encoder = png::Encoder::new(&mut bytes, width, height);
            encoder.set_color(color);
            encoder.set_depth(depth);
            encoder.write_header().unwrap().write_chunk(png::chunk::IDAT, &[]).unwrap();
            decode(&bytes).unwrap_err()
        };
        for side in [(MAX_SIDE, 1), (1, MAX_SIDE)] {
            let error = refused(side, Grayscale, Eight);
            assert!(matches!(error, PictureError::Decode(_)), "{error}");
        }
        for size in [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (10_001, 10_000)] {
            let error = refused(size, Grayscale, Eight);
            assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
        }
        // 100 million pixels, and 512 MiB of 8 bytes a pixel.
        for (size, color, depth) in [((10_000, 10_000), Grayscale, Eight), ((8192, 8192), Rgba, Sixteen)] {
            let error = refused(size, color, depth);
            assert!(matches!(error, PictureError::TooFewBytes { .. }), "{error}");
        }
        let error = refused((8193, 8192), Rgba, Sixteen);
        assert!(matches!(error, PictureError::Memory { needed } if needed == 8193 * 8192 * 8), "{error}");
    }

    /// As ITU-T T.81 has its markers (table B.1): fill bytes, segments that look like an end, stuffed bytes and restarts.
    #[test]
    fn only_a_jpeg_with_its_end_marker_ends() {
        const START: [u8; 2] = [0xFF, 0xD8];
        let cases: [&[u8]; 4] = [
            &[0xFF, 0xD9],
            &[0xFF, 0xFF, 0xFF, 0xD9],
            &[0xFF, 0xE0, 0x00, 0x04, 0xFF, 0xD9, 0xFF, 0xD9],
            &[0xFF, 0xDA, 0x00, 0x02, 0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD0, 0xFF, 0x01, 0x56, 0xFF, 0xD9],
        ];
        for case in cases {
            let bytes = [&START[..], case].concat();
            assert!(jpeg_ends(&bytes), "{case:02x?}");
            let early: Vec<_> = (0..bytes.len()).filter(|&length| jpeg_ends(&bytes[..length])).collect();
            assert!(early.is_empty(), "{case:02x?} ends at {early:?} of {}", bytes.len());
        }
    }

    #[test]
    fn a_header_that_lies_is_refused_and_the_emptiest_picture_is_not() {
        let side = 2048;
        let [mut dark, mut flat, mut cut, mut lie] = [(); 4].map(|()| vec![]);
        let png = |bytes: &mut Vec<u8>, rows: u32| {
            let mut encoder = png::Encoder::new(bytes, side, side);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.set_depth(png::BitDepth::One);
            encoder.set_compression(png::Compression::High);
            let mut writer = encoder.write_header().unwrap();
            match rows {
                0 => writer.write_chunk(png::chunk::IDAT, &[]).unwrap(),
                rows => writer.write_image_data(&vec![0; (side / 8 * rows) as usize]).unwrap(),
            }
        };
        png(&mut dark, side);
        png(&mut cut, 0);
        let jpeg = |bytes: &mut Vec<u8>| {
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(bytes, 1);
            encoder.write_image(&vec![128; (side * side) as usize], side, side, ExtendedColorType::L8).unwrap();
        };
        jpeg(&mut flat);
        jpeg(&mut lie);
        lie.truncate(400);
        for (what, bytes) in [("PNG", &dark), ("JPEG", &flat)] {
            assert_eq!(decode(bytes).unwrap().dimensions(), (side, side), "{what} of {} bytes", bytes.len());
        }
        for (what, bytes) in [("PNG", &cut), ("JPEG", &lie)] {
            let error = decode(bytes).unwrap_err();
            assert!(matches!(error, PictureError::TooFewBytes { width: 2048, .. }), "{what}: {error}");
        }
    }

    /// The product of a coefficient and a quantisation step is beyond 32 bits, which a build with overflow checks finds.
    #[test]
    fn a_jpeg_whose_decoder_panics_is_an_error() {
        let found = decode(include_bytes!("../../fixtures/hostile/overflow.jpg"));
        if cfg!(debug_assertions) {
            assert!(matches!(found, Err(PictureError::Panicked(_))), "{found:?}");
        }
    }

    #[test]
    fn bytes_behind_a_jpeg_do_no_harm() {
        let mut bytes = encode(ImageFormat::Jpeg);
        bytes.extend(b"trailer \xFF\xDA of another format");
        assert!(decode(&bytes).is_ok());
    }

    #[test]
    fn every_pixel_format_becomes_rgb() {
        let cases: [(ExtendedColorType, &[u8], [u8; 3]); 7] = [
            (ExtendedColorType::L8, &[200], [200; 3]),
            (ExtendedColorType::La8, &[200, 0], [200; 3]),
            (ExtendedColorType::Rgb8, &[1, 2, 3], [1, 2, 3]),
            (ExtendedColorType::Rgba8, &[1, 2, 3, 0], [1, 2, 3]),
            (ExtendedColorType::L16, &[0x80, 0x80], [0x80; 3]),
            (ExtendedColorType::Rgb16, &[1, 1, 2, 2, 3, 3], [1, 2, 3]),
            (ExtendedColorType::Rgba16, &[1, 1, 2, 2, 3, 3, 0, 0], [1, 2, 3]),
        ];
        for (color, pixel, expected) in cases {
            let mut bytes = vec![];
            image::codecs::png::PngEncoder::new(&mut bytes).write_image(pixel, 1, 1, color).unwrap();
            assert_eq!(decode(&bytes).unwrap().into_raw(), expected, "{color:?}");
        }
    }
}
