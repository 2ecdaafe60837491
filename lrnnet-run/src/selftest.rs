//! A file proves that it does what it did when it was exported.

use std::iter;

use image::RgbImage;
use lrnnet_graph::{SelfTest, SelfTestRecord, synthetic};
use sha2::{Digest, Sha256};

use crate::ErrorKind;
use crate::argmax::ArgMax;
use crate::engine::{Engine, EngineError, Outputs};
use crate::frame::Frame;
use crate::model::Model;
use crate::picture::{MAX_PIXELS, MAX_SIDE};
use crate::preprocess::Preprocessor;
use crate::scores::Lead;
use crate::size::Size;

/// What a self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The class map is the recorded one, byte for byte.
    Equal,
    /// The class map differs at near ties and nowhere else.
    AtNearTies {
        /// Positions that were near ties at export.
        near_ties: u64,
        /// Positions of the class map.
        positions: u64,
    },
    /// The class map is another one.
    Different {
        /// Positions that were near ties at export, besides which it differs.
        near_ties: u64,
        /// Positions that the class map should have.
        positions: u64,
    },
}

/// Runs `model` in `engine` on the picture that its metadata names and compares the class map with the record.
///
/// # Errors
///
/// A file without a self-test or with one that this program does not know, an engine that fails, or logits that are no
/// numbers.
pub fn run(model: &Model, engine: &mut dyn Engine) -> Result<Verdict, SelfTestError> {
    let record = match model.metadata().selftest.as_ref().ok_or(SelfTestError::None)? {
        SelfTest::Known(record) => record,
        // Files had no version before there was a second one.
        SelfTest::Other(found) => {
            return Err(SelfTestError::Version { found: found["version"].as_u64().unwrap_or(1) });
        }
    };
    let size = Size::new(record.height, record.width);
    let longest = size.height.max(size.width);
    if longest > MAX_SIDE as usize || size.area() as u64 > MAX_PIXELS {
        return Err(SelfTestError::TooLarge { size });
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
    if outputs.logits().unwrap_or_default().iter().any(|value| !value.is_finite()) {
        return Err(SelfTestError::NotNumbers);
    }
    Ok(judge(record, &class_ids(&outputs, model.classes())))
}

/// The picture of a self-test.
pub fn picture(size: Size) -> RgbImage {
    let bytes = synthetic::picture(size.height, size.width);
    RgbImage::from_raw(size.width as u32, size.height as u32, bytes).expect("the picture was made at this size")
}

/// The record of a class map, for the metadata of the file that made it from a picture of size `size`. A position is a
/// near tie where the lead is within `noise`, the most that an engine may change it by.
///
/// There is none where more than half of the positions are near ties: it would prove too little. And none where they
/// lie in more than [`SelfTestRecord::MAX_RUNS`] runs.
///
/// # Panics
///
/// If there is not one lead for each id.
pub fn record(size: Size, ids: &[u8], leads: &[Lead], noise: f32) -> Option<SelfTestRecord> {
    assert_eq!(ids.len(), leads.len(), "one lead per id");
    let mut runs = vec![0];
    for lead in leads {
        let in_tie = runs.len() % 2 == 0;
        if lead.is_tie(noise) != in_tie {
            runs.push(0);
        }
        *runs.last_mut().expect("it starts with one") += 1;
    }
    let record = SelfTestRecord {
        version: SelfTestRecord::VERSION,
        input: SelfTestRecord::PICTURE.into(),
        height: size.height,
        width: size.width,
        class_map_sha256: sha256([ids]),
        clear_sha256: sha256(clear_runs(&runs, ids)),
        near_ties: runs,
    };
    let (near_ties, positions) = counts(&record);
    (2 * near_ties <= positions && record.near_ties.len() <= SelfTestRecord::MAX_RUNS).then_some(record)
}

/// Holds a class map against the record of the file that made it.
pub fn judge(record: &SelfTestRecord, ids: &[u8]) -> Verdict {
    let (near_ties, positions) = counts(record);
    if sha256([ids]) == record.class_map_sha256 {
        Verdict::Equal
    } else if ids.len() as u64 == positions && sha256(clear_runs(&record.near_ties, ids)) == record.clear_sha256 {
        Verdict::AtNearTies { near_ties, positions }
    } else {
        Verdict::Different { near_ties, positions }
    }
}

/// The class map of `outputs`: the graph's own, or else the index of the largest logit of each position.
pub fn class_ids(outputs: &Outputs, classes: usize) -> Vec<u8> {
    if let Some(ids) = outputs.class_map() {
        return ids.to_vec();
    }
    let logits = outputs.logits().unwrap_or_default();
    // The shape of the map does not matter here, only its positions do.
    let positions = Size::new(1, logits.len() / classes.max(1));
    let mut ids = vec![];
    ArgMax::default().full(logits, positions, &mut ids);
    ids
}

/// Near ties and positions of a record.
fn counts(record: &SelfTestRecord) -> (u64, u64) {
    let sum = |runs: &mut dyn Iterator<Item = &u32>| runs.map(|&run| u64::from(run)).sum();
    (sum(&mut record.near_ties.iter().skip(1).step_by(2)), sum(&mut record.near_ties.iter()))
}

/// The runs of ids that are no near ties, as far as there are ids.
fn clear_runs<'a>(runs: &'a [u32], ids: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let (mut rest, mut runs) = (ids, runs.chunks(2));
    iter::from_fn(move || {
        let pair = runs.next()?;
        let (clear, after) = rest.split_at_checked(pair[0] as usize)?;
        rest = after.get(pair.get(1).map_or(0, |&ties| ties as usize)..).unwrap_or_default();
        Some(clear)
    })
}

fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a self-test cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfTestError {
    /// Nothing to compare with.
    #[error("the file holds no self-test; export it again, with verification")]
    None,
    /// Another version, or a record that is damaged.
    #[error(
        "the file's self-test has version {found} or is damaged; expected version {known} on the picture {picture}: \
         export the file again, or use a program of its version",
        known = SelfTestRecord::VERSION, picture = SelfTestRecord::PICTURE
    )]
    Version {
        /// Version in the file.
        found: u64,
    },
    /// A size that the model cannot take.
    #[error("the self-test's picture has size {size}, but the model takes {fits}; export it again")]
    Size {
        /// Size in the record.
        size: Size,
        /// Size that the model takes.
        fits: Size,
    },
    /// A picture that no picture may be as large as.
    #[error(
        "the self-test's picture has size {size}; expected at most {MAX_SIDE} a side and {MAX_PIXELS} pixels in all"
    )]
    TooLarge {
        /// Size in the record.
        size: Size,
    },
    /// Logits from which no class follows.
    #[error("the model put out logits that are NaN or infinite; expected numbers: try another device")]
    NotNumbers,
    /// The engine fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SelfTestError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::NotNumbers => ErrorKind::Run,
            _ => ErrorKind::Model,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(by: [f32; 6]) -> Vec<Lead> {
        by.into_iter().map(|by| Lead { class: 0, by }).collect()
    }

    #[test]
    fn near_ties_are_counted_in_runs() {
        let size = Size::new(1, 6);
        let runs = |by| record(size, &[0, 0, 1, 1, 2, 2], &leads(by), 1.0).map(|record| record.near_ties);
        assert_eq!(runs([2.0; 6]), Some(vec![6]));
        assert_eq!(runs([2.0, 1.0, 1.0, 2.0, 2.0, 0.5]), Some(vec![1, 2, 2, 1]));
        assert_eq!(runs([1.0, 2.0, 2.0, 2.0, 2.0, 2.0]), Some(vec![0, 1, 5]));
        assert_eq!(runs([1.0, 1.0, 1.0, 1.0, 2.0, 2.0]), None, "most are near ties");
    }

    #[test]
    fn a_record_has_no_more_runs_than_readers_take() {
        let runs = |runs: usize| {
            let leads: Vec<_> = (0..runs).map(|i| Lead { class: 0, by: if i % 2 == 0 { 2.0 } else { 0.0 } }).collect();
            record(Size::new(1, runs), &vec![0; runs], &leads, 1.0)
        };
        assert!(runs(SelfTestRecord::MAX_RUNS).is_some_and(|record| record.near_ties.len() == 100_000));
        assert_eq!(runs(SelfTestRecord::MAX_RUNS + 1), None);
    }

    #[test]
    fn verdicts() {
        let size = Size::new(1, 6);
        let record = record(size, &[0, 0, 1, 1, 2, 2], &leads([2.0, 0.5, 0.0, 2.0, 2.0, 1.0]), 1.0).unwrap();
        // By `printf '\0\0\1\1\2\2' | sha256sum` and `printf '\0\1\2' | sha256sum`.
        assert_eq!(record.class_map_sha256, "65b5217afb418b86e6d1c868d1d96cfc61f29d50f1ab829062bc0b44e10967c1");
        assert_eq!(record.clear_sha256, "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc");
        assert_eq!(record.near_ties, [1, 2, 2, 1]);
        let at_near_ties = Verdict::AtNearTies { near_ties: 3, positions: 6 };
        let different = Verdict::Different { near_ties: 3, positions: 6 };
        let cases: [(&[u8], Verdict); 9] = [
            (&[0, 0, 1, 1, 2, 2], Verdict::Equal),
            (&[0, 1, 1, 1, 2, 2], at_near_ties),
            (&[0, 1, 0, 1, 2, 9], at_near_ties),
            (&[1, 0, 1, 1, 2, 2], different),
            (&[0, 0, 1, 2, 1, 2], different),
            (&[0, 0, 1, 1, 2], different),
            (&[0, 0, 1, 1, 2, 2, 2], different),
            (&[0, 1, 2], different),
            (&[], different),
        ];
        for (ids, verdict) in cases {
            assert_eq!(judge(&record, ids), verdict, "{ids:?}");
        }
    }

    #[test]
    fn records_that_contradict_themselves_pass_nothing() {
        let good = record(Size::new(1, 4), &[0, 1, 2, 3], &leads([2.0; 6])[..4], 1.0).unwrap();
        for near_ties in [vec![], vec![0], vec![3], vec![5], vec![4, 1], vec![u32::MAX; 9]] {
            let bad = SelfTestRecord { near_ties, ..good.clone() };
            assert!(matches!(judge(&bad, &[0, 1, 2, 9]), Verdict::Different { .. }), "{:?}", bad.near_ties);
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
