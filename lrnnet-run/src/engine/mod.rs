//! The one narrow door to the runtimes.
//!
//! An [`Engine`] is a network loaded into a runtime: pictures in their tensor form go in, named tensors come out.
//! [`open`] makes one for a device of the table [`BACKENDS`]; a caller's own type may be one as well:
//!
//! ```
//! use lrnnet_run::Size;
//! use lrnnet_run::engine::{Engine, EngineError, Input, Outputs};
//!
//! /// Calls everything class 0.
//! struct Blank;
//!
//! impl Engine for Blank {
//!     fn prepare(&mut self, _batch: usize, _size: Size) -> Result<(), EngineError> {
//!         Ok(())
//!     }
//!
//!     fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
//!         let Size { height, width } = input.size;
//!         let ids = vec![0u8; input.batch * height * width];
//!         outputs.set("class_map", &[input.batch, height, width], &ids[..]);
//!         Ok(())
//!     }
//!
//!     fn description(&self) -> &str {
//!         "nothing, CPU"
//!     }
//! }
//! ```

mod error;
mod open;
#[cfg(feature = "ort")]
mod ort;
mod outputs;
mod table;
#[cfg(feature = "tract")]
mod tract;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use lrnnet_graph::InputKind;

pub use self::error::{DeviceProblem, EngineError, RuntimeCause};
pub(crate) use self::open::open_fitting;
pub use self::open::{Opened, Opening, open, open_for, placement};
#[cfg(feature = "ort")]
pub use self::ort::{gpu_names, library};
pub use self::outputs::{NamedTensor, Outputs, Values, ValuesRef};
pub use self::table::{BACKENDS, Backend};
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
#[non_exhaustive]
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

/// A network that is loaded into a runtime.
pub trait Engine: Send {
    /// Does what a first run of this shape would do besides running, so that later runs take their usual time. For a
    /// shape that is prepared already there is nothing to do.
    ///
    /// # Errors
    ///
    /// A shape that the model cannot take, or a device that does not work.
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError>;

    /// Runs the network once and [sets](Outputs::set) each of its outputs under the graph's name.
    ///
    /// # Errors
    ///
    /// What the runtime reports.
    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError>;

    /// Runtime, version and device, in words.
    fn description(&self) -> &str;
}

/// An engine that can be measured without its copies.
pub trait ResidentEngine: Engine {
    /// Puts `input` where the network reads it, for [`run_held`](Self::run_held).
    ///
    /// # Errors
    ///
    /// What the runtime reports.
    fn hold(&mut self, input: &Input<'_>) -> Result<(), EngineError>;

    /// Runs the network once on the input that is held and leaves the outputs where the network writes them: the
    /// network alone, without a copy.
    ///
    /// # Errors
    ///
    /// What the runtime reports, and that no input is held.
    fn run_held(&mut self) -> Result<(), EngineError>;
}

impl<E: Engine + ?Sized> Engine for Box<E> {
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError> {
        (**self).prepare(batch, size)
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        (**self).run(input, outputs)
    }

    fn description(&self) -> &str {
        (**self).description()
    }
}

/// Number of nodes of a network by what runs them: the execution providers of ONNX Runtime under their own names, or
/// `tract`.
pub type Placement = std::collections::BTreeMap<String, usize>;

/// How runtimes are found and run.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// ONNX Runtime's library, or its folder; where it is not given, the usual places are searched.
    pub library: Option<PathBuf>,
    /// Another place to search for it, before the usual ones and after what the user names in `ORT_DYLIB_PATH`: for
    /// programs that come with a library, or know where one is installed.
    pub suggested: Option<PathBuf>,
    /// Threads of one run on the CPU; the runtime's choice where it is not given.
    pub threads: Option<NonZeroUsize>,
}

impl EngineOptions {
    /// The threads, or as many as there are cores.
    pub(crate) fn threads_or_cores(&self) -> NonZeroUsize {
        self.threads.or(std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }

    /// The options of each of `networks` that share the threads; of a single one they are the same.
    pub(crate) fn shared_by(&self, networks: usize) -> Self {
        match networks {
            0 | 1 => self.clone(),
            _ => Self { threads: NonZeroUsize::new(self.threads_or_cores().get() / networks), ..self.clone() },
        }
    }
}

#[cfg(all(test, feature = "ort"))]
pub(crate) mod tests {
    use lrnnet_graph::{Config, InputKind, InputSize, Settings, synthetic};

    use crate::model::Model;

    /// A small model: 64 x 128, bytes in, class map out.
    pub fn model() -> Model {
        let size = InputSize::Static { batch: 1, height: 64, width: 128 };
        let settings = Settings { size, input: InputKind::U8Nhwc, ..Settings::camvid() };
        Model::from_bytes("test", synthetic::onnx(Config::new(settings).unwrap())).unwrap()
    }
}
