//! Two models or devices on the same pictures, in the unit people care about: pixels.

use image::{GrayImage, Rgb, RgbImage};

use crate::metrics::Confusion;
use crate::postprocess::resize_nearest;
use crate::segmenter::{Logits, SegmentError, Segmenter};
use crate::size::Size;

/// What was found over all pictures.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Pixels by class of the reference and of the candidate.
    pub confusion: Confusion,
    /// Pixels of another class where the reference's two best classes are as good as equal; `None` without logits.
    pub near_ties: Option<u64>,
    /// Largest difference of a logit and the largest logit; `None` unless both have logits of one size.
    pub logits: Option<LogitDifference>,
    tie: f32,
}

/// How far logits lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitDifference {
    /// Largest difference.
    pub largest: f32,
    /// Largest logit of the reference, without its sign.
    pub scale: f32,
}

impl Comparison {
    /// Nothing compared yet. Two classes tie where the reference's logits differ by less than `tie` of its largest.
    pub fn new(classes: usize, tie: f32) -> Self {
        Self { confusion: Confusion::new(classes), near_ties: Some(0), logits: None, tie }
    }

    /// Segments `picture` with both, counts, and draws where they differ.
    ///
    /// # Errors
    ///
    /// A picture that one of them cannot segment.
    pub fn add(
        &mut self,
        picture: &RgbImage,
        candidate: &mut Segmenter,
        reference: &mut Segmenter,
    ) -> Result<RgbImage, SegmentError> {
        let found = candidate.segment(picture)?;
        let expected = reference.segment(picture)?;
        let counted = self.confusion.add(expected.mask.as_raw(), found.mask.as_raw(), None);
        counted.map_err(|foreign| SegmentError::ClassId { id: foreign.id, classes: foreign.classes })?;
        if let (Some(a), Some(b)) = (candidate.logits(0), reference.logits(0)) {
            self.compare_logits(a, b);
        }
        let ties = reference.logits(0).map(|logits| ties(logits, expected.input_size, self.tie));
        let own_size = Size::new(picture.height() as usize, picture.width() as usize);
        let ties = ties.map(|ties| resize_nearest(&ties, expected.input_size, own_size));
        self.near_ties = self.near_ties.zip(ties.as_ref()).map(|(count, ties)| {
            count
                + differing(&expected.mask, &found.mask)
                    .zip(ties)
                    .filter(|(differs, tie)| *differs && **tie == 1)
                    .count() as u64
        });
        Ok(draw(picture, differing(&expected.mask, &found.mask), ties.as_deref()))
    }

    /// Pixels compared.
    pub fn pixels(&self) -> u64 {
        self.confusion.pixels()
    }

    /// Pixels of another class.
    pub fn differing(&self) -> u64 {
        let equal: u64 = self.confusion.rows().enumerate().map(|(class, row)| row[class]).sum();
        self.pixels() - equal
    }

    /// The share of pixels of the same class, 0 to 1; 1 where nothing was compared.
    pub fn agreement(&self) -> f64 {
        self.confusion.pixel_accuracy().unwrap_or(1.0)
    }

    fn compare_logits(&mut self, candidate: Logits<'_>, reference: Logits<'_>) {
        if candidate.values.len() != reference.values.len() {
            return;
        }
        let before = self.logits.unwrap_or(LogitDifference { largest: 0.0, scale: 0.0 });
        let pairs = candidate.values.iter().zip(reference.values);
        // A NaN stays the largest difference; f32::max would drop it.
        let wider = |most: f32, (a, b): (&f32, &f32)| {
            let difference = (a - b).abs();
            if most.is_nan() || difference <= most { most } else { difference }
        };
        self.logits = Some(LogitDifference {
            largest: pairs.fold(before.largest, wider),
            scale: reference.values.iter().fold(before.scale, |most, v| most.max(v.abs())),
        });
    }
}

fn differing<'a>(a: &'a GrayImage, b: &'a GrayImage) -> impl Iterator<Item = bool> + use<'a> {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a != b)
}

/// 1 for each pixel of the input whose two largest logits differ by less than `tie` of the largest of all.
fn ties(logits: Logits<'_>, input: Size, tie: f32) -> Vec<u8> {
    let scale = logits.values.iter().fold(0f32, |most, v| most.max(v.abs()));
    let (rows, columns) = (logits.size.height, logits.size.width);
    let is_tie = |y: usize, x: usize| {
        let mut best = [f32::NEG_INFINITY; 2];
        for plane in logits.values.chunks_exact(rows * columns) {
            let value = sample(
                plane,
                logits.size,
                (y as f32 + 0.5) * rows as f32 / input.height as f32,
                (x as f32 + 0.5) * columns as f32 / input.width as f32,
            );
            best = [best[0].max(value), best[1].max(value.min(best[0]))];
        }
        u8::from(best[0] - best[1] < tie * scale)
    };
    (0..input.area()).map(|i| is_tie(i / input.width, i % input.width)).collect()
}

/// Bilinear interpolation between pixel centres, at a point in pixels.
fn sample(plane: &[f32], size: Size, y: f32, x: f32) -> f32 {
    let around = |at: f32, len: usize| {
        let at = (at - 0.5).clamp(0.0, (len - 1) as f32);
        (at as usize, (at as usize + 1).min(len - 1), at.fract())
    };
    let ((y0, y1, fy), (x0, x1, fx)) = (around(y, size.height), around(x, size.width));
    let row = |y: usize| plane[y * size.width + x0] * (1.0 - fx) + plane[y * size.width + x1] * fx;
    row(y0) * (1.0 - fy) + row(y1) * fy
}

/// The picture in dark grey, near ties in yellow, real differences in red.
fn draw(picture: &RgbImage, differing: impl Iterator<Item = bool>, ties: Option<&[u8]>) -> RgbImage {
    const RED: Rgb<u8> = Rgb([255, 40, 40]);
    const YELLOW: Rgb<u8> = Rgb([255, 220, 0]);
    let mut drawn = picture.clone();
    for (i, (pixel, differs)) in drawn.pixels_mut().zip(differing).enumerate() {
        let grey = (pixel.0.iter().map(|&v| u16::from(v)).sum::<u16>() / 9) as u8;
        *pixel = match (differs, ties.is_some_and(|ties| ties[i] == 1)) {
            (false, _) => Rgb([grey; 3]),
            (true, true) => YELLOW,
            (true, false) => RED,
        };
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_found_at_the_size_of_the_input() {
        // Two classes whose logits cross in the middle between two positions.
        let values = [1.0, 0.0, 0.0, 1.0];
        let logits = Logits { values: &values, classes: 2, size: Size::new(1, 2) };
        let found = ties(logits, Size::new(8, 16), 0.1);
        let row: Vec<u8> = (0..16).map(|x| u8::from((7..=8).contains(&x))).collect();
        // Next to the crossing at 8 the logits differ by 1/8.
        assert_eq!(found[..16], vec![0; 16]);
        assert_eq!(ties(logits, Size::new(8, 16), 0.2)[16..32], row);
    }

    #[test]
    fn differences_are_drawn_by_kind() {
        let picture = RgbImage::from_pixel(3, 1, Rgb([90, 90, 90]));
        let drawn = draw(&picture, [false, true, true].into_iter(), Some(&[1, 1, 0]));
        assert_eq!(drawn.into_raw(), [30, 30, 30, 255, 220, 0, 255, 40, 40]);
    }

    #[test]
    fn a_nan_is_the_largest_difference() {
        let mut comparison = Comparison::new(2, 0.0);
        let logits = |values| Logits { values, classes: 2, size: Size::new(1, 1) };
        comparison.compare_logits(logits(&[1.0, 2.5]), logits(&[1.0, 2.0]));
        assert_eq!(comparison.logits, Some(LogitDifference { largest: 0.5, scale: 2.0 }));
        comparison.compare_logits(logits(&[f32::NAN, 0.0]), logits(&[0.0, -3.0]));
        let found = comparison.logits.unwrap();
        assert!(found.largest.is_nan() && found.scale == 3.0, "{found:?}");
    }
}
