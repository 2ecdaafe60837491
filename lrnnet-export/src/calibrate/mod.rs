//! Between what values the inside of a network moves, measured on pictures: what its integers have to reach.
//!
//! The float network runs in tract on one picture after the other, with its inner values as outputs, and the least and
//! the largest of each are kept: one pass, and no more memory than one picture needs. Nothing is cut off. With these
//! networks that loses as little as cutting off rare values does, and it asks nothing of how values are distributed.

mod samples;

use std::collections::BTreeSet;
use std::path::PathBuf;

use image::RgbImage;
use lrnnet_graph::{ConfigError, Head, InputSize, Model as Bound, Precision, Ranges};
use lrnnet_run::engine::{self, EngineError, EngineOptions, Outputs};
use lrnnet_run::picture::{self, PictureError};
use lrnnet_run::{Device, Frame, Model, ModelError as FileError, Preprocessor, Size};
use sha2::{Digest, Sha256};

pub use samples::Samples;

use crate::ErrorKind;
use crate::export::{ModelError, Plan};
use crate::note::Note;
use crate::verify::{encode, picture_size, with};
use crate::weights::{WeightFile, WeightsError};

/// Fewer pictures than this show too little of what a network may see.
const FEW: usize = 8;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated {
    /// The range of every value that becomes integers.
    pub ranges: Ranges,
    /// What makes them doubtful.
    pub notes: Vec<Note>,
}

/// Measures the ranges that [`Plan::ranges`] needs for an int8 model of the weights in `file`. `progress` hears how many
/// pictures are done. The same pictures always give the same ranges on the same kind of CPU.
///
/// # Errors
///
/// Weights that do not fit, a picture that cannot be read, pictures of which no two differ, and values that are no
/// numbers.
pub fn calibrate(
    file: &WeightFile,
    plan: &Plan,
    samples: &Samples,
    progress: &mut dyn FnMut(usize),
) -> Result<Calibrated, CalibrationError> {
    let size = picture_size(&plan.config);
    let config = with(&plan.config, |settings| {
        settings.head = Head::Logits8;
        settings.size = InputSize::Static { batch: 1, height: size.height, width: size.width };
    })?;
    let float = Plan { precision: Precision::Fp32, ..plan.clone() };
    let weights = plan.weights(file.clone())?;
    let model = float.model(config.clone(), weights.clone())?;
    // What cannot become int8 is found before any picture is read.
    let some = model.calibration_points().into_iter().map(|name| (name.to_owned(), [0.0, 1.0]));
    Plan { ranges: some.collect(), ..plan.clone() }.model(config, weights)?;
    let mut observed = Observed::new(&float, &model, size)?;
    let mut seen = Seen::default();
    for (i, path) in samples.files().iter().enumerate() {
        let unreadable = |source| CalibrationError::Picture { path: path.clone(), source };
        let picture = picture::open(path).map_err(unreadable)?;
        seen.add(&picture);
        observed.add(&picture)?;
        progress(i + 1);
    }
    Ok(Calibrated { ranges: observed.ranges, notes: seen.notes()? })
}

/// A network whose inner values are watched.
struct Observed {
    engine: Box<dyn engine::ResidentEngine>,
    preprocessor: Preprocessor,
    size: Size,
    outputs: Outputs,
    ranges: Ranges,
}

impl Observed {
    fn new(plan: &Plan, model: &Bound, size: Size) -> Result<Self, CalibrationError> {
        let points = model.calibration_points();
        let watched = model.with_outputs(points.iter().map(|name| (*name, *name))).expect("points are nodes");
        let file = Model::from_bytes("made for calibration", encode(&watched, plan))?;
        let opened = engine::open(&file, Device::TRACT, &EngineOptions::default(), &|_| {});
        let nothing = [f32::INFINITY, f32::NEG_INFINITY];
        Ok(Self {
            engine: opened.map_err(|source| CalibrationError::Engine { size, source })?.engine,
            preprocessor: Preprocessor::new(file.input_kind(), file.metadata()),
            size,
            outputs: Outputs::default(),
            ranges: points.into_iter().map(|name| (name.to_owned(), nothing)).collect(),
        })
    }

    /// Widens the ranges to what they are for `picture`.
    fn add(&mut self, picture: &RgbImage) -> Result<(), CalibrationError> {
        let frame = Frame::try_from(picture).expect("the picture has pixels");
        let input = self.preprocessor.prepare_batch(&[frame], 1, self.size);
        let ran = self.engine.run(&input, &mut self.outputs);
        ran.map_err(|source| CalibrationError::Engine { size: self.size, source })?;
        for (name, range) in &mut self.ranges {
            let values = self.outputs.floats(name).unwrap_or_default();
            *range = widened(*range, values).ok_or_else(|| CalibrationError::NotNumbers { name: name.clone() })?;
        }
        Ok(())
    }
}

/// `range` with `values` in it; `None` if there are none, or one of them is no finite number.
fn widened([low, high]: [f32; 2], values: &[f32]) -> Option<[f32; 2]> {
    // A comparison with NaN is false, so it is looked for by itself.
    let all_numbers = !values.is_empty() && values.iter().all(|value| value.is_finite());
    all_numbers.then(|| values.iter().fold([low, high], |[low, high], &value| [low.min(value), high.max(value)]))
}

/// What is known of the pictures so far.
#[derive(Default)]
struct Seen {
    pictures: usize,
    different: BTreeSet<[u8; 32]>,
    all_flat: bool,
}

impl Seen {
    fn add(&mut self, picture: &RgbImage) {
        let first = picture.as_raw()[..3].to_vec();
        let flat = picture.as_raw().chunks_exact(3).all(|pixel| pixel == first);
        self.all_flat = flat && (self.all_flat || self.pictures == 0);
        self.pictures += 1;
        self.different.insert(Sha256::digest(picture.as_raw()).into());
    }

    fn notes(&self) -> Result<Vec<Note>, CalibrationError> {
        let (pictures, different) = (self.pictures, self.different.len());
        if self.all_flat || (pictures > 1 && different == 1) {
            return Err(CalibrationError::Alike { pictures });
        }
        let mut notes = vec![];
        if different < pictures {
            notes.push(Note::CalibrationRepeats { pictures, different });
        }
        if different < FEW {
            notes.push(Note::CalibrationFew { different, wanted: FEW });
        }
        Ok(notes)
    }
}

/// Why ranges cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// A folder that is none, or that may not be read.
    #[error("cannot list the calibration pictures in `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: walkdir::Error,
    },
    /// A folder without pictures.
    #[error("no calibration picture in `{}`; expected files named .{}", .0.display(), picture::EXTENSIONS.join(", ."))]
    NoPictures(PathBuf),
    /// A file that is no picture.
    #[error("the calibration picture `{}` cannot be used; repair it or take it away", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PictureError,
    },
    /// Pictures that show one and the same thing.
    #[error(
        "{pictures} calibration pictures show one thing: they are equal, or of one colour each; expected pictures as the \
         model will see them"
    )]
    Alike {
        /// Number of pictures.
        pictures: usize,
    },
    /// Weights that compute no numbers.
    #[error("values of `{name}` are NaN or infinite on a calibration picture; expected numbers: check the weights")]
    NotNumbers {
        /// Name of the node.
        name: String,
    },
    /// tract does not run the network.
    #[error("the network does not run at {size}")]
    Engine {
        /// Height and width.
        size: Size,
        /// What tract says.
        source: EngineError,
    },
    /// The runtime's reader refuses the network.
    #[error("the runtime does not read the network")]
    File(#[from] FileError),
    /// The network cannot be built.
    #[error("the network cannot be built for calibration")]
    Config(#[from] ConfigError),
    /// Tensors of a type that weights do not have.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The weights do not fit the network.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl CalibrationError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Folder { .. } | Self::NoPictures(_) | Self::Picture { .. } | Self::Alike { .. } => {
                ErrorKind::Argument
            }
            Self::NotNumbers { .. } => ErrorKind::Weights,
            Self::Engine { .. } => ErrorKind::Run,
            Self::File(error) => error.kind(),
            Self::Config(error) => error.kind(),
            Self::Weights(error) => error.kind(),
            Self::Model(error) => error.kind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn seen(pictures: &[RgbImage]) -> Result<Vec<Note>, CalibrationError> {
        let mut seen = Seen::default();
        pictures.iter().for_each(|picture| seen.add(picture));
        seen.notes()
    }

    /// A picture that no other number gives.
    fn picture(number: u8) -> RgbImage {
        RgbImage::from_fn(4, 2, |x, _| Rgb([number, x as u8, 0]))
    }

    #[test]
    fn ranges_are_of_numbers_alone() {
        let nothing = [f32::INFINITY, f32::NEG_INFINITY];
        assert_eq!(widened(nothing, &[0.5, -2.0, 1.0]), Some([-2.0, 1.0]));
        assert_eq!(widened([-3.0, 0.5], &[0.75]), Some([-3.0, 0.75]));
        for values in [&[][..], &[f32::NAN], &[1.0, f32::NAN, 2.0], &[f32::INFINITY, 0.0], &[f32::NEG_INFINITY]] {
            assert_eq!(widened([-1.0, 1.0], values), None, "{values:?}");
        }
    }

    #[test]
    fn pictures_that_show_one_thing_are_refused() {
        let flat = |number| RgbImage::from_pixel(4, 2, Rgb([number; 3]));
        for pictures in [vec![picture(1); 3], vec![flat(1)], vec![flat(1), flat(2), flat(3)], vec![flat(1); 9]] {
            assert!(matches!(seen(&pictures), Err(CalibrationError::Alike { .. })), "{pictures:?}");
        }
        assert!(seen(&[flat(1), picture(1)]).is_ok() && seen(&[picture(1), flat(1)]).is_ok());
    }

    #[test]
    fn pictures_that_are_few_or_repeat_are_noted() {
        let many: Vec<_> = (0..8).map(picture).collect();
        let few = |different| Note::CalibrationFew { different, wanted: 8 };
        assert_eq!(seen(&many).unwrap(), []);
        assert_eq!(seen(&many[..7]).unwrap(), [few(7)]);
        assert_eq!(seen(&many[..1]).unwrap(), [few(1)]);
        let repeats = |pictures, different| Note::CalibrationRepeats { pictures, different };
        assert_eq!(seen(&[&many[..], &many[..]].concat()).unwrap(), [repeats(16, 8)]);
        assert_eq!(seen(&[&many[..2], &many[..2]].concat()).unwrap(), [repeats(4, 2), few(2)]);
    }
}
