//! Building a segmenter.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use lrnnet_graph::Precision;

use super::{BuildError, Segmenter};
use crate::device::DeviceChoice;
use crate::engine::{self, Backend, Engine, EngineOptions, ResidentEngine};
use crate::model::Model;
use crate::postprocess::Postprocessor;
use crate::size::Size;

/// Choices for a [`Segmenter`].
#[derive(Default)]
pub struct SegmenterBuilder {
    source: ModelSource,
    trusted: bool,
    device: DeviceChoice,
    options: EngineOptions,
    image_size: Option<Size>,
    batch: Option<NonZeroUsize>,
    notice: Option<Notice>,
}

/// What a model without a path is called in messages.
const BYTES: &str = "given as bytes";

/// Hears of what takes long.
type Notice = Box<dyn Fn(&str) + Send>;

enum ModelSource {
    Builtin(Precision),
    Path(PathBuf),
    Bytes(Cow<'static, [u8]>),
    Loaded(Box<Model>),
}

impl Default for ModelSource {
    fn default() -> Self {
        Self::Builtin(Precision::Fp32)
    }
}

impl SegmenterBuilder {
    /// Uses the built-in model in this precision: that of [`Model::builtin_in`].
    #[must_use]
    pub fn builtin(mut self, precision: Precision) -> Self {
        self.source = ModelSource::Builtin(precision);
        self
    }

    /// Uses a loaded model in place of the built-in one.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.source = ModelSource::Loaded(Box::new(model));
        self
    }

    /// Uses the model file at `path` in place of the built-in one.
    #[must_use]
    pub fn model_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = ModelSource::Path(path.into());
        self
    }

    /// Uses the bytes of a model file in place of the built-in one.
    #[must_use]
    pub fn model_bytes(mut self, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        self.source = ModelSource::Bytes(bytes.into());
        self
    }

    /// Takes the model file or its bytes without a look at the graph: see [`Model::from_trusted_bytes`].
    #[must_use]
    pub fn trust_model(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// Where to run; [`DeviceChoice::Auto`] by default. Any other never falls back.
    #[must_use]
    pub fn device(mut self, device: impl Into<DeviceChoice>) -> Self {
        self.device = device.into();
        self
    }

    /// ONNX Runtime's library, and threads.
    #[must_use]
    pub fn engine_options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// Height and width of the network's input. By default a dynamic model's follows each picture; a static model has
    /// one size and takes no other.
    #[must_use]
    pub fn image_size(mut self, size: Size) -> Self {
        self.image_size = Some(size);
        self
    }

    /// Pictures per run, 1 by default; see [`Segmenter::segment_batch`].
    #[must_use]
    pub fn batch(mut self, batch: NonZeroUsize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Hears of what takes long, such as TensorRT's engine.
    #[must_use]
    pub fn on_notice(mut self, notice: impl Fn(&str) + Send + 'static) -> Self {
        self.notice = Some(Box::new(notice));
        self
    }

    /// Loads the model on the device.
    ///
    /// # Errors
    ///
    /// A model that is none, a size that it cannot take, a device or library that does not work.
    pub fn build(self) -> Result<Segmenter, BuildError> {
        self.build_resident().map(|segmenter| segmenter.map_engine(|engine| engine as Box<dyn Engine>))
    }

    /// The same with an engine that can also be measured without its copies.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    pub fn build_resident(self) -> Result<Segmenter<Box<dyn ResidentEngine>>, BuildError> {
        self.open(self.load()?, self.device, |_| self.options.clone())
    }

    /// Loads the model on the device as often as gives the most pictures a second: for
    /// [`stream::run_side_by_side`](crate::stream::run_side_by_side). The segmenters share the threads of the options. On a
    /// device that one network keeps busy it is one.
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build).
    pub fn build_side_by_side(self) -> Result<Vec<Segmenter>, BuildError> {
        let boxed = |segmenter: Segmenter<_>| segmenter.map_engine(|engine: Box<dyn ResidentEngine>| engine as Box<_>);
        let options = |row: &Backend| self.options.shared_by(networks(row, &self.options));
        let first = self.open(self.load()?, self.device, options)?;
        let (device, model) = (first.device, first.model.clone());
        let row = device.and_then(|device| device.backend());
        let more = row.map_or(0, |row| networks(row, &self.options) - 1);
        let choice = device.map_or(self.device, DeviceChoice::Only);
        let others = (0..more).map(|_| self.open(model.clone(), choice, options).map(boxed));
        std::iter::once(Ok(boxed(first))).chain(others).collect()
    }

    fn load(&self) -> Result<Model, BuildError> {
        Ok(match &self.source {
            ModelSource::Builtin(precision) => Model::builtin_in(*precision)?,
            ModelSource::Path(path) if self.trusted => Model::open_trusted(path)?,
            ModelSource::Path(path) => Model::open(path)?,
            ModelSource::Bytes(bytes) if self.trusted => Model::from_trusted_bytes(BYTES, bytes.clone())?,
            ModelSource::Bytes(bytes) => Model::from_bytes(BYTES, bytes.clone())?,
            ModelSource::Loaded(model) => (**model).clone(),
        })
    }

    /// A segmenter with an engine of its own, which `options` says how to open on the row of a device.
    fn open(
        &self,
        model: Model,
        device: DeviceChoice,
        options: impl Fn(&Backend) -> EngineOptions,
    ) -> Result<Segmenter<Box<dyn ResidentEngine>>, BuildError> {
        let batch = self.batch.unwrap_or(NonZeroUsize::MIN);
        check_batch(&model, batch.get())?;
        check_size(&model, self.image_size)?;
        let notice = |text: &str| self.notice.iter().for_each(|notice| notice(text));
        let known_size = self.image_size.or(model.fixed_size());
        let shape = (batch.get(), known_size.unwrap_or_else(|| model.default_size()));
        let fit = |row: &Backend| (model.as_run_by(row), options(row));
        let (mut opened, runs) = engine::open_fitting(fit, device, shape, &notice)?;
        let postprocessor = Postprocessor::new(&runs);
        drop(runs);
        // With a known size, a model that the runtime cannot plan for fails here and not at the first picture.
        if let Some(size) = known_size {
            opened.engine.prepare(batch.get(), size)?;
        }
        let segmenter = Segmenter::assemble(model, postprocessor, opened.engine, self.image_size, batch.get());
        Ok(Segmenter { device: Some(opened.device), passed_over: opened.passed_over, ..segmenter })
    }
}

/// Networks side by side at most, since each has memory of its own.
const MOST_NETWORKS: usize = 8;

/// How many networks side by side keep the threads of `options` busy.
fn networks(row: &Backend, options: &EngineOptions) -> usize {
    if row.side_by_side { options.threads_or_cores().get().min(MOST_NETWORKS) } else { 1 }
}

pub(super) fn check_batch(model: &Model, wanted: usize) -> Result<(), BuildError> {
    match model.fixed_batch() {
        Some(fixed) if fixed != wanted => Err(BuildError::Batch { model: model.name().to_owned(), wanted, fixed }),
        _ => Ok(()),
    }
}

pub(super) fn check_size(model: &Model, wanted: Option<Size>) -> Result<(), BuildError> {
    let Some(wanted) = wanted else { return Ok(()) };
    match model.fixed_size() {
        Some(fixed) if fixed != wanted => Err(BuildError::StaticSize { wanted, fixed }),
        Some(_) => Ok(()),
        None => {
            let multiple = model.metadata().size_multiple;
            let nearest = wanted.rounded_to(multiple);
            if nearest == wanted { Ok(()) } else { Err(BuildError::Multiple { wanted, multiple, nearest }) }
        }
    }
}
