//! What was assumed, or overruled, on the way to a configuration.

use std::fmt;

use lrnnet_graph::{Context, Normalization};

/// One thing that was not asked for and is not certain, or that was asked for against what the weights say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// The context is the one that the weights name.
    ContextOfWeights(Context),
    /// The weights have a context but do not say which.
    ContextAssumed(Context),
    /// Another context was asked for than the weights name.
    ContextOverruled {
        /// The one asked for.
        asked: Context,
        /// The one that the weights name.
        said: Context,
    },
    /// The class names are those that the weights hold.
    ClassesOfWeights,
    /// The class names follow from the number of classes alone.
    ClassesAssumed {
        /// The data set that has so many.
        data: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The weights do not say for which size they were trained.
    TrainedSizeAssumed([usize; 2]),
    /// The weights do not say how their pictures were normalised.
    NormalizationAssumed(Normalization),
    /// Another normalisation was asked for than the weights name.
    NormalizationOverruled {
        /// The one asked for.
        asked: Normalization,
        /// The one that the weights name.
        said: Normalization,
    },
    /// Some of the calibration pictures are equal.
    CalibrationRepeats {
        /// How many there are.
        pictures: usize,
        /// How many of them differ.
        different: usize,
    },
    /// There are few calibration pictures.
    CalibrationFew {
        /// How many different ones there are.
        different: usize,
        /// How many there should be.
        wanted: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = |[red, green, blue]: [f32; 3]| format!("{red}, {green}, {blue}");
        match self {
            Self::ContextOfWeights(context) => write!(f, "context {context}, by the metadata of the weights"),
            Self::ContextAssumed(context) => {
                write!(f, "context {context} assumed: the weights have a context module but do not say which")
            }
            Self::ContextOverruled { asked, said } => {
                write!(f, "context {asked} as asked for, although the weights were trained with {said}")
            }
            Self::ClassesOfWeights => f.write_str("class names by the metadata of the weights"),
            Self::ClassesAssumed { data, count } => write!(f, "class names of {data} assumed for {count} classes"),
            Self::TrainedSizeAssumed([height, width]) => {
                write!(f, "training size {height}x{width} assumed: the weights do not say theirs")
            }
            Self::NormalizationAssumed(Normalization { mean, std }) => write!(
                f,
                "normalisation of ImageNet assumed (mean {}, deviation {}): the weights do not say theirs, and masks are \
                 wrong if it is another one",
                channels(*mean),
                channels(*std)
            ),
            Self::NormalizationOverruled { asked, said } => write!(
                f,
                "mean {} and deviation {} as asked for, although the weights were trained with {} and {}",
                channels(asked.mean),
                channels(asked.std),
                channels(said.mean),
                channels(said.std)
            ),
            Self::CalibrationRepeats { pictures, different } => {
                write!(f, "only {different} of {pictures} calibration pictures differ")
            }
            Self::CalibrationFew { different, wanted } => write!(
                f,
                "calibration pictures: only {different}, and what they do not show is cut off; {wanted} or more are better"
            ),
        }
    }
}
