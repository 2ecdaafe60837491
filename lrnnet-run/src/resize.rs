//! The one resize of this project: bilinear between pixel centres, without antialiasing.
//!
//! It is PyTorch's `interpolate(mode="bilinear", align_corners=False, antialias=False)` and OpenCV's `INTER_LINEAR`,
//! rounded to bytes once. It stands here and not in a crate because those at hand round twice, which brightens a
//! picture by up to a value of one half, and work through every pixel of a large picture of which only four are
//! needed for each pixel of the small one.

use image::RgbImage;

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

impl Resizer {
    /// `picture` at `size`, as RGB bytes `[h, w, 3]`; the picture's own bytes where it has that size already.
    ///
    /// # Panics
    ///
    /// When the picture or `size` has no pixels.
    pub fn resize<'a>(&'a mut self, picture: &'a RgbImage, size: Size) -> &'a [u8] {
        let source = size_of(picture);
        assert!(source.area() > 0 && size.area() > 0, "cannot resize {source} to {size}");
        if size == source {
            return picture.as_raw();
        }
        self.columns.clear();
        self.columns.extend((0..size.width).map(|x| {
            let tap = Tap::new(x, size.width, source.width);
            Tap { first: tap.first * CHANNELS, second: tap.second * CHANNELS, ..tap }
        }));
        self.pixels.resize(size.area() * CHANNELS, 0);
        for (y, out) in self.pixels.chunks_exact_mut(size.width * CHANNELS).enumerate() {
            let tap = Tap::new(y, size.height, source.height);
            let row = |y: usize| &picture.as_raw()[y * source.width * CHANNELS..][..source.width * CHANNELS];
            blend(row(tap.first), row(tap.second), tap.weight, &self.columns, out);
        }
        &self.pixels
    }
}

/// One row of the result from the two rows around it.
fn blend(above: &[u8], below: &[u8], weight: f32, columns: &[Tap], out: &mut [u8]) {
    let (pixels, _) = out.as_chunks_mut::<CHANNELS>();
    for (tap, pixel) in columns.iter().zip(pixels) {
        let at = |row: &[u8], x: usize| [row[x], row[x + 1], row[x + 2]].map(f32::from);
        let corners = [at(above, tap.first), at(above, tap.second), at(below, tap.first), at(below, tap.second)];
        *pixel = std::array::from_fn(|c| {
            let [a, b, c, d] = corners.map(|corner| corner[c]);
            let (top, bottom) = (a + (b - a) * tap.weight, c + (d - c) * tap.weight);
            (top + (bottom - top) * weight + 0.5) as u8
        });
    }
}

/// Height and width of a picture.
pub fn size_of(picture: &RgbImage) -> Size {
    Size::new(picture.height() as usize, picture.width() as usize)
}
