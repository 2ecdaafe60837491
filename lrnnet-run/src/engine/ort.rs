//! ONNX Runtime. Every call of it stands here and in the modules below.

mod bound;
mod gpu;
pub mod library;
mod placement;
mod providers;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use half::f16;
use lrnnet_graph::{ElementType, InputKind};
use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{TensorRef, TensorValueTypeMarker, Value};

use self::bound::Bound;
pub use self::gpu::names as gpu_names;
use self::library::{Library, LibraryError, MIN_MINOR, Unfit};
use super::{
    Data, Engine, EngineError, EngineOptions, Input, Opening, Outputs, Placement, ResidentEngine, RuntimeCause,
};
use crate::device::{Device, DeviceOption, Hardware};
use crate::model::{Model, OutputPort};
use crate::size::Size;

const RUNTIME: &str = "ONNX Runtime";
/// Axes that an output may have; this network's have five at most.
const MAX_AXES: usize = 8;

/// The library and environment of this process; there is never a second one, and this one is never released.
static LOADED: Mutex<Option<(Library, Environment)>> = Mutex::new(None);

/// Opens what is asked for in ONNX Runtime, and runs it once where that may fail or take long.
pub fn open(opening: &Opening<'_>) -> Result<Box<dyn ResidentEngine>, EngineError> {
    let library = library::find_for(opening.options)?;
    gpu::check_provider(opening.device, &library)?;
    if matches!(opening.device.hardware, Hardware::TensorRt(_)) {
        (opening.notice)(&tensorrt_notice(opening, &library));
    }
    let mut engine = OrtEngine::load(opening.model, opening.device, &library, opening.options)?;
    engine.prepare(opening.batch, opening.size)?;
    Ok(Box::new(engine))
}

fn tensorrt_notice(opening: &Opening<'_>, library: &Library) -> String {
    let kept = match providers::tensorrt_cache(opening.model, opening.device, library.minor) {
        Some(cache) => format!("TensorRT builds an engine on first use, which takes minutes; it is kept in {cache}"),
        None => "TensorRT builds an engine, which takes minutes; no cache folder could be made".to_owned(),
    };
    match opening.model.fixed_size() {
        Some(_) => kept,
        None => format!("{kept}; the model is dynamic, so other input sizes can make it build again"),
    }
}

/// Runs the model once with ONNX Runtime's profiler and counts what ran where. The profiler slows a session down, so
/// this one serves nothing else.
pub fn placement(opening: &Opening<'_>) -> Result<Placement, EngineError> {
    let &Opening { model, options, batch, size, .. } = opening;
    let library = library::find_for(options)?;
    let environment = environment(&library)?;
    let folder = tempfile::tempdir().map_err(run_error)?;
    // A graph is replayed as a whole, so its nodes would not be seen.
    let device = Device { options: opening.device.options.without(DeviceOption::Graph), ..opening.device };
    let builder = || Ok(builder(&environment, options)?.with_profiling(folder.path().join("profile"))?);
    let mut session = session(&builder, model, device, &library)?;
    let zeros = Zeros::new(model.input_kind(), batch, size);
    let mut run = || {
        session.run([tensor(&zeros.input())?])?;
        session.end_profiling()
    };
    let profile = run().map_err(run_error)?;
    placement::read(&profile).map_err(run_error)
}

/// Minor version of the ONNX Runtime 1 at `path`, without keeping it.
fn probe(path: &Path) -> Result<u32, Unfit> {
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
struct OrtEngine {
    session: Session,
    kind: InputKind,
    outputs: Vec<OutputPort>,
    device: Device,
    /// Shapes that this GPU has run.
    prepared: HashSet<(usize, Size)>,
    /// Fixed places for input and outputs, once they are needed.
    bound: Option<Bound>,
    description: String,
}

impl OrtEngine {
    /// Loads `model` on `device`, and on no other.
    fn load(model: &Model, device: Device, library: &Library, options: &EngineOptions) -> Result<Self, EngineError> {
        let graph = device.options.contains(DeviceOption::Graph);
        if graph && (model.fixed_size().is_none() || model.fixed_batch().is_none()) {
            return Err(EngineError::GraphShape { model: model.name().to_owned() });
        }
        let environment = environment(library)?;
        let builder = || builder(&environment, options);
        Ok(Self {
            session: session(&builder, model, device, library)?,
            kind: model.input_kind(),
            outputs: model.output_ports().to_vec(),
            device,
            prepared: HashSet::new(),
            bound: None,
            description: format!("{RUNTIME} 1.{}, {}", library.minor, place(device)),
        })
    }

    fn run_session(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> ort::Result<()> {
        if self.device.options.contains(DeviceOption::Graph) {
            let (bound, session) = self.bound(input)?;
            bound.fill(input)?;
            bound.run(session)?;
            return bound.fetch(outputs);
        }
        let results = self.session.run([tensor(input)?])?;
        self.outputs.iter().enumerate().try_for_each(|(index, port)| copy(&results[index], port, outputs))
    }

    /// Fixed places that fit `input`: those at hand, or new ones.
    fn bound(&mut self, input: &Input<'_>) -> ort::Result<(&mut Bound, &mut Session)> {
        let bound = match self.bound.take() {
            Some(bound) if bound.fits(input) => bound,
            _ => Bound::new(&self.session, self.device.hardware, on_gpu(self.device), input, &self.outputs)?,
        };
        Ok((self.bound.insert(bound), &mut self.session))
    }
}

impl Engine for OrtEngine {
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError> {
        // On the CPU a first run is like any other; on a GPU it builds kernels or engines, and shows whether they work.
        if !on_gpu(self.device) || self.prepared.contains(&(batch, size)) {
            return Ok(());
        }
        let zeros = Zeros::new(self.kind, batch, size);
        let device = self.device;
        self.run_session(&zeros.input(), &mut Outputs::default())
            .map_err(|error| gpu::explain(device, error.into()))?;
        self.prepared.insert((batch, size));
        Ok(())
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        self.run_session(input, outputs).map_err(run_error)
    }

    fn description(&self) -> &str {
        &self.description
    }
}

impl ResidentEngine for OrtEngine {
    fn hold(&mut self, input: &Input<'_>) -> Result<(), EngineError> {
        self.bound(input).and_then(|(bound, _)| bound.fill(input)).map_err(run_error)
    }

    fn run_held(&mut self) -> Result<(), EngineError> {
        let bound = self.bound.as_ref().ok_or_else(|| run_error("no input is held"))?;
        bound.run(&mut self.session).map_err(run_error)
    }
}

/// Copies what a run put out at `port`.
fn copy<T: TensorValueTypeMarker + ?Sized>(
    value: &Value<T>,
    port: &OutputPort,
    outputs: &mut Outputs,
) -> ort::Result<()> {
    macro_rules! set {
        ($type:ty) => {{
            let (shape, values) = value.try_extract_tensor::<$type>()?;
            // On the stack, since every run comes through here.
            let mut extents = [0; MAX_AXES];
            let Some(extents) = extents.get_mut(..shape.len()) else {
                return Err(ort::Error::new(format!("`{}` has {} axes", port.name, shape.len())));
            };
            extents.iter_mut().zip(shape.iter()).for_each(|(extent, &known)| *extent = known as usize);
            outputs.set(&port.name, extents, values);
        }};
    }
    match port.element {
        ElementType::Float32 => set!(f32),
        ElementType::Float16 => set!(f16),
        ElementType::Uint8 => set!(u8),
        ElementType::Int64 => set!(i64),
        ElementType::Int32 => set!(i32),
        ElementType::Int8 => set!(i8),
        other => return Err(ort::Error::new(format!("`{}` has the element type {other}", port.name))),
    }
    Ok(())
}

fn run_error(error: impl Into<RuntimeCause>) -> EngineError {
    EngineError::Run { runtime: RUNTIME, source: error.into() }
}

fn on_gpu(device: Device) -> bool {
    device.hardware != Hardware::Cpu
}

/// Hardware and options, in words.
fn place(device: Device) -> String {
    let with = |option: DeviceOption, words: &'static str| if device.options.contains(option) { words } else { "" };
    let graph = with(DeviceOption::Graph, ", CUDA graph");
    match device.hardware {
        Hardware::Cpu => "CPU".to_owned(),
        Hardware::Cuda(gpu) => {
            let tf32 = if device.options.contains(DeviceOption::Tf32) { "on" } else { "off" };
            format!("CUDA, GPU {gpu}, TF32 {tf32}{graph}")
        }
        // TensorRT's own default for TF32, which ONNX Runtime leaves as it is.
        Hardware::TensorRt(gpu) => {
            format!("TensorRT, GPU {gpu}, TF32 allowed{}{graph}", with(DeviceOption::Fp16, ", float16 allowed"))
        }
    }
}

fn tensor<'a>(input: &Input<'a>) -> ort::Result<SessionInputValue<'a>> {
    let shape = input.shape();
    match input.data {
        Data::F32Nchw(values) => Ok(TensorRef::from_array_view((shape, values))?.into()),
        Data::U8Nhwc(values) => Ok(TensorRef::from_array_view((shape, values))?.into()),
    }
}

/// Room for an input without a picture.
enum Zeros {
    F32Nchw(Vec<f32>, usize, Size),
    U8Nhwc(Vec<u8>, usize, Size),
}

impl Zeros {
    fn new(kind: InputKind, batch: usize, size: Size) -> Self {
        let count = batch * 3 * size.area();
        match kind {
            InputKind::F32Nchw => Self::F32Nchw(vec![0.0; count], batch, size),
            InputKind::U8Nhwc => Self::U8Nhwc(vec![0; count], batch, size),
        }
    }

    fn input(&self) -> Input<'_> {
        match self {
            Self::F32Nchw(values, batch, size) => Input { data: Data::F32Nchw(values), batch: *batch, size: *size },
            Self::U8Nhwc(values, batch, size) => Input { data: Data::U8Nhwc(values), batch: *batch, size: *size },
        }
    }
}

fn builder(environment: &Environment, options: &EngineOptions) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(environment)?.with_optimization_level(GraphOptimizationLevel::All)?;
    Ok(match options.threads {
        Some(threads) => builder.with_intra_threads(threads.get())?,
        None => builder,
    })
}

/// A session of `model` on `device`. On a GPU, with the libraries that the system finds, else with those that Python
/// packages bring.
fn session(
    builder: &dyn Fn() -> ort::Result<SessionBuilder>,
    model: &Model,
    device: Device,
    library: &Library,
) -> Result<Session, EngineError> {
    let commit = || {
        let providers = providers::of(device, model, library.minor);
        builder()?.with_execution_providers(providers)?.commit_from_memory(model.bytes())
    };
    let error = match commit() {
        Ok(session) => return Ok(session),
        Err(error) => error,
    };
    if !on_gpu(device) {
        let size = model.fixed_size().map_or_else(|| "any".to_owned(), |size| size.to_string());
        return Err(EngineError::Model { runtime: RUNTIME, size, source: error.into() });
    }
    let (cuda, cudnn) = gpu::python_folders();
    if cuda.is_none() && cudnn.is_none() {
        return Err(gpu::explain(device, error.into()));
    }
    // What cannot be loaded ahead, the provider misses as well, and then says what that is; this call does not.
    let _ = ep::cuda::preload_dylibs(cuda.as_deref(), None);
    let _ = ep::cuda::preload_dylibs(None, cudnn.as_deref());
    commit().map_err(|error| gpu::explain(device, error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_held_is_an_error() {
        let library = library::find(None).expect("`cargo xtask test` fetches it");
        let model = crate::engine::tests::model();
        let mut engine = OrtEngine::load(&model, Device::CPU, &library, &EngineOptions::default()).unwrap();
        assert!(engine.run_held().is_err());
    }
}
