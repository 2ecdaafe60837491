//! How well one class map agrees with another: confusion matrix, IoU, mIoU, pixel accuracy.

use crate::ErrorKind;
/// Pixels counted by reference class and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// No pixels yet, of this many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts the pixels of one picture, of which `reference` and `predicted` hold the class ids in the same order.
    /// Pixels whose reference is `ignore` are left out.
    ///
    /// # Errors
    ///
    /// The first id that is neither a class nor ignored; nothing is counted then.
    ///
    /// # Panics
    ///
    /// If the two have different lengths.
    pub fn add(&mut self, reference: &[u8], predicted: &[u8], ignore: Option<u8>) -> Result<(), ForeignId> {
        assert_eq!(reference.len(), predicted.len(), "one id per pixel on both sides");
        let foreign = |id: u8| usize::from(id) >= self.classes;
        let bad_label = |&id: &u8| foreign(id) && Some(id) != ignore;
        let bad = reference.iter().position(bad_label).map(|i| (i, reference[i]));
        let bad = bad.or_else(|| predicted.iter().position(|&id| foreign(id)).map(|i| (i, predicted[i])));
        if let Some((index, id)) = bad {
            return Err(ForeignId { id, index, classes: self.classes });
        }
        for (&reference, &predicted) in reference.iter().zip(predicted) {
            if Some(reference) != ignore {
                self.counts[usize::from(reference) * self.classes + usize::from(predicted)] += 1;
            }
        }
        Ok(())
    }

    /// Rows of counts, one per reference class.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks(self.classes)
    }

    /// Intersection over union of each class, 0 to 1; `None` where neither side has a pixel of it.
    pub fn iou(&self) -> Vec<Option<f64>> {
        let row_sums: Vec<u64> = self.rows().map(|row| row.iter().sum()).collect();
        let column_sum = |class: usize| self.rows().map(|row| row[class]).sum::<u64>();
        let iou = |class: usize| {
            let both = self.counts[class * self.classes + class];
            let either = row_sums[class] + column_sum(class) - both;
            (either > 0).then(|| both as f64 / either as f64)
        };
        (0..self.classes).map(iou).collect()
    }

    /// The mean IoU over the classes that have one, 0 to 1; `None` without a pixel.
    pub fn mean_iou(&self) -> Option<f64> {
        let iou: Vec<f64> = self.iou().into_iter().flatten().collect();
        (!iou.is_empty()).then(|| iou.iter().sum::<f64>() / iou.len() as f64)
    }

    /// The share of pixels of the right class, 0 to 1; `None` without a pixel.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let total = self.pixels();
        let right: u64 = (0..self.classes).map(|class| self.counts[class * self.classes + class]).sum();
        (total > 0).then(|| right as f64 / total as f64)
    }

    /// Pixels counted.
    pub fn pixels(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// An id that is no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pixel {index} has id {id}; expected a class id below {classes} or the ignored id")]
pub struct ForeignId {
    /// The id.
    pub id: u8,
    /// Where it stands, counted in rows.
    pub index: usize,
    /// Number of classes.
    pub classes: usize,
}

impl ForeignId {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_matrix() {
        let mut confusion = Confusion::new(4);
        confusion.add(&[0, 0, 0, 1, 1, 2, 255], &[0, 0, 1, 1, 0, 2, 3], Some(255)).unwrap();
        // By hand: class 0: 2 of 4, class 1: 1 of 3, class 2: 1 of 1; class 3 is only predicted where it is ignored.
        assert_eq!(confusion.iou(), [Some(0.5), Some(1.0 / 3.0), Some(1.0), None]);
        let mean = confusion.mean_iou().unwrap();
        assert!((mean - (0.5 + 1.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12, "{mean}");
        assert_eq!(confusion.pixel_accuracy(), Some(4.0 / 6.0));
        assert_eq!(confusion.rows().next(), Some(&[2, 1, 0, 0][..]));
    }

    #[test]
    fn nothing_counted_has_no_figures() {
        let mut confusion = Confusion::new(2);
        confusion.add(&[9, 9], &[0, 1], Some(9)).unwrap();
        assert_eq!((confusion.mean_iou(), confusion.pixel_accuracy(), confusion.pixels()), (None, None, 0));
    }

    #[test]
    fn foreign_ids_are_errors_and_count_nothing() {
        let mut confusion = Confusion::new(2);
        let error = confusion.add(&[0, 7], &[0, 0], Some(255)).unwrap_err();
        assert_eq!(error, ForeignId { id: 7, index: 1, classes: 2 });
        assert!(confusion.add(&[0], &[5], None).is_err());
        assert_eq!(confusion.pixels(), 0);
    }
}
