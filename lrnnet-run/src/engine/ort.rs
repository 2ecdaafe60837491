//! ONNX Runtime. Every call of it stands here.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lrnnet_graph::InputKind;
use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::library::{self, Library, LibraryError, MIN_MINOR, Unfit};
use super::{Data, Engine, EngineError, EngineOptions, Input, Outputs, Slot, gpu, refill};
use crate::device::Device;
use crate::model::{Model, Output};
use crate::size::Size;

const RUNTIME: &str = "ONNX Runtime";

/// The library and environment of this process; there is never a second one, and this one is never released.
static LOADED: Mutex<Option<(Library, Environment)>> = Mutex::new(None);

/// Minor version of the ONNX Runtime 1 at `path`, without keeping it.
pub fn probe(path: &Path) -> Result<u32, Unfit> {
    // Loading asks the library for the interface of this version, and ends the process if it has none.
    const { assert!(MIN_MINOR >= ort::MINOR_VERSION) };
    let loaded = loaded();
    match ort::util::probe(path) {
        Some(minor) if minor >= MIN_MINOR => Ok(minor),
        Some(minor) => Err(Unfit::Version(format!("1.{minor}"))),
        None if loaded.is_none() => Err(reason(path)),
        None => Err(Unfit::Unloadable("it is no library of ONNX Runtime 1 for this system".to_owned())),
    }
}

/// Why [`ort::util::probe`] says no. It does not tell itself, but loading does, as long as nothing is loaded yet.
fn reason(path: &Path) -> Unfit {
    match ort::init_from(path) {
        Err(ort::LoadDynamicError::Dlopen { error, .. }) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            Unfit::Unloadable(source.unwrap_or_else(|| error.to_string()))
        }
        Err(ort::LoadDynamicError::MissingApi { .. }) => Unfit::Foreign,
        Err(ort::LoadDynamicError::BadVersion { version_str, .. }) => Unfit::Version(version_str),
        Err(other) => Unfit::Unloadable(other.to_string()),
        Ok(_) => Unfit::Version("of another major version".to_owned()),
    }
}

fn loaded() -> MutexGuard<'static, Option<(Library, Environment)>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The environment of this process, from `library`. Before this, nothing of ONNX Runtime may be touched.
fn environment(library: &Library) -> Result<Environment, LibraryError> {
    let mut loaded = loaded();
    if let Some((in_use, environment)) = loaded.as_ref() {
        if in_use == library {
            return Ok(environment.clone());
        }
        return Err(LibraryError::Another { loaded: in_use.path.clone(), wanted: library.path.clone() });
    }
    let failed = |reason: String| LibraryError::Start { path: library.path.clone(), reason };
    let builder = ort::init_from(&library.path).map_err(|error| failed(error.to_string()))?;
    let environment =
        builder.with_name("lrnnet").with_telemetry(false).build().map_err(|error| failed(error.to_string()))?;
    // Its errors come back as values; the log would print them a second time.
    if std::env::var_os("ORT_LOG").is_none() {
        environment.set_log_level(LogLevel::Fatal);
    }
    *loaded = Some((library.clone(), environment.clone()));
    Ok(environment)
}

/// A model in ONNX Runtime.
pub struct OrtEngine {
    session: Session,
    kind: InputKind,
    outputs: Vec<Output>,
    device: Device,
    description: String,
}

impl OrtEngine {
    /// Loads `model` on `device`: [`Device::Cpu`], [`Device::Cuda`] or [`Device::TensorRt`], and on no other.
    ///
    /// # Errors
    ///
    /// A library that does not start, a device that does not work, a model that ONNX Runtime does not take.
    pub fn open(
        model: &Model,
        device: Device,
        library: &Library,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let environment = environment(library)?;
        let session = match device {
            Device::Cuda(_) | Device::TensorRt(_) => gpu_session(&environment, model, device, options)?,
            _ => session(&environment, model, device, options).map_err(|error| EngineError::Model {
                runtime: RUNTIME,
                size: model.fixed_size().map_or_else(|| "any".to_owned(), |size| size.to_string()),
                source: error.into(),
            })?,
        };
        let place = match device {
            Device::Cuda(gpu) => format!("CUDA, GPU {gpu}"),
            Device::TensorRt(gpu) => format!("TensorRT, GPU {gpu}"),
            _ => "CPU".to_owned(),
        };
        let description = format!("{RUNTIME} 1.{}, {place}", library.minor);
        Ok(Self { session, kind: model.input_kind(), outputs: model.outputs().to_vec(), device, description })
    }

    fn on_gpu(&self) -> bool {
        matches!(self.device, Device::Cuda(_) | Device::TensorRt(_))
    }

    fn run_session(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> ort::Result<()> {
        let results = self.session.run([tensor(input)?])?;
        for (index, output) in self.outputs.iter().enumerate() {
            let value = &results[index];
            match outputs.slot(*output) {
                Slot::Bytes(room) => refill(room, value.try_extract_tensor::<u8>()?.1),
                Slot::Floats(room) => refill(room, value.try_extract_tensor::<f32>()?.1),
            }
        }
        Ok(())
    }
}

impl Engine for OrtEngine {
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError> {
        // On the CPU a first run is like any other; on a GPU it builds kernels or engines, and shows whether they work.
        if !self.on_gpu() {
            return Ok(());
        }
        let count = batch * 3 * size.area();
        let (bytes, floats);
        let data = match self.kind {
            InputKind::U8Nhwc => {
                bytes = vec![0; count];
                Data::U8Nhwc(&bytes)
            }
            InputKind::F32Nchw => {
                floats = vec![0.0; count];
                Data::F32Nchw(&floats)
            }
        };
        let device = self.device;
        self.run_session(&Input { data, batch, size }, &mut Outputs::default())
            .map_err(|error| gpu::explain(device, error.into()))
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        self.run_session(input, outputs).map_err(|error| EngineError::Run { runtime: RUNTIME, source: error.into() })
    }

    fn description(&self) -> &str {
        &self.description
    }
}

fn tensor<'a>(input: &Input<'a>) -> ort::Result<SessionInputValue<'a>> {
    let Size { height, width } = input.size;
    match input.data {
        Data::F32Nchw(values) => Ok(TensorRef::from_array_view(([input.batch, 3, height, width], values))?.into()),
        Data::U8Nhwc(values) => Ok(TensorRef::from_array_view(([input.batch, height, width, 3], values))?.into()),
    }
}

fn session(environment: &Environment, model: &Model, device: Device, options: &EngineOptions) -> ort::Result<Session> {
    let mut builder = Session::builder(environment)?.with_optimization_level(GraphOptimizationLevel::All)?;
    if let Some(threads) = options.threads {
        builder = builder.with_intra_threads(threads.get())?;
    }
    builder.with_execution_providers(providers(model, device))?.commit_from_memory(model.bytes())
}

/// A GPU's session: with the libraries that the system finds, else with those that Python packages bring.
fn gpu_session(
    environment: &Environment,
    model: &Model,
    device: Device,
    options: &EngineOptions,
) -> Result<Session, EngineError> {
    let error = match session(environment, model, device, options) {
        Ok(session) => return Ok(session),
        Err(error) => error,
    };
    let (cuda, cudnn) = gpu::python_folders();
    if cuda.is_none() && cudnn.is_none() {
        return Err(gpu::explain(device, error.into()));
    }
    ep::cuda::preload_dylibs(cuda.as_deref(), cudnn.as_deref())
        .and_then(|()| session(environment, model, device, options))
        .map_err(|error| gpu::explain(device, error.into()))
}

/// The execution providers of `device`, each of which must start: ONNX Runtime would otherwise use the CPU and not
/// say so.
fn providers(model: &Model, device: Device) -> Vec<ep::ExecutionProviderDispatch> {
    let cuda = |gpu: u32| ep::CUDA::default().with_device_id(gpu as i32).build().error_on_failure();
    match device {
        Device::Cuda(gpu) => vec![cuda(gpu)],
        // CUDA takes what TensorRT leaves.
        Device::TensorRt(gpu) => vec![tensorrt(model, gpu).build().error_on_failure(), cuda(gpu)],
        Device::Auto | Device::Cpu | Device::Tract => vec![],
    }
}

/// TensorRT with caches of engines and timings, since it builds for minutes. ONNX Runtime adds graph, GPU and
/// precision to the cache's file names, and TensorRT checks its version.
fn tensorrt(model: &Model, gpu: u32) -> ep::TensorRT {
    let provider = ep::TensorRT::default().with_device_id(gpu as i32);
    let Some(cache) = tensorrt_cache() else { return provider };
    let metadata = model.metadata();
    let weights: String = metadata.weights_sha256.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    provider
        .with_engine_cache(true)
        .with_engine_cache_path(&cache)
        .with_engine_cache_prefix(format!("lrnnet-{weights}-{}", metadata.precision.replace('/', "-")))
        .with_timing_cache(true)
        .with_timing_cache_path(&cache)
}

/// The folder of TensorRT's caches; none where it cannot be made or its name is no plain text.
pub fn tensorrt_cache() -> Option<String> {
    let folder = library::cache()?.join("tensorrt");
    std::fs::create_dir_all(&folder).ok()?;
    folder.into_os_string().into_string().ok().filter(|path| !path.contains('\0'))
}
