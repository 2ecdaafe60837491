//! Why there is no segmenter, or no mask.

use std::convert::Infallible;

use crate::ErrorKind;
use crate::engine::EngineError;
use crate::frame::FrameError;
use crate::model::{ModelError, Output};
use crate::size::Size;

/// Why a segmenter cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model is none, or none that this program can feed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device, its library or the model in it does not work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another size than the only one.
    #[error("input size {wanted} does not fit the model, whose size {fixed} is fixed")]
    StaticSize {
        /// Size asked for.
        wanted: Size,
        /// The model's size.
        fixed: Size,
    },
    /// A size that the network cannot divide as it needs.
    #[error("input size {wanted} is not a multiple of {multiple}; the nearest that fits is {nearest}")]
    Multiple {
        /// Size asked for.
        wanted: Size,
        /// What height and width must be multiples of.
        multiple: usize,
        /// The nearest size that fits.
        nearest: Size,
    },
    /// Another number of pictures at a time than the only one.
    #[error("the model {model} takes {fixed} pictures at a time, not {wanted}; export one that takes {wanted}")]
    Batch {
        /// The model.
        model: String,
        /// Pictures per run asked for.
        wanted: usize,
        /// The model's pictures per run.
        fixed: usize,
    },
}

impl BuildError {
    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::StaticSize { .. } | Self::Multiple { .. } | Self::Batch { .. } => ErrorKind::Argument,
        }
    }
}

/// Why a picture cannot be segmented.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// No picture.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No picture, or more than the segmenter takes at a time.
    #[error("{found} pictures were given to a segmenter for 1 to {max} at a time; see SegmenterBuilder::batch")]
    Batch {
        /// Number of pictures.
        found: usize,
        /// Largest number.
        max: usize,
    },
    /// Another number of buffers than pictures.
    #[error("{found} buffers for the masks of {expected} pictures; expected one each")]
    Masks {
        /// Number of buffers.
        found: usize,
        /// Number of pictures.
        expected: usize,
    },
    /// A buffer that does not fit the mask.
    #[error("the buffer for a mask of {expected} has {found} bytes; expected {}, one per pixel", expected.area())]
    MaskSize {
        /// Bytes found.
        found: usize,
        /// Height and width of the mask.
        expected: Size,
    },
    /// The runtime fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The runtime does not give what the model promises.
    #[error("the run gave no output `{}`", output.name())]
    NoOutput {
        /// Output.
        output: Output,
    },
    /// The runtime gives something else than the metadata says.
    #[error("the model put out `{}` as {found:?}; expected {expected:?}; export it again", output.name())]
    OutputShape {
        /// Output.
        output: Output,
        /// Extents found.
        found: Vec<usize>,
        /// Extents expected.
        expected: Vec<usize>,
    },
    /// A class without a name.
    #[error("the model put out class id {id}, but has {classes} classes; export it again")]
    ClassId {
        /// Class id found.
        id: u8,
        /// Number of classes.
        classes: usize,
    },
}

impl SegmentError {
    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Frame(error) => error.kind(),
            Self::Engine(error) => error.kind(),
            Self::Batch { .. } | Self::Masks { .. } | Self::MaskSize { .. } => ErrorKind::Argument,
            Self::NoOutput { .. } | Self::OutputShape { .. } | Self::ClassId { .. } => ErrorKind::Run,
        }
    }
}

/// A [`Frame`](crate::Frame) in place of a picture is one already.
impl From<Infallible> for SegmentError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
