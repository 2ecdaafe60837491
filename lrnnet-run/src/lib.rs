//! Pictures in, class masks out: LRNNet through ONNX Runtime or tract.
//!
//! [`Segmenter`] is the way in. It reads a model file of this project, which describes itself, loads it into a runtime,
//! and takes pictures of any size:
//!
//! ```
//! # #[cfg(all(feature = "tract", feature = "builtin-model"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lrnnet_run::{Device, Frame, PixelFormat, Segmenter, Size};
//!
//! // A model file of `lrnnet-export` would be `Segmenter::builder().model_path("model.onnx")`.
//! let mut segmenter = Segmenter::builder().device(Device::TRACT).build()?;
//! let camera = vec![90u8; 720 * 1280 * 3]; // BGR, as OpenCV gives it
//! let frame = Frame::new(&camera, Size::new(720, 1280), PixelFormat::Bgr)?;
//! let mut mask = vec![0u8; 720 * 1280];
//! segmenter.segment_into(frame, &mut mask)?; // a class id per pixel, in a buffer of yours
//!
//! let names = &segmenter.metadata().classes.names;
//! let pixels = segmenter.class_pixels(0).expect("a picture was segmented");
//! println!("{}: {} pixels", names[0], pixels[0]);
//! assert_eq!(pixels.iter().sum::<u64>(), 720 * 1280);
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "tract", feature = "builtin-model")))]
//! # fn main() {}
//! ```
//!
//! It is a plain composition of stages, each of which is of use alone:
//!
//! ```text
//! file --picture (limits, upright)--> RGB8 --Preprocessor (resize, normalise)--> [1, 3, h, w]
//!      --Engine (ONNX Runtime | tract | yours)--> named tensors --Postprocessor--> mask --mask, atomic--> PNG
//! ```
//!
//! Two runtimes, because each does what the other cannot: tract is part of the program and works with nothing
//! installed; ONNX Runtime is several times faster and drives GPUs, and is found and loaded when the program starts, so
//! that the program neither ships nor needs it. A caller's own [`Engine`](engine::Engine) is a third.
//!
//! # Features
//!
//! All are on by default.
//!
//! | feature | brings |
//! |---|---|
//! | `ort` | ONNX Runtime: the devices `cpu`, `cuda` and `tensorrt` |
//! | `tract` | the device `tract`; most of the time that building takes |
//! | `builtin-model` | [`Model::builtin`], the trained CamVid model. Its weights are for **research use only**; without the feature they are not part of what is built |
//! | `cli` | the program `lrnnet-run`, with `ort` |
//!
//! # Errors
//!
//! Each error type says what failed and what was expected, and has a `kind()`: an [`ErrorKind`], the same few for all.

/// The program is written as its users' programs are: against what this crate shows.
#[cfg(feature = "cli")]
extern crate self as lrnnet_run;

mod argmax;
pub mod atomic;
#[cfg(feature = "cli")]
mod cli;
pub mod compare;
mod device;
pub mod engine;
mod frame;
mod guard;
pub mod label;
pub mod mask;
pub mod metrics;
mod model;
pub mod picture;
mod postprocess;
mod preprocess;
pub mod resize;
pub mod scores;
mod segmenter;
pub mod selftest;
mod size;
pub mod stream;
pub mod tolerance;

pub use image;
pub use lrnnet_graph::{ErrorKind, InputKind, Metadata, with_causes};

#[cfg(feature = "cli")]
pub use cli::program;
pub use device::{Device, DeviceChoice, DeviceOption, DeviceOptions, Hardware, Runtime, UnknownDevice, device_words};
pub use frame::{Frame, FrameError, PixelFormat};
pub use guard::Panicked;
pub use model::{Model, ModelError, ModelProblem, Output, OutputPort};
pub use postprocess::Postprocessor;
pub use preprocess::Preprocessor;
pub use segmenter::{BuildError, Logits, Run, SegmentError, Segmentation, Segmenter, SegmenterBuilder, Timings};
pub use size::{Size, SizeError};
