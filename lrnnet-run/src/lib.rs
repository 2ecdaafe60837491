//! Pictures in, class masks out: LRNNet through ONNX Runtime or tract.
//!
//! [`Segmenter`] is the way in. It reads a model file of this project, which describes itself, loads it into a runtime
//! through the narrow [`engine::Engine`], and takes pictures of any size:
//!
//! ```text
//! file --picture (limits, upright)--> RGB8 --preprocess (resize, normalise)--> [1, 3, h, w]
//!      --engine (ONNX Runtime | tract)--> class map or logits --postprocess--> mask --mask, atomic--> PNG
//! ```
//!
//! Two runtimes, because each does what the other cannot: tract is part of the program and works with nothing
//! installed; ONNX Runtime is several times faster and drives GPUs, and is found and loaded when the program starts, so
//! that the program neither ships nor needs it.

pub mod atomic;
pub mod compare;
mod device;
pub mod engine;
pub mod label;
pub mod mask;
pub mod metrics;
mod model;
pub mod picture;
mod postprocess;
pub mod preprocess;
pub mod resize;
mod segmenter;
pub mod selftest;
mod size;

pub use device::{Device, UnknownDevice};
pub use model::{Model, ModelError, ModelProblem, Output};
pub use segmenter::{BuildError, Logits, SegmentError, Segmentation, Segmenter, SegmenterBuilder, Timings};
pub use size::{Size, SizeError};
