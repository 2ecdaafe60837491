//! From a picture to the network's input: resize, then normalise.

use std::slice;

use image::RgbImage;
use lrnnet_graph::{InputKind, Metadata};

use crate::engine::{Data, Input};
use crate::resize::Resizer;
use crate::size::Size;

/// Makes a model's input from pictures, reusing its buffers.
pub struct Preprocessor {
    resizer: Resizer,
    /// `(x / 255 - mean) / std` of every byte, by channel; none where the graph does that itself.
    normalized: Option<[[f32; 256]; 3]>,
    planes: Vec<f32>,
    bytes: Vec<u8>,
}

impl Preprocessor {
    /// For a model that takes `kind`, with the statistics of its metadata.
    pub fn new(kind: InputKind, metadata: &Metadata) -> Self {
        let table = |channel: usize| {
            let (mean, std) = (metadata.normalization.mean[channel], metadata.normalization.std[channel]);
            std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
        };
        let normalized = match kind {
            InputKind::F32Nchw => Some(std::array::from_fn(table)),
            InputKind::U8Nhwc => None,
        };
        Self { resizer: Resizer::default(), normalized, planes: vec![], bytes: vec![] }
    }

    /// `picture` as the input `[1, 3, h, w]` of floats or `[1, h, w, 3]` of bytes, at `size`.
    ///
    /// # Panics
    ///
    /// When the picture or `size` has no pixels.
    pub fn prepare<'a>(&'a mut self, picture: &'a RgbImage, size: Size) -> Input<'a> {
        self.prepare_batch(slice::from_ref(picture), size)
    }

    /// `pictures` as the input `[n, 3, h, w]` of floats or `[n, h, w, 3]` of bytes, at `size`.
    ///
    /// # Panics
    ///
    /// When a picture or `size` has no pixels.
    pub fn prepare_batch<'a>(&'a mut self, pictures: &'a [RgbImage], size: Size) -> Input<'a> {
        let data = match (&self.normalized, pictures) {
            // A picture's own bytes go in as they are, where they can.
            (None, [picture]) => Data::U8Nhwc(self.resizer.resize(picture, size)),
            (None, _) => {
                self.bytes.clear();
                for picture in pictures {
                    self.bytes.extend_from_slice(self.resizer.resize(picture, size));
                }
                Data::U8Nhwc(&self.bytes)
            }
            (Some(tables), _) => {
                let values = 3 * size.area();
                self.planes.resize(pictures.len() * values, 0.0);
                for (picture, planes) in pictures.iter().zip(self.planes.chunks_exact_mut(values)) {
                    normalize(self.resizer.resize(picture, size), tables, planes);
                }
                Data::F32Nchw(&self.planes)
            }
        };
        Input { data, batch: pictures.len(), size }
    }
}

/// `[h, w, 3]` bytes to `[3, h, w]` floats.
fn normalize(pixels: &[u8], tables: &[[f32; 256]; 3], planes: &mut [f32]) {
    let area = pixels.len() / 3;
    let (red, rest) = planes.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    let (pixels, _) = pixels.as_chunks::<3>();
    for (((&[r, g, b], red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
        *red = tables[0][usize::from(r)];
        *green = tables[1][usize::from(g)];
        *blue = tables[2][usize::from(b)];
    }
}
