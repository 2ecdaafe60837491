//! From the network's output to a mask of the picture's own size.

use lrnnet_graph::STRIDE;

use crate::resize::Tap;
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
        let mut values = vec![0.0; size.width];
        for (y, ids) in ids.chunks_exact_mut(size.width).enumerate() {
            let tap = Tap::new(y, size.height, small.height);
            self.restart(size.width);
            for (class, plane) in logits8.chunks_exact(small.area()).enumerate() {
                let row = |index: usize| &plane[index * small.width..][..small.width];
                blend_rows(row(tap.first), row(tap.second), tap.weight, &mut self.row);
                stretch(&self.row, &mut values);
                keep_best(&values, class as u8, &mut self.best, ids);
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

/// Brings class ids from one size to another: each pixel takes the id at the nearest pixel centre.
pub fn resize_nearest(ids: &[u8], from: Size, to: Size) -> Vec<u8> {
    if from == to {
        return ids.to_vec();
    }
    let columns: Vec<usize> = (0..to.width).map(|x| nearest(x, to.width, from.width)).collect();
    let mut out = Vec::with_capacity(to.area());
    for y in 0..to.height {
        let row = &ids[nearest(y, to.height, from.height) * from.width..][..from.width];
        out.extend(columns.iter().map(|&x| row[x]));
    }
    out
}

/// `floor((i + 0.5) * source / target)`, in whole numbers.
fn nearest(i: usize, target: usize, source: usize) -> usize {
    (2 * i + 1) * source / (2 * target)
}

/// Number of pixels of each of `classes` classes; an id beyond them is returned as an error.
pub fn count_classes(ids: &[u8], classes: usize) -> Result<Vec<u64>, u8> {
    let mut counts = [0u64; 256];
    for &id in ids {
        counts[usize::from(id)] += 1;
    }
    match (classes..256).find(|&id| counts[id] > 0) {
        Some(id) => Err(id as u8),
        None => Ok(counts[..classes.min(256)].to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of bilinear upsampling, one value at a time.
    fn upsample(plane: &[f32], small: Size, y: usize, x: usize) -> f32 {
        let (row, column) = (Tap::new(y, 8 * small.height, small.height), Tap::new(x, 8 * small.width, small.width));
        let at = |y: usize| {
            let row = &plane[y * small.width..];
            row[column.first] * (1.0 - column.weight) + row[column.second] * column.weight
        };
        at(row.first) * (1.0 - row.weight) + at(row.second) * row.weight
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
        assert_eq!(count_classes(&[0, 2, 2], 3), Ok(vec![1, 0, 2]));
        assert_eq!(count_classes(&[0, 3], 3), Err(3));
    }
}
