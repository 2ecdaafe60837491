//! Why an engine cannot be opened or run.

#[cfg(feature = "ort")]
use super::library::LibraryError;
use crate::ErrorKind;
use crate::device::{Device, DeviceOption};

/// The cause of a failure inside a runtime.
pub type RuntimeCause = Box<dyn std::error::Error + Send + Sync>;

/// Why an engine cannot be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// ONNX Runtime's library is missing or unfit.
    #[cfg(feature = "ort")]
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The device does not work here.
    #[error("device {device} does not work here: {problem}")]
    Device {
        /// The device that was asked for.
        device: Device,
        /// What is missing.
        problem: DeviceProblem,
        /// What the runtime reports.
        source: Option<RuntimeCause>,
    },
    /// A runtime and hardware that do not go together.
    #[error("there is no device {device}: this runtime does not drive this hardware")]
    NoSuchDevice {
        /// The device that was asked for.
        device: Device,
    },
    /// An option that the device does not have.
    #[error("device {device} has no option `{}`", option.word())]
    NoSuchOption {
        /// The device that was asked for.
        device: Device,
        /// The option.
        option: DeviceOption,
    },
    /// The device was left out when this program was compiled.
    #[error("device {device} is not part of this build; it comes with the crate feature `{feature}`")]
    NotBuiltIn {
        /// The device that was asked for.
        device: Device,
        /// The feature that compiles it in.
        feature: &'static str,
    },
    /// No device at all works.
    #[error("no device works here; tried:{}", list(tried))]
    NothingWorks {
        /// The devices that were tried, each with the reason why not.
        tried: Vec<(Device, EngineError)>,
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
    #[error("a CUDA graph holds one input shape, and that of {model} is not fixed; export the model for a fixed size")]
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

impl EngineError {
    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            #[cfg(feature = "ort")]
            Self::Library(_) => ErrorKind::Device,
            Self::Device { .. } | Self::NotBuiltIn { .. } | Self::NothingWorks { .. } => ErrorKind::Device,
            Self::NoSuchDevice { .. } | Self::NoSuchOption { .. } | Self::GraphShape { .. } => ErrorKind::Argument,
            Self::Model { .. } => ErrorKind::Model,
            Self::Run { .. } => ErrorKind::Run,
        }
    }

    /// Whether the library of the runtime is what does not work, and so no device of that runtime.
    pub(super) fn is_about_the_library(&self) -> bool {
        #[cfg(feature = "ort")]
        return matches!(self, Self::Library(_));
        #[cfg(not(feature = "ort"))]
        false
    }

    /// Whether a library that the caller named does not work.
    pub(super) fn is_about_a_named_library(&self) -> bool {
        #[cfg(feature = "ort")]
        return matches!(self, Self::Library(LibraryError::Named(_)));
        #[cfg(not(feature = "ort"))]
        false
    }
}

fn list(tried: &[(Device, EngineError)]) -> String {
    tried.iter().map(|(device, error)| format!("\n  {device}: {error}")).collect()
}

/// What a device lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceProblem {
    /// The library of the execution provider is not beside ONNX Runtime's.
    #[error("{file} is not beside ONNX Runtime in {folder}")]
    NoProvider {
        /// File name of the provider's library.
        file: String,
        /// Folder of ONNX Runtime's library.
        folder: String,
    },
    /// ONNX Runtime was built without the execution provider.
    #[error("this build of ONNX Runtime has no such execution provider")]
    NotInLibrary,
    /// A library of CUDA or cuDNN is missing.
    #[error("a library of CUDA 13 or cuDNN 9 is not found")]
    NoCuda,
    /// TensorRT's libraries are missing.
    #[error("TensorRT's libraries (libnvinfer.so.10, libnvonnxparser.so.10) are not found")]
    NoTensorRt,
    /// NVIDIA's driver is missing.
    #[error("NVIDIA's driver is not found")]
    NoDriver,
    /// There is no GPU that works with the driver.
    #[error("there is no usable NVIDIA GPU or driver")]
    NoGpu,
    /// No GPU of this number.
    #[error("there is no GPU of this number")]
    NoSuchGpu,
    /// Not enough memory.
    #[error("the GPU's memory is not enough; take a smaller input or batch, or free memory")]
    OutOfMemory,
    /// A CUDA graph cannot be recorded.
    #[error("this network's run cannot be recorded as a CUDA graph here")]
    NotRecordable,
    /// ONNX Runtime is too old for a CUDA graph.
    #[error("this version of ONNX Runtime cannot copy to tensors at fixed places")]
    OldLibrary,
    /// Something else.
    #[error("ONNX Runtime fails on it; the cause is what it reports")]
    Other,
}
