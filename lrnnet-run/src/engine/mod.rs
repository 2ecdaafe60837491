//! The one narrow door to the runtimes.

mod gpu;
pub mod library;
mod ort;
mod select;
mod tract;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use lrnnet_graph::InputKind;

pub use gpu::names as gpu_names;
pub use select::{Opened, open, open_for, placement};

use crate::device::Device;
use crate::model::Output;
use crate::size::Size;

/// What goes into a network: `batch` pictures of one size.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Values in the kind that the model takes.
    pub data: Data<'a>,
    /// Number of pictures.
    pub batch: usize,
    /// Height and width of each.
    pub size: Size,
}

/// Values of an [`Input`].
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// Normalised floats `[n, 3, h, w]`.
    F32Nchw(&'a [f32]),
    /// RGB bytes `[n, h, w, 3]`.
    U8Nhwc(&'a [u8]),
}

impl Input<'_> {
    /// Extents of the tensor.
    pub fn shape(&self) -> [usize; 4] {
        let kind = match self.data {
            Data::F32Nchw(_) => InputKind::F32Nchw,
            Data::U8Nhwc(_) => InputKind::U8Nhwc,
        };
        input_shape(kind, self.batch, self.size)
    }
}

/// Extents of the input tensor for `batch` pictures of one size.
fn input_shape(kind: InputKind, batch: usize, Size { height, width }: Size) -> [usize; 4] {
    match kind {
        InputKind::F32Nchw => [batch, 3, height, width],
        InputKind::U8Nhwc => [batch, height, width, 3],
    }
}

/// What comes out of a network. The room is reused from run to run; an output that the model lacks stays empty.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Class ids `[n, h, w]`.
    pub class_map: Vec<u8>,
    /// Scores `[n, classes, h, w]`.
    pub logits: Vec<f32>,
    /// Scores `[n, classes, h/8, w/8]`.
    pub logits8: Vec<f32>,
}

/// Room for one output.
enum Slot<'a> {
    Bytes(&'a mut Vec<u8>),
    Floats(&'a mut Vec<f32>),
}

impl Outputs {
    /// Drops all but what belongs to the first of `batch` pictures.
    pub fn keep_first(&mut self, batch: usize) {
        let batch = batch.max(1);
        self.class_map.truncate(self.class_map.len() / batch);
        self.logits.truncate(self.logits.len() / batch);
        self.logits8.truncate(self.logits8.len() / batch);
    }

    fn slot(&mut self, output: Output) -> Slot<'_> {
        match output {
            Output::ClassMap => Slot::Bytes(&mut self.class_map),
            Output::Logits => Slot::Floats(&mut self.logits),
            Output::Logits8 => Slot::Floats(&mut self.logits8),
        }
    }
}

/// Puts `values` into `room`, keeping its allocation.
fn refill<T: Copy>(room: &mut Vec<T>, values: &[T]) {
    room.clear();
    room.extend_from_slice(values);
}

/// A network that is loaded into a runtime.
pub trait Engine: Send {
    /// Does what a first run of this shape would do besides running, so that later runs take their usual time. For a
    /// shape that is prepared already there is nothing to do.
    ///
    /// # Errors
    ///
    /// A shape that the model cannot take, or a device that does not work.
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError>;

    /// Runs the network once.
    ///
    /// # Errors
    ///
    /// What the runtime reports.
    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError>;

    /// Puts `input` where the network reads it, for [`run_held`](Self::run_held).
    ///
    /// # Errors
    ///
    /// What the runtime reports.
    fn hold(&mut self, input: &Input<'_>) -> Result<(), EngineError>;

    /// Runs the network once on the input that is held and leaves the outputs where the network writes them: the
    /// network alone, without a copy, for measurements.
    ///
    /// # Errors
    ///
    /// What the runtime reports, and that no input is held.
    fn run_held(&mut self) -> Result<(), EngineError>;

    /// Runtime, version and device, in words.
    fn description(&self) -> &str;
}

/// Number of nodes of a network by what runs them: the execution providers of ONNX Runtime under their own names, or
/// `tract`.
pub type Placement = std::collections::BTreeMap<String, usize>;

/// How to open an engine.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// ONNX Runtime's library, or its folder; where it is not given, [`library::find`] searches for it.
    pub library: Option<PathBuf>,
    /// Threads of one run on the CPU; the runtime's choice where it is not given.
    pub threads: Option<NonZeroUsize>,
    /// Choices that only GPUs have.
    pub gpu: GpuOptions,
}

/// Choices that only GPUs have; other devices take no notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuOptions {
    /// CUDA: products of float32 values in TensorFloat-32, which keeps 10 of their 23 fraction bits. Off by default,
    /// although ONNX Runtime's own default is on, so that float32 means float32. TensorRT takes its own default.
    pub tf32: bool,
    /// TensorRT: float16 where that is faster, for a float32 model. A float16 model always runs in float16.
    pub fp16: bool,
    /// Record the launches of a run as a CUDA graph and replay them. The model's input shape must be fixed.
    pub graph: bool,
}

/// The cause of a failure inside a runtime.
pub type RuntimeCause = Box<dyn std::error::Error + Send + Sync>;

/// Why an engine cannot be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// ONNX Runtime's library is missing or unfit.
    #[error(transparent)]
    Library(#[from] library::LibraryError),
    /// The device does not work here.
    #[error("device {device} does not work here: {why}\n{fix}")]
    Device {
        /// The device that was asked for.
        device: Device,
        /// What is missing.
        why: String,
        /// What to do.
        fix: String,
        /// What the runtime reports.
        source: Option<RuntimeCause>,
    },
    /// The runtime does not take the model.
    #[error("{runtime} does not take the model at input size {size}")]
    Model {
        /// Name of the runtime.
        runtime: &'static str,
        /// Height and width; `any` where they are not fixed yet.
        size: String,
        /// What the runtime reports.
        source: RuntimeCause,
    },
    /// A CUDA graph of a model that has no fixed shape.
    #[error(
        "a CUDA graph holds one input shape, and that of {model} is not fixed; export it with --imgsz, not --dynamic"
    )]
    GraphShape {
        /// The model.
        model: String,
    },
    /// A run failed.
    #[error("running the network in {runtime} failed")]
    Run {
        /// Name of the runtime.
        runtime: &'static str,
        /// What the runtime reports.
        source: RuntimeCause,
    },
}
