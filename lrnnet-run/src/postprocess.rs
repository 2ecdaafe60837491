//! From the network's output to a mask of the picture's own size.

use lrnnet_graph::STRIDE;

use crate::engine::{NamedTensor, Outputs, Values};
use crate::model::{Model, Output};
use crate::resize::Tap;
use crate::segmenter::SegmentError;
use crate::size::Size;

/// Pixels worked on at a time, so that their best values stay in the cache.
const CHUNK: usize = 4096;

/// Class ids from scores, with room that is reused from picture to picture.
///
/// Where scores tie, the smallest class id wins, as with ONNX's ArgMax.
#[derive(Default)]
pub struct ArgMax {
    best: Vec<f32>,
    row: Vec<f32>,
    values: Vec<f32>,
}

impl ArgMax {
    /// Class ids `[h, w]` of logits `[classes, h, w]`.
    pub fn full(&mut self, logits: &[f32], size: Size, ids: &mut Vec<u8>) {
        ids.clear();
        ids.resize(size.area(), 0);
        for (chunk, ids) in ids.chunks_mut(CHUNK).enumerate() {
            let start = chunk * CHUNK;
            self.restart(ids.len());
            for (class, plane) in logits.chunks_exact(size.area()).enumerate() {
                keep_best(&plane[start..start + ids.len()], class as u8, &mut self.best, ids);
            }
        }
    }

    /// Class ids `[h, w]` of logits `[classes, h/8, w/8]`, as if they were upsampled first.
    ///
    /// The upsampling is bilinear between pixel centres (PyTorch's `align_corners=False`), one row at a time, so no
    /// tensor of `[classes, h, w]` is made.
    pub fn upsampled(&mut self, logits8: &[f32], size: Size, ids: &mut Vec<u8>) {
        let small = Size::new(size.height / STRIDE, size.width / STRIDE);
        ids.clear();
        ids.resize(size.area(), 0);
        self.values.resize(size.width, 0.0);
        for (y, ids) in ids.chunks_exact_mut(size.width).enumerate() {
            let tap = Tap::new(y, size.height, small.height);
            self.restart(size.width);
            for (class, plane) in logits8.chunks_exact(small.area()).enumerate() {
                let row = |index: usize| &plane[index * small.width..][..small.width];
                blend_rows(row(tap.first), row(tap.second), tap.weight, &mut self.row);
                stretch(&self.row, &mut self.values);
                keep_best(&self.values, class as u8, &mut self.best, ids);
            }
        }
    }

    fn restart(&mut self, len: usize) {
        self.best.clear();
        self.best.resize(len, f32::NEG_INFINITY);
    }
}

fn keep_best(values: &[f32], class: u8, best: &mut [f32], ids: &mut [u8]) {
    for ((&value, best), id) in values.iter().zip(best).zip(ids) {
        let better = value > *best;
        *best = if better { value } else { *best };
        *id = if better { class } else { *id };
    }
}

fn blend_rows(above: &[f32], below: &[f32], weight: f32, out: &mut Vec<f32>) {
    out.clear();
    out.extend(above.iter().zip(below).map(|(a, b)| a * (1.0 - weight) + b * weight));
}

/// Stretches a row to [`STRIDE`] times its length. Between two centres lie [`STRIDE`] pixels with fixed weights, and
/// half as many before the first centre and behind the last one.
fn stretch(row: &[f32], out: &mut [f32]) {
    const HALF: usize = STRIDE / 2;
    let weights: [f32; STRIDE] = std::array::from_fn(|i| (i as f32 + 0.5) / STRIDE as f32);
    let len = out.len();
    out[..HALF].fill(row[0]);
    out[len - HALF..].fill(row[row.len() - 1]);
    let (inner, _) = out[HALF..len - HALF].as_chunks_mut::<STRIDE>();
    for (pair, pixels) in row.windows(2).zip(inner) {
        for (pixel, weight) in pixels.iter_mut().zip(weights) {
            *pixel = pair[0] * (1.0 - weight) + pair[1] * weight;
        }
    }
}

/// Brings class ids from one size to another: each pixel takes the id at the nearest pixel centre. The room is reused.
#[derive(Default)]
pub struct NearestResizer {
    columns: Vec<usize>,
}

impl NearestResizer {
    /// Fills `out`, `[h, w]` of `to`, from `ids`, `[h, w]` of `from`.
    pub fn resize(&mut self, ids: &[u8], from: Size, to: Size, out: &mut [u8]) {
        if from == to {
            return out.copy_from_slice(ids);
        }
        self.columns.clear();
        self.columns.extend((0..to.width).map(|x| nearest(x, to.width, from.width)));
        for (y, out) in out.chunks_exact_mut(to.width).enumerate() {
            let row = &ids[nearest(y, to.height, from.height) * from.width..][..from.width];
            out.iter_mut().zip(&self.columns).for_each(|(out, &x)| *out = row[x]);
        }
    }
}

/// As [`NearestResizer`] does, once.
pub fn resize_nearest(ids: &[u8], from: Size, to: Size) -> Vec<u8> {
    let mut out = vec![0; to.area()];
    NearestResizer::default().resize(ids, from, to, &mut out);
    out
}

/// `floor((i + 0.5) * source / target)`, in whole numbers.
fn nearest(i: usize, target: usize, source: usize) -> usize {
    (2 * i + 1) * source / (2 * target)
}

/// Adds the pixels of each class to `counts`, by class id; an id beyond them is returned as an error.
fn count_classes(ids: &[u8], counts: &mut [u64]) -> Result<(), u8> {
    let mut all = [0u64; 256];
    for &id in ids {
        all[usize::from(id)] += 1;
    }
    let classes = counts.len().min(256);
    counts.iter_mut().zip(all).for_each(|(count, found)| *count += found);
    match (classes..256).find(|&id| all[id] > 0) {
        Some(id) => Err(id as u8),
        None => Ok(()),
    }
}

/// Makes masks of what a network puts out, reusing its buffers.
pub struct Postprocessor {
    head: Output,
    classes: usize,
    argmax: ArgMax,
    resizer: NearestResizer,
    ids: Vec<u8>,
    counts: Vec<u64>,
}

impl Postprocessor {
    /// For the outputs of `model`, from whichever of them gives class ids with least work.
    pub fn new(model: &Model) -> Self {
        let cheapest = [Output::ClassMap, Output::Logits, Output::Logits8];
        let head = cheapest.into_iter().find(|output| model.outputs().contains(output));
        let head = head.expect("a model has at least one output");
        let classes = model.classes();
        Self {
            head,
            classes,
            argmax: ArgMax::default(),
            resizer: NearestResizer::default(),
            ids: vec![],
            counts: vec![0; classes],
        }
    }

    /// Fills `mask`, `[h, w]` of `target`, with the class ids of picture `index` of a run at `size`, and gives the number
    /// of pixels of each class, by class id.
    ///
    /// # Errors
    ///
    /// Outputs that are not what the model promises, a mask of another size, or an id that is no class.
    pub fn mask(
        &mut self,
        outputs: &Outputs,
        index: usize,
        size: Size,
        target: Size,
        mask: &mut [u8],
    ) -> Result<&[u64], SegmentError> {
        if mask.len() != target.area() {
            return Err(SegmentError::MaskSize { found: mask.len(), expected: target });
        }
        let tensor = promised(outputs, self.head, self.classes, size)?;
        let each = self.head.values(self.classes, size);
        let part = index * each..(index + 1) * each;
        let ids = match (self.head, tensor.values()) {
            (Output::ClassMap, Values::U8(ids)) => ids.get(part),
            (Output::Logits, Values::F32(logits)) => logits.get(part).map(|logits| {
                self.argmax.full(logits, size, &mut self.ids);
                &*self.ids
            }),
            (Output::Logits8, Values::F32(logits)) => logits.get(part).map(|logits| {
                self.argmax.upsampled(logits, size, &mut self.ids);
                &*self.ids
            }),
            _ => None,
        };
        let ids = ids.ok_or_else(|| unpromised(tensor, self.head, self.classes, size))?;
        self.resizer.resize(ids, size, target, mask);
        self.counts.fill(0);
        count_classes(mask, &mut self.counts).map_err(|id| SegmentError::ClassId { id, classes: self.classes })?;
        Ok(&self.counts)
    }
}

/// The tensor of `output`, which must have the extents that the model promises for pictures of `size`.
pub(crate) fn promised(
    outputs: &Outputs,
    output: Output,
    classes: usize,
    size: Size,
) -> Result<&NamedTensor, SegmentError> {
    let tensor = outputs.get(output.name()).ok_or(SegmentError::NoOutput { output })?;
    let Size { height, width } = output.size(size);
    let holds = match (output, tensor.shape()) {
        (Output::ClassMap, &[_, h, w]) => (h, w) == (height, width),
        (Output::Logits | Output::Logits8, &[_, c, h, w]) => (c, h, w) == (classes, height, width),
        _ => false,
    };
    if holds { Ok(tensor) } else { Err(unpromised(tensor, output, classes, size)) }
}

fn unpromised(tensor: &NamedTensor, output: Output, classes: usize, size: Size) -> SegmentError {
    let batch = tensor.shape().first().copied().unwrap_or(1);
    SegmentError::OutputShape { output, found: tensor.shape().to_vec(), expected: output.shape(batch, classes, size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::between;

    /// The definition of bilinear upsampling, one value at a time.
    fn upsample(plane: &[f32], small: Size, y: usize, x: usize) -> f32 {
        let (row, column) = (Tap::new(y, 8 * small.height, small.height), Tap::new(x, 8 * small.width, small.width));
        between(plane, small.width, row, column)
    }

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn row_by_row_equals_upsampling_everything_first() {
        for small in [Size::new(1, 1), Size::new(1, 5), Size::new(4, 1), Size::new(9, 17)] {
            let size = Size::new(small.height * 8, small.width * 8);
            let classes = 7;
            let logits8 = noise(classes * small.area());
            let full: Vec<f32> = logits8
                .chunks(small.area())
                .flat_map(|plane| (0..size.area()).map(|i| upsample(plane, small, i / size.width, i % size.width)))
                .collect();
            let (mut expected, mut found) = (vec![], vec![]);
            ArgMax::default().full(&full, size, &mut expected);
            ArgMax::default().upsampled(&logits8, size, &mut found);
            let differing = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{small}");
        }
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        let mut ids = vec![];
        ArgMax::default().full(&[1.0, 2.0, 1.0, 3.0, 0.0, 3.0], Size::new(1, 2), &mut ids);
        assert_eq!(ids, [0, 1]);
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_centre() {
        let ids = [1, 2, 3, 4, 5, 6];
        let from = Size::new(2, 3);
        assert_eq!(resize_nearest(&ids, from, from), ids);
        assert_eq!(resize_nearest(&ids, from, Size::new(1, 1)), [5]);
        assert_eq!(resize_nearest(&ids, from, Size::new(4, 3)), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
        assert_eq!(resize_nearest(&ids, from, Size::new(2, 5)), [1, 1, 2, 3, 3, 4, 4, 5, 6, 6]);
    }

    #[test]
    fn foreign_ids_are_not_counted_as_classes() {
        let mut counts = [0; 3];
        assert_eq!((count_classes(&[0, 2, 2], &mut counts), counts), (Ok(()), [1, 0, 2]));
        assert_eq!(count_classes(&[0, 3], &mut counts), Err(3));
    }
}
