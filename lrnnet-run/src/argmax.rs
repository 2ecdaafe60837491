//! Class ids from scores. Where scores tie, the smallest class id wins, as with ONNX's ArgMax.

use std::ops::Range;

use lrnnet_graph::STRIDE;

use crate::size::Size;

/// Pixels worked on at a time, so that their best values stay in the cache.
const CHUNK: usize = 4096;
/// Pixels from the edge of a position of `logits8` to its centre.
const HALF: usize = STRIDE / 2;
/// How much the second of two centres weighs at each of the pixels between them.
const WEIGHTS: [f32; STRIDE] = {
    let mut weights = [0.0; STRIDE];
    let mut i = 0;
    while i < STRIDE {
        weights[i] = (i as f32 + 0.5) / STRIDE as f32;
        i += 1;
    }
    weights
};

/// Takes the class of the largest score, with room that is reused from picture to picture.
#[derive(Default)]
pub struct ArgMax {
    best: Vec<f32>,
    /// Class ids at the centres of `logits8`.
    centres: Vec<u8>,
}

impl ArgMax {
    /// Class ids `[h, w]` of logits `[classes, h, w]`.
    pub fn full(&mut self, logits: &[f32], size: Size, ids: &mut Vec<u8>) {
        ids.clear();
        ids.resize(size.area(), 0);
        for (chunk, ids) in ids.chunks_mut(CHUNK).enumerate() {
            let start = chunk * CHUNK;
            self.best.clear();
            self.best.resize(ids.len(), f32::NEG_INFINITY);
            for (class, plane) in logits.chunks_exact(size.area()).enumerate() {
                keep_best(&plane[start..start + ids.len()], class as u8, &mut self.best, ids);
            }
        }
    }

    /// Class ids `[h, w]` of logits `[classes, h/8, w/8]`, as if they were upsampled first: bilinearly between pixel
    /// centres (PyTorch's `align_corners=False`).
    ///
    /// The pixels between four centres have scores between theirs. So where one class leads at all four, it leads
    /// between them too, and nothing is interpolated there, which leaves the borders of things. No tensor of
    /// `[classes, h, w]` is made.
    pub fn upsampled(&mut self, logits8: &[f32], size: Size, ids: &mut Vec<u8>) {
        let small = Size::new(size.height / STRIDE, size.width / STRIDE);
        let mut centres = std::mem::take(&mut self.centres);
        self.full(logits8, small, &mut centres);
        ids.clear();
        ids.resize(size.area(), 0);
        for row in 0..=small.height {
            for column in 0..=small.width {
                let cell = Cell::new(small, row, column);
                let [first, others @ ..] = cell.corners.map(|corner| centres[corner]);
                if others == [first; 3] {
                    cell.fill(first, size, ids);
                } else {
                    cell.interpolate(logits8, small.area(), size, ids);
                }
            }
        }
        self.centres = centres;
    }
}

/// The pixels between four centres, fewer at the edges of the picture, where centres stand in for those outside.
struct Cell {
    /// Positions of the centres: top left, top right, bottom left, bottom right.
    corners: [usize; 4],
    /// Row and column of the picture's first pixel, counted from one cell's half outside of the picture.
    origin: [usize; 2],
}

impl Cell {
    fn new(small: Size, row: usize, column: usize) -> Self {
        let (top, bottom) = (row.saturating_sub(1), row.min(small.height - 1));
        let (left, right) = (column.saturating_sub(1), column.min(small.width - 1));
        let at = |row: usize, column: usize| row * small.width + column;
        Self {
            corners: [at(top, left), at(top, right), at(bottom, left), at(bottom, right)],
            origin: [row * STRIDE, column * STRIDE],
        }
    }

    /// Its rows and columns that are in the picture, counted from its own first.
    fn visible(&self, size: Size) -> [Range<usize>; 2] {
        let range = |origin: usize, extent: usize| HALF.saturating_sub(origin)..STRIDE.min(extent + HALF - origin);
        [range(self.origin[0], size.height), range(self.origin[1], size.width)]
    }

    /// Its row `y` in the picture, and which of its columns that has.
    fn row<'i>(&self, y: usize, columns: &Range<usize>, size: Size, ids: &'i mut [u8]) -> &'i mut [u8] {
        let start = (self.origin[0] + y - HALF) * size.width + self.origin[1] + columns.start - HALF;
        &mut ids[start..start + columns.len()]
    }

    fn fill(&self, id: u8, size: Size, ids: &mut [u8]) {
        let [rows, columns] = self.visible(size);
        rows.for_each(|y| self.row(y, &columns, size, ids).fill(id));
    }

    fn interpolate(&self, logits8: &[f32], area: usize, size: Size, ids: &mut [u8]) {
        let mut best = [[f32::NEG_INFINITY; STRIDE]; STRIDE];
        let mut classes = [[0; STRIDE]; STRIDE];
        for (class, plane) in logits8.chunks_exact(area).enumerate() {
            let [a, b, c, d] = self.corners.map(|corner| plane[corner]);
            for ((weight, best), ids) in WEIGHTS.iter().zip(&mut best).zip(&mut classes) {
                let (left, right) = (a * (1.0 - weight) + c * weight, b * (1.0 - weight) + d * weight);
                let values: [f32; STRIDE] = WEIGHTS.map(|weight| left * (1.0 - weight) + right * weight);
                keep_best(&values, class as u8, best, ids);
            }
        }
        let [rows, columns] = self.visible(size);
        for y in rows {
            self.row(y, &columns, size, ids).copy_from_slice(&classes[y][columns.clone()]);
        }
    }
}

fn keep_best(values: &[f32], class: u8, best: &mut [f32], ids: &mut [u8]) {
    for ((&value, best), id) in values.iter().zip(best).zip(ids) {
        let better = value > *best;
        *best = if better { value } else { *best };
        *id = if better { class } else { *id };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::{Tap, between};

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

    /// What [`ArgMax::upsampled`] gives, and what upsampling everything first gives.
    fn both_ways(logits8: &[f32], classes: usize, small: Size) -> [Vec<u8>; 2] {
        assert_eq!(logits8.len(), classes * small.area());
        let size = Size::new(small.height * 8, small.width * 8);
        let full: Vec<f32> = logits8
            .chunks(small.area())
            .flat_map(|plane| (0..size.area()).map(|i| upsample(plane, small, i / size.width, i % size.width)))
            .collect();
        let (mut expected, mut found) = (vec![], vec![9; 5]);
        ArgMax::default().full(&full, size, &mut expected);
        ArgMax::default().upsampled(logits8, size, &mut found);
        [found, expected]
    }

    #[test]
    fn cells_equal_upsampling_everything_first() {
        let sizes = [Size::new(1, 1), Size::new(1, 5), Size::new(4, 1), Size::new(9, 17), Size::new(45, 60)];
        for small in sizes {
            // Without a favourite nearly every cell holds a border, with one few do.
            for lead in [0.0, 0.4, 2.0] {
                let mut logits8 = noise(7 * small.area());
                logits8[3 * small.area()..4 * small.area()].iter_mut().for_each(|score| *score += lead);
                let [found, expected] = both_ways(&logits8, 7, small);
                let differing = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
                assert_eq!((found.len(), differing), (64 * small.area(), 0), "{small}, {lead}");
            }
        }
    }

    #[test]
    fn a_class_that_leads_between_centres_only_is_found() {
        // Class 2 is second at every centre, and first halfway between them.
        let logits8 = [10.0, 0.0, 0.0, 10.0, 6.0, 6.0];
        let [found, expected] = both_ways(&logits8, 3, Size::new(1, 2));
        assert_eq!(found, expected);
        assert_eq!(found[..16], [0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1, 1, 1, 1, 1, 1].map(|id| id));
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        let mut ids = vec![];
        ArgMax::default().full(&[1.0, 2.0, 1.0, 3.0, 0.0, 3.0], Size::new(1, 2), &mut ids);
        assert_eq!(ids, [0, 1]);
        let [found, expected] = both_ways(&[5.0; 3 * 6], 3, Size::new(2, 3));
        assert!(found == expected && found.iter().all(|id| *id == 0), "{found:?}");
    }
}
