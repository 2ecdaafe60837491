//! From a picture to the network's input: resize, then normalise.

use lrnnet_graph::{InputKind, Metadata};

use crate::engine::{Data, Input};
use crate::frame::Frame;
use crate::resize::Resizer;
use crate::size::Size;

/// Makes a model's input from pictures, reusing its buffers.
pub struct Preprocessor {
    resizer: Resizer,
    /// `(x / 255 - mean) / std` of every byte, by channel; none where the graph does that itself.
    normalized: Option<Box<[[f32; 256]; 3]>>,
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
            InputKind::F32Nchw => Some(Box::new(std::array::from_fn(table))),
            InputKind::U8Nhwc => None,
        };
        Self { resizer: Resizer::default(), normalized, planes: vec![], bytes: vec![] }
    }

    /// `frame` as the input `[1, 3, h, w]` of floats or `[1, h, w, 3]` of bytes, at `size`.
    ///
    /// # Panics
    ///
    /// When `size` has no pixels.
    pub fn prepare<'a>(&'a mut self, frame: Frame<'a>, size: Size) -> Input<'a> {
        self.prepare_batch(&[frame], 1, size)
    }

    /// `frames` as the first of `batch` pictures of the input `[batch, 3, h, w]` of floats or `[batch, h, w, 3]` of
    /// bytes, at `size`. Places without a picture hold what was there before or zeros.
    ///
    /// # Panics
    ///
    /// When there are more frames than places, or `size` has no pixels.
    pub fn prepare_batch<'a>(&'a mut self, frames: &[Frame<'a>], batch: usize, size: Size) -> Input<'a> {
        assert!(frames.len() <= batch, "{} pictures for {batch} places", frames.len());
        let values = 3 * size.area();
        let data = match (&self.normalized, frames) {
            // A picture's own bytes go in as they are, where they can.
            (None, [frame]) if batch == 1 => Data::U8Nhwc(self.resizer.resize(*frame, size)),
            (None, _) => {
                self.bytes.resize(batch * values, 0);
                for (frame, bytes) in frames.iter().zip(self.bytes.chunks_exact_mut(values)) {
                    bytes.copy_from_slice(self.resizer.resize(*frame, size));
                }
                Data::U8Nhwc(&self.bytes)
            }
            (Some(tables), _) => {
                self.planes.resize(batch * values, 0.0);
                for (frame, planes) in frames.iter().zip(self.planes.chunks_exact_mut(values)) {
                    normalize(self.resizer.resize(*frame, size), tables, planes);
                }
                Data::F32Nchw(&self.planes)
            }
        };
        Input { data, batch, size }
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
