//! Two models or devices on the same pictures, in the unit people care about: pixels.

use image::{GrayImage, Rgb, RgbImage};

use crate::metrics::Confusion;
use crate::postprocess::resize_nearest;
use crate::scores::{Difference, leads};
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
    pub logits: Option<Difference>,
    /// Whether all logits of both were numbers. Masks that were made of NaN say nothing.
    pub numbers: bool,
    tie: f32,
}

impl Comparison {
    /// Nothing compared yet. Two classes tie where the reference's logits differ by less than `tie` of its largest.
    pub fn new(classes: usize, tie: f32) -> Self {
        Self { confusion: Confusion::new(classes), near_ties: Some(0), logits: None, numbers: true, tie }
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
        self.add_logits(candidate.logits(0), reference.logits(0));
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

    /// Whether at least this part of the pixels agrees, and not by masks that were made of NaN.
    pub fn passes(&self, least_agreement: f64) -> bool {
        self.numbers && self.agreement() >= least_agreement
    }

    fn add_logits(&mut self, candidate: Option<Logits<'_>>, reference: Option<Logits<'_>>) {
        let numbers = |logits: Logits<'_>| logits.values.iter().all(|value| value.is_finite());
        self.numbers &= [candidate, reference].into_iter().flatten().all(numbers);
        if let (Some(candidate), Some(reference)) = (candidate, reference)
            && candidate.size == reference.size
        {
            let found = Difference::of(candidate.values, reference.values);
            self.logits = Some(self.logits.unwrap_or_default().and(found));
        }
    }
}

fn differing<'a>(a: &'a GrayImage, b: &'a GrayImage) -> impl Iterator<Item = bool> + use<'a> {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a != b)
}

/// 1 for each pixel of the input whose two largest logits differ by no more than `tie` of the largest of all.
fn ties(logits: Logits<'_>, input: Size, tie: f32) -> Vec<u8> {
    let margin = tie * Difference::of(logits.values, logits.values).scale;
    leads(logits, input).into_iter().map(|lead| u8::from(lead.is_tie(margin))).collect()
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
        // Two classes whose logits cross in the middle between two positions, next to which they differ by 1/8.
        let values = [1.0, 0.0, 0.0, 1.0];
        let logits = Logits { values: &values, classes: 2, size: Size::new(1, 2) };
        let row: Vec<u8> = (0..16).map(|x| u8::from((7..=8).contains(&x))).collect();
        assert_eq!(ties(logits, Size::new(8, 16), 0.1), [0; 128]);
        assert_eq!(ties(logits, Size::new(8, 16), 0.2)[16..32], row);
        let doubled = values.map(|value| 2.0 * value);
        assert_eq!(
            ties(Logits { values: &doubled, ..logits }, Size::new(8, 16), 0.2)[16..32],
            row,
            "part of the scale"
        );
    }

    #[test]
    fn differences_are_drawn_by_kind() {
        let picture = RgbImage::from_pixel(3, 1, Rgb([90, 90, 90]));
        let drawn = draw(&picture, [false, true, true].into_iter(), Some(&[1, 1, 0]));
        assert_eq!(drawn.into_raw(), [30, 30, 30, 255, 220, 0, 255, 40, 40]);
    }

    #[test]
    fn logits_are_compared_over_all_pictures() {
        let mut comparison = Comparison::new(2, 0.0);
        let logits = |values, width| Some(Logits { values, classes: 2, size: Size::new(1, width) });
        comparison.add_logits(logits(&[1.0, 2.5], 1), logits(&[1.0, 2.0], 1));
        comparison.add_logits(logits(&[1.0, 9.0], 1), logits(&[1.0, 2.0, 3.0, 4.0], 2));
        comparison.add_logits(None, logits(&[1.0, 9.0], 1));
        assert_eq!(comparison.logits, Some(Difference { largest: 0.5, scale: 2.0 }), "of those of one size");
        assert!(comparison.passes(1.0));
    }

    #[test]
    fn what_was_made_of_nan_does_not_pass() {
        let (fine, one, all) = ([1.0, 2.0], [1.0, f32::NAN], [f32::NAN; 2]);
        for (candidate, reference) in [(one, fine), (fine, one), (one, one), (all, fine), (fine, all), (all, all)] {
            let logits = |values, width| Some(Logits { values, classes: 2, size: Size::new(1, width) });
            let mut comparison = Comparison::new(2, 0.0);
            comparison.confusion.add(&[0, 1], &[0, 1], None).unwrap();
            assert!(comparison.passes(1.0), "the masks are equal");
            comparison.add_logits(logits(&candidate, 1), logits(&reference, 1));
            comparison.add_logits(logits(&fine, 1), logits(&fine, 1));
            assert!(!comparison.passes(0.0), "{candidate:?}, {reference:?}");
            assert!(!comparison.logits.unwrap().within(1.0), "{candidate:?}, {reference:?}");
            let mut alone = Comparison::new(2, 0.0);
            alone.add_logits(logits(&candidate, 1), None);
            alone.add_logits(None, logits(&reference, 1));
            assert!(!alone.passes(0.0), "{candidate:?}, {reference:?}");
        }
    }
}
