//! Masks as PNG files, and masks drawn over pictures.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::ErrorKind;
use image::{GrayImage, RgbImage};
use lrnnet_graph::Color;

use crate::size::Size;

/// How class ids are stored in a mask file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskStyle {
    /// 8-bit palette PNG: index = class id, palette = the model's. Readers see ids, viewers see colours.
    #[default]
    Indexed,
    /// 8-bit grey PNG: value = class id. Looks black in a viewer.
    Gray,
    /// RGB PNG in the model's colours, without ids.
    Color,
}

const STYLES: [(&str, MaskStyle); 3] =
    [("indexed", MaskStyle::Indexed), ("gray", MaskStyle::Gray), ("color", MaskStyle::Color)];

impl fmt::Display for MaskStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = STYLES.iter().find(|(_, style)| style == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

/// A word that is no mask style.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mask style; expected indexed, gray or color")]
pub struct UnknownStyle(String);

impl UnknownStyle {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

impl FromStr for MaskStyle {
    type Err = UnknownStyle;

    fn from_str(word: &str) -> Result<Self, UnknownStyle> {
        let found = STYLES.iter().find(|(known, _)| *known == word);
        found.map(|(_, style)| *style).ok_or_else(|| UnknownStyle(word.to_owned()))
    }
}

/// Writes `mask` as a PNG file; `palette` holds the colour of each class id.
///
/// # Errors
///
/// What the writer reports.
pub fn write_png(mask: &GrayImage, palette: &[Color], style: MaskStyle, out: &mut dyn Write) -> io::Result<()> {
    let size = Size::new(mask.height() as usize, mask.width() as usize);
    write_ids(size, mask.as_raw(), palette, style, out)
}

/// Writes class ids `[height, width]` as a PNG file, as [`write_png`] does.
///
/// # Errors
///
/// What the writer reports.
pub fn write_ids(size: Size, ids: &[u8], palette: &[Color], style: MaskStyle, out: &mut dyn Write) -> io::Result<()> {
    match style {
        MaskStyle::Indexed => encode(size, ids, png::ColorType::Indexed, palette, out),
        MaskStyle::Gray => encode(size, ids, png::ColorType::Grayscale, &[], out),
        MaskStyle::Color => {
            let mut colors = vec![];
            colors_into(ids, palette, &mut colors);
            write_rgb(size, &colors, out)
        }
    }
}

/// Writes an RGB picture as a PNG file.
///
/// # Errors
///
/// What the writer reports.
pub fn write_picture(picture: &RgbImage, out: &mut dyn Write) -> io::Result<()> {
    write_rgb(Size::new(picture.height() as usize, picture.width() as usize), picture.as_raw(), out)
}

/// Writes RGB bytes `[height, width, 3]` as a PNG file.
///
/// # Errors
///
/// What the writer reports.
pub fn write_rgb(size: Size, rgb: &[u8], out: &mut dyn Write) -> io::Result<()> {
    encode(size, rgb, png::ColorType::Rgb, &[], out)
}

/// The colour of each class id, as RGB bytes in `out`.
pub(crate) fn colors_into(ids: &[u8], palette: &[Color], out: &mut Vec<u8>) {
    let colors = all_colors(palette);
    out.resize(3 * ids.len(), 0);
    out.as_chunks_mut().0.iter_mut().zip(ids).for_each(|(out, id)| *out = colors[usize::from(*id)]);
}

/// `picture` with the colours of `mask` laid over it: `opacity` 0 leaves the picture, 1 leaves the colours.
///
/// # Panics
///
/// When picture and mask differ in size.
pub fn overlay(picture: &RgbImage, mask: &GrayImage, palette: &[Color], opacity: f32) -> RgbImage {
    assert_eq!(picture.dimensions(), mask.dimensions(), "picture and mask must have one size");
    let mut out = vec![];
    overlay_into(picture.as_raw(), mask.as_raw(), palette, opacity, &mut out);
    RgbImage::from_raw(picture.width(), picture.height(), out).expect("a pixel for each of the picture's")
}

/// The same on RGB bytes and class ids of one size, into `out`.
pub(crate) fn overlay_into(rgb: &[u8], ids: &[u8], palette: &[Color], opacity: f32, out: &mut Vec<u8>) {
    let weight = (opacity.clamp(0.0, 1.0) * 256.0).round() as u32;
    let blend = |under: u8, over: u8| ((u32::from(under) * (256 - weight) + u32::from(over) * weight + 128) >> 8) as u8;
    let colors = all_colors(palette);
    out.resize(rgb.len(), 0);
    let pixels: (&[Color], _) = rgb.as_chunks();
    for ((out, under), id) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.0).zip(ids) {
        let over = colors[usize::from(*id)];
        *out = std::array::from_fn(|channel| blend(under[channel], over[channel]));
    }
}

/// The colour of every id that a byte can hold: black where there is no class.
fn all_colors(palette: &[Color]) -> [Color; 256] {
    std::array::from_fn(|id| palette.get(id).copied().unwrap_or_default())
}

fn encode(size: Size, data: &[u8], color: png::ColorType, palette: &[Color], out: &mut dyn Write) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, size.width as u32, size.height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    if color == png::ColorType::Indexed {
        encoder.set_palette(palette.as_flattened());
    }
    let mut writer = encoder.write_header().map_err(io_error)?;
    writer.write_image_data(data).map_err(io_error)?;
    writer.finish().map_err(io_error)
}

fn io_error(error: png::EncodingError) -> io::Error {
    match error {
        png::EncodingError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALETTE: [Color; 3] = [[10, 20, 30], [200, 100, 0], [0, 0, 255]];

    fn mask() -> GrayImage {
        GrayImage::from_raw(3, 2, vec![0, 1, 2, 2, 1, 0]).unwrap()
    }

    #[test]
    fn every_style_reads_back() {
        let colors: Vec<u8> = mask().as_raw().iter().flat_map(|&id| PALETTE[usize::from(id)]).collect();
        let cases = [
            (MaskStyle::Indexed, png::ColorType::Indexed, mask().into_raw()),
            (MaskStyle::Gray, png::ColorType::Grayscale, mask().into_raw()),
            (MaskStyle::Color, png::ColorType::Rgb, colors),
        ];
        for (style, color, expected) in cases {
            let mut bytes = vec![];
            write_png(&mask(), &PALETTE, style, &mut bytes).unwrap();
            let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
            let mut data = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut data).unwrap();
            assert_eq!((info.color_type, &data[..info.buffer_size()]), (color, &expected[..]), "{style}");
            let palette = reader.info().palette.as_deref();
            assert_eq!(palette, (style == MaskStyle::Indexed).then_some(PALETTE.as_flattened()), "{style}");
            assert_eq!(style.to_string().parse(), Ok(style));
        }
    }

    #[test]
    fn a_picture_reads_back() {
        let picture = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let mut bytes = vec![];
        write_picture(&picture, &mut bytes).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().into_rgb8(), picture);
    }

    #[test]
    fn opacity_blends_between_picture_and_colours() {
        let picture = RgbImage::from_pixel(3, 2, image::Rgb([100, 100, 100]));
        let top = |opacity| overlay(&picture, &mask(), &PALETTE, opacity).into_raw()[..6].to_vec();
        assert_eq!(top(0.0), [100; 6]);
        assert_eq!(top(1.0), [10, 20, 30, 200, 100, 0]);
        assert_eq!(top(0.5), [55, 60, 65, 150, 100, 50]);
    }
}
