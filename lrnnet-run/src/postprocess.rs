//! From the network's output to a mask of the picture's own size.

use crate::argmax::ArgMax;
use crate::engine::{NamedTensor, Outputs, Values};
use crate::model::{Model, Output};
use crate::segmenter::SegmentError;
use crate::size::Size;

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
    /// The outputs that a run gives.
    promised: Vec<Output>,
    /// The one of them that masks are made of.
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
            promised: model.outputs().to_vec(),
            head,
            classes,
            argmax: ArgMax::default(),
            resizer: NearestResizer::default(),
            ids: vec![],
            counts: vec![0; classes],
        }
    }

    /// Whether a run at `size` gave all that the model promises.
    ///
    /// # Errors
    ///
    /// An output that is not there or has other extents.
    pub fn check(&self, outputs: &Outputs, size: Size) -> Result<(), SegmentError> {
        self.promised.iter().try_for_each(|&output| promised(outputs, output, self.classes, size).map(|_| ()))
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
fn promised(outputs: &Outputs, output: Output, classes: usize, size: Size) -> Result<&NamedTensor, SegmentError> {
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
