//! Why there is no segmenter, or no mask.

use crate::engine::EngineError;
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
    #[error(
        "input size {wanted} does not fit the model, whose size {fixed} is fixed; leave the size out, or export the \
         model with --imgsz {wanted} or --dynamic"
    )]
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

/// Why a picture cannot be segmented.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Nothing to segment.
    #[error("the picture has no pixels")]
    NoPixels,
    /// Another number of pictures than the segmenter was built for.
    #[error("{found} pictures were given to a segmenter for {expected} at a time; see SegmenterBuilder::batch")]
    Batch {
        /// Number of pictures.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// The runtime fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The runtime gives something else than the metadata says.
    #[error("the model put out {found} values as {output:?}; expected {expected}; export it again")]
    OutputSize {
        /// Output.
        output: Output,
        /// Number of values found.
        found: usize,
        /// Number of values expected.
        expected: usize,
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
