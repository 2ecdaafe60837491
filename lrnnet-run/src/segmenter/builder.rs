//! Building a segmenter.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::{BuildError, Segmenter};
use crate::device::Device;
use crate::engine::{self, EngineOptions, Outputs};
use crate::model::Model;
use crate::postprocess::ArgMax;
use crate::preprocess::Preprocessor;
use crate::size::Size;

/// Choices for a [`Segmenter`].
#[derive(Default)]
pub struct SegmenterBuilder {
    source: ModelSource,
    device: Device,
    options: EngineOptions,
    image_size: Option<Size>,
    batch: Option<NonZeroUsize>,
    notice: Option<Notice>,
}

/// Hears of what takes long.
type Notice = Box<dyn Fn(&str)>;

#[derive(Default)]
enum ModelSource {
    #[default]
    Embedded,
    Path(PathBuf),
    Bytes(Cow<'static, [u8]>),
}

impl SegmenterBuilder {
    /// Uses the model file at `path` in place of the one that is part of the program.
    #[must_use]
    pub fn model_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = ModelSource::Path(path.into());
        self
    }

    /// Uses the bytes of a model file in place of the one that is part of the program.
    #[must_use]
    pub fn model_bytes(mut self, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        self.source = ModelSource::Bytes(bytes.into());
        self
    }

    /// Where to run; [`Device::Auto`] by default. Any other never falls back.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// ONNX Runtime's library, threads, and choices that only GPUs have.
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
    pub fn on_notice(mut self, notice: impl Fn(&str) + 'static) -> Self {
        self.notice = Some(Box::new(notice));
        self
    }

    /// Loads the model on the device.
    ///
    /// # Errors
    ///
    /// A model that is none, a size that it cannot take, a device or library that does not work.
    pub fn build(self) -> Result<Segmenter, BuildError> {
        let model = match self.source {
            ModelSource::Embedded => Model::embedded()?,
            ModelSource::Path(path) => Model::open(&path)?,
            ModelSource::Bytes(bytes) => Model::from_bytes("given as bytes", bytes)?,
        };
        let batch = self.batch.map_or(1, usize::from);
        check_batch(&model, batch)?;
        check_size(&model, self.image_size)?;
        let notice = self.notice.unwrap_or_else(|| Box::new(|_| ()));
        let known_size = self.image_size.or(model.fixed_size());
        let shape = (batch, known_size.unwrap_or_else(|| model.default_size()));
        let mut opened = engine::open_for(&model, self.device, &self.options, shape, &notice)?;
        // With a known size, a model that the runtime cannot plan for fails here and not at the first picture.
        if let Some(size) = known_size {
            opened.engine.prepare(batch, size)?;
        }
        Ok(Segmenter {
            preprocessor: Preprocessor::new(model.input_kind(), model.metadata()),
            engine: opened.engine,
            device: opened.device,
            passed_over: opened.passed_over,
            image_size: self.image_size,
            batch,
            segmented: None,
            argmax: ArgMax::default(),
            outputs: Outputs::default(),
            ids: vec![],
            model,
        })
    }
}

fn check_batch(model: &Model, wanted: usize) -> Result<(), BuildError> {
    match model.fixed_batch() {
        Some(fixed) if fixed != wanted => Err(BuildError::Batch { model: model.name().to_owned(), wanted, fixed }),
        _ => Ok(()),
    }
}

fn check_size(model: &Model, wanted: Option<Size>) -> Result<(), BuildError> {
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
