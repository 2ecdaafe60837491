//! A file proves that it does what it did when it was exported.

use image::RgbImage;
use lrnnet_graph::{SelfTest, synthetic};
use sha2::{Digest, Sha256};

use crate::engine::{Engine, EngineError, Outputs};
use crate::frame::Frame;
use crate::model::{Model, Output};
use crate::postprocess::ArgMax;
use crate::preprocess::Preprocessor;
use crate::size::Size;

/// What a self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The class map is the recorded one, byte for byte.
    Equal,
    /// The class map differs in no more pixels than near ties explain.
    WithinNearTies {
        /// Fewest pixels that can have changed their class.
        changed: u64,
        /// Near ties at export.
        near_ties: u64,
    },
    /// The class map is another one.
    Different {
        /// Fewest pixels that can have changed their class.
        changed: u64,
        /// Near ties at export.
        near_ties: u64,
    },
}

/// Runs `model` in `engine` on the picture that its metadata names and compares the class map with the record.
///
/// # Errors
///
/// A file without a self-test or with one that this program does not know, or an engine that fails.
pub fn run(model: &Model, engine: &mut dyn Engine) -> Result<Verdict, SelfTestError> {
    let record = model.metadata().selftest.as_ref().ok_or(SelfTestError::None)?;
    let size = Size::new(record.height, record.width);
    if record.input != SelfTest::PICTURE {
        return Err(SelfTestError::Picture(record.input.clone()));
    }
    let fits = model.fixed_size().unwrap_or_else(|| size.rounded_to(model.metadata().size_multiple));
    if size != fits {
        return Err(SelfTestError::Size { size, fits });
    }
    let mut preprocessor = Preprocessor::new(model.input_kind(), model.metadata());
    let mut outputs = Outputs::default();
    let batch = model.fixed_batch().unwrap_or(1);
    let picture = picture(size);
    let frame = Frame::try_from(&picture).expect("the picture has pixels");
    engine.prepare(batch, size)?;
    engine.run(&preprocessor.prepare_batch(&vec![frame; batch], batch, size), &mut outputs)?;
    outputs.keep_first(batch);
    Ok(judge(record, &class_ids(&outputs, model.classes())))
}

/// The picture of a self-test.
pub fn picture(size: Size) -> RgbImage {
    let bytes = synthetic::picture(size.height, size.width);
    RgbImage::from_raw(size.width as u32, size.height as u32, bytes).expect("the picture was made at this size")
}

/// The record of a class map, for the metadata of the file that made it.
pub fn record(size: Size, ids: &[u8], classes: usize, near_ties: u64) -> SelfTest {
    SelfTest {
        input: SelfTest::PICTURE.into(),
        height: size.height,
        width: size.width,
        class_map_sha256: sha256(ids),
        class_pixels: pixels_by_class(ids, classes),
        near_ties,
    }
}

/// The class map of `outputs`: the graph's own, or else the index of the largest logit of each position.
pub fn class_ids(outputs: &Outputs, classes: usize) -> Vec<u8> {
    if let Some(ids) = outputs.bytes(Output::ClassMap.name()) {
        return ids.to_vec();
    }
    let scores = [Output::Logits, Output::Logits8].into_iter().find_map(|output| outputs.floats(output.name()));
    let logits = scores.unwrap_or_default();
    // The shape of the map does not matter here, only its positions do.
    let positions = Size::new(1, logits.len() / classes.max(1));
    let mut ids = vec![];
    ArgMax::default().full(logits, positions, &mut ids);
    ids
}

fn judge(record: &SelfTest, ids: &[u8]) -> Verdict {
    if sha256(ids) == record.class_map_sha256 {
        return Verdict::Equal;
    }
    let counts = pixels_by_class(ids, record.class_pixels.len());
    let moved: u64 = counts.iter().zip(&record.class_pixels).map(|(a, b)| a.abs_diff(*b)).sum();
    let same_area = counts.iter().sum::<u64>() == record.class_pixels.iter().sum::<u64>();
    let (changed, near_ties) = (moved.div_ceil(2).max(1), record.near_ties);
    if same_area && changed <= near_ties {
        Verdict::WithinNearTies { changed, near_ties }
    } else {
        Verdict::Different { changed, near_ties }
    }
}

fn pixels_by_class(ids: &[u8], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    for &id in ids {
        if let Some(count) = counts.get_mut(usize::from(id)) {
            *count += 1;
        }
    }
    counts
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a self-test cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfTestError {
    /// Nothing to compare with.
    #[error("the file holds no self-test; export it again with verification")]
    None,
    /// A picture of a later version.
    #[error("the self-test wants the picture {0:?}; expected {known:?}; use a program of the file's version", known = SelfTest::PICTURE)]
    Picture(String),
    /// A size that the model cannot take.
    #[error("the self-test's picture has size {size}, but the model takes {fits}; export it again")]
    Size {
        /// Size in the record.
        size: Size,
        /// Size that the model takes.
        fits: Size,
    },
    /// The engine fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let size = Size::new(1, 6);
        let record = record(size, &[0, 0, 1, 1, 2, 2], 3, 1);
        // SHA-256 of the six bytes, by `printf '\0\0\1\1\2\2' | sha256sum`.
        assert_eq!(record.class_map_sha256, "65b5217afb418b86e6d1c868d1d96cfc61f29d50f1ab829062bc0b44e10967c1");
        let cases: [(&[u8], Verdict); 5] = [
            (&[0, 0, 1, 1, 2, 2], Verdict::Equal),
            (&[0, 1, 1, 1, 2, 2], Verdict::WithinNearTies { changed: 1, near_ties: 1 }),
            (&[1, 0, 0, 1, 2, 2], Verdict::WithinNearTies { changed: 1, near_ties: 1 }),
            (&[0, 1, 1, 1, 1, 2], Verdict::Different { changed: 2, near_ties: 1 }),
            (&[0, 0, 1, 1, 2], Verdict::Different { changed: 1, near_ties: 1 }),
        ];
        for (ids, verdict) in cases {
            assert_eq!(judge(&record, ids), verdict, "{ids:?}");
        }
    }

    #[test]
    fn logits_are_read_by_their_largest() {
        let mut outputs = Outputs::default();
        outputs.set("logits8", &[1, 3, 1, 2], &[1.0f32, 5.0, 2.0, 5.0, 3.0, 0.0][..]);
        assert_eq!(class_ids(&outputs, 3), [2, 0]);
        outputs.set("class_map", &[1, 1, 2], &[7u8, 8][..]);
        assert_eq!(class_ids(&outputs, 3), [7, 8]);
    }
}
