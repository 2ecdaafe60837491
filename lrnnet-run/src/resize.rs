//! The one resize of this project: bilinear between pixel centres, without antialiasing.
//!
//! It is PyTorch's `interpolate(mode="bilinear", align_corners=False, antialias=False)` and OpenCV's `INTER_LINEAR`,
//! rounded to bytes once. It stands here and not in a crate because those at hand round twice, which brightens a
//! picture by up to a value of one half, and work through every pixel of a large picture of which only four are
//! needed for each pixel of the small one.

use crate::frame::{Frame, PixelFormat};
use crate::size::Size;

/// Values per pixel.
const CHANNELS: usize = 3;

/// Resizes pictures, with room that is reused from picture to picture.
#[derive(Clone, Debug, Default)]
pub struct Resizer {
    columns: Vec<Tap>,
    pixels: Vec<u8>,
}

/// The two source positions between which a position lies, and the weight of the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub first: usize,
    pub second: usize,
    pub weight: f32,
}

impl Tap {
    /// Where position `at` of `target` positions lies among `source` positions.
    pub fn new(at: usize, target: usize, source: usize) -> Self {
        let scale = source as f32 / target as f32;
        let position = ((at as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (position as usize).min(source - 1);
        Self { first, second: (first + 1).min(source - 1), weight: position - first as f32 }
    }
}

/// The value between four of a plane whose rows have `width` values.
pub(crate) fn between(plane: &[f32], width: usize, row: Tap, column: Tap) -> f32 {
    let blend = |a: f32, b: f32, weight: f32| a * (1.0 - weight) + b * weight;
    let across = |y: usize| {
        let values = &plane[y * width..][..width];
        blend(values[column.first], values[column.second], column.weight)
    };
    blend(across(row.first), across(row.second), row.weight)
}

impl Resizer {
    /// `frame` at `size`, as RGB bytes `[h, w, 3]`; the frame's own bytes where these are that already.
    ///
    /// # Panics
    ///
    /// When `size` has no pixels.
    pub fn resize<'a>(&'a mut self, frame: Frame<'a>, size: Size) -> &'a [u8] {
        assert!(size.area() > 0, "cannot resize {} to {size}", frame.size());
        if size == frame.size()
            && let Some(bytes) = frame.as_packed_rgb()
        {
            return bytes;
        }
        self.pixels.resize(size.area() * CHANNELS, 0);
        match frame.format() {
            PixelFormat::Rgb => self.fill::<{ PixelFormat::Rgb.bytes() }>(frame, size),
            PixelFormat::Bgr => self.fill::<{ PixelFormat::Bgr.bytes() }>(frame, size),
            PixelFormat::Rgba => self.fill::<{ PixelFormat::Rgba.bytes() }>(frame, size),
        }
        &self.pixels
    }

    /// Fills the result from a frame of `N` bytes a pixel.
    fn fill<const N: usize>(&mut self, frame: Frame<'_>, size: Size) {
        let (source, rgb) = (frame.size(), frame.format().rgb());
        let rows = self.pixels.chunks_exact_mut(size.width * CHANNELS).enumerate();
        if size == source {
            return rows.for_each(|(y, out)| reorder::<N>(frame.row(y), rgb, out));
        }
        self.columns.clear();
        self.columns.extend((0..size.width).map(|x| {
            let tap = Tap::new(x, size.width, source.width);
            Tap { first: tap.first * N, second: tap.second * N, ..tap }
        }));
        for (y, out) in rows {
            let tap = Tap::new(y, size.height, source.height);
            blend(frame.row(tap.first), frame.row(tap.second), tap.weight, &self.columns, rgb, out);
        }
    }
}

/// One row of pixels as RGB.
fn reorder<const N: usize>(row: &[u8], rgb: [usize; CHANNELS], out: &mut [u8]) {
    let ((pixels, _), (out, _)) = (row.as_chunks::<N>(), out.as_chunks_mut::<CHANNELS>());
    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = rgb.map(|at| pixel[at]));
}

/// One row of the result from the two rows around it.
fn blend(above: &[u8], below: &[u8], weight: f32, columns: &[Tap], rgb: [usize; CHANNELS], out: &mut [u8]) {
    let (pixels, _) = out.as_chunks_mut::<CHANNELS>();
    for (tap, pixel) in columns.iter().zip(pixels) {
        let at = |row: &[u8], x: usize| {
            let pixel = &row[x..x + CHANNELS];
            rgb.map(|channel| f32::from(pixel[channel]))
        };
        let corners = [at(above, tap.first), at(above, tap.second), at(below, tap.first), at(below, tap.second)];
        *pixel = std::array::from_fn(|c| {
            let [a, b, c, d] = corners.map(|corner| corner[c]);
            let (top, bottom) = (a + (b - a) * tap.weight, c + (d - c) * tap.weight);
            (top + (bottom - top) * weight + 0.5) as u8
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_and_stride_gives_what_packed_rgb_gives() {
        let source = Size::new(5, 7);
        let rgb: Vec<u8> = (0..3 * source.area()).map(|i| (i * 37 % 251) as u8).collect();
        let laid_out = |format: PixelFormat, padding: usize| {
            let mut bytes = vec![];
            for row in rgb.chunks_exact(3 * source.width) {
                for pixel in row.chunks_exact(3) {
                    let mut own = vec![99; format.bytes()];
                    format.rgb().into_iter().zip(pixel).for_each(|(at, &value)| own[at] = value);
                    bytes.extend(own);
                }
                bytes.extend(vec![77; padding]);
            }
            bytes
        };
        for size in [source, Size::new(3, 4), Size::new(9, 16)] {
            let packed = Frame::new(&rgb, source, PixelFormat::Rgb).unwrap();
            let expected = Resizer::default().resize(packed, size).to_vec();
            for format in [PixelFormat::Rgb, PixelFormat::Bgr, PixelFormat::Rgba] {
                for padding in [0, 5] {
                    let bytes = laid_out(format, padding);
                    let stride = source.width * format.bytes() + padding;
                    let frame = Frame::with_stride(&bytes, source, format, stride).unwrap();
                    assert_eq!(Resizer::default().resize(frame, size), expected, "{format:?} {padding} {size}");
                }
            }
        }
    }
}
