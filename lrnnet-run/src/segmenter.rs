//! The library's front door: a picture in, a mask out.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::{GrayImage, RgbImage};
use lrnnet_graph::Metadata;

use crate::device::Device;
use crate::engine::{self, Engine, EngineError, EngineOptions, Outputs};
use crate::model::{Model, ModelError, Output};
use crate::postprocess::{ArgMax, count_classes, resize_nearest};
use crate::preprocess::{Preprocessor, size_of};
use crate::size::Size;

/// A trained network on a device, ready for pictures.
///
/// Runs take `&mut self`, since the runtimes and the reused buffers serve one picture at a time: use one segmenter per
/// thread.
///
/// ```
/// use image::RgbImage;
/// use lrnnet_run::{Device, Segmenter};
///
/// // The trained CamVid model is part of the program; `Device::Tract` needs nothing installed.
/// let mut segmenter = Segmenter::builder().device(Device::Tract).build()?;
/// let picture = RgbImage::from_pixel(96, 64, image::Rgb([90, 120, 200]));
/// let segmentation = segmenter.segment(&picture)?;
///
/// // One class id per pixel, at the picture's own size.
/// assert_eq!(segmentation.mask.dimensions(), (96, 64));
/// let id = segmentation.mask.get_pixel(0, 0).0[0];
/// println!("{}", segmenter.metadata().classes.names[usize::from(id)]);
/// assert_eq!(segmentation.class_pixels.iter().sum::<u64>(), 96 * 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Segmenter {
    model: Model,
    engine: Box<dyn Engine>,
    device: Device,
    passed_over: Vec<(Device, EngineError)>,
    image_size: Option<Size>,
    prepared: Option<Size>,
    preprocessor: Preprocessor,
    argmax: ArgMax,
    outputs: Outputs,
    ids: Vec<u8>,
}

/// What a network makes of a picture.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Class id of each pixel, at the picture's own size.
    pub mask: GrayImage,
    /// Number of pixels of each class, by class id.
    pub class_pixels: Vec<u64>,
    /// Height and width at which the network ran.
    pub input_size: Size,
    /// Where the time went.
    pub timings: Timings,
}

/// Wall-clock time of the three stages of one picture. Reading, decoding and writing files are not among them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Resizing, and normalising where the graph does not.
    pub pre: Duration,
    /// The run of the network, with copies into and out of the runtime. Planning for a new input size is left out.
    pub infer: Duration,
    /// From the network's output to the mask at the picture's size, and counting.
    pub post: Duration,
}

/// Scores of the last picture, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    /// Values, `[classes, height, width]`.
    pub values: &'a [f32],
    /// Number of classes.
    pub classes: usize,
    /// Height and width: the input's, or an eighth of them with the head `logits-8`.
    pub size: Size,
}

impl Segmenter {
    /// Choices to be made before a model is loaded; each has a default.
    pub fn builder() -> SegmenterBuilder {
        SegmenterBuilder::default()
    }

    /// Segments `picture`.
    ///
    /// # Errors
    ///
    /// A picture without pixels, a run that fails, or an output that is not what the model's metadata says.
    pub fn segment(&mut self, picture: &RgbImage) -> Result<Segmentation, SegmentError> {
        let own_size = size_of(picture);
        if own_size.area() == 0 {
            return Err(SegmentError::NoPixels);
        }
        let input_size = self.image_size.unwrap_or_else(|| self.model.input_size(own_size));
        self.prepare(input_size)?;

        let start = Instant::now();
        let input = self.preprocessor.prepare(picture, input_size);
        let prepared = Instant::now();
        self.engine.run(&input, &mut self.outputs)?;
        let run = Instant::now();
        self.take_ids(input_size)?;
        let mask = resize_nearest(&self.ids, input_size, own_size);
        let class_pixels = count_classes(&mask, self.model.classes())
            .map_err(|id| SegmentError::ClassId { id, classes: self.model.classes() })?;
        let timings = Timings { pre: prepared - start, infer: run - prepared, post: run.elapsed() };

        let mask = GrayImage::from_raw(picture.width(), picture.height(), mask);
        Ok(Segmentation { mask: mask.expect("one id per pixel"), class_pixels, input_size, timings })
    }

    /// Scores of the picture segmented last, where the model's head puts them out.
    pub fn logits(&self) -> Option<Logits<'_>> {
        let size = self.prepared?;
        let (values, size) = match &self.outputs {
            Outputs { logits, .. } if !logits.is_empty() => (logits, size),
            Outputs { logits8, .. } if !logits8.is_empty() => (logits8, Size::new(size.height / 8, size.width / 8)),
            _ => return None,
        };
        Some(Logits { values, classes: self.model.classes(), size })
    }

    /// What the model says of itself: class names, palette, statistics and more.
    pub fn metadata(&self) -> &Metadata {
        self.model.metadata()
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device in use; never [`Device::Auto`].
    pub fn device(&self) -> Device {
        self.device
    }

    /// Runtime, version and device in use, in words.
    pub fn runtime(&self) -> &str {
        self.engine.description()
    }

    /// The better devices that [`Device::Auto`] tried before, each with the reason why it is not used.
    pub fn passed_over(&self) -> &[(Device, EngineError)] {
        &self.passed_over
    }

    fn prepare(&mut self, size: Size) -> Result<(), SegmentError> {
        if self.prepared != Some(size) {
            self.engine.prepare(1, size)?;
            self.prepared = Some(size);
        }
        Ok(())
    }

    /// Brings the class ids at the input's size from the outputs into `self.ids`.
    fn take_ids(&mut self, size: Size) -> Result<(), SegmentError> {
        let Outputs { class_map, logits, logits8 } = &self.outputs;
        let classes = self.model.classes();
        for output in self.model.outputs() {
            let (found, expected) = match output {
                Output::ClassMap => (class_map.len(), size.area()),
                Output::Logits => (logits.len(), classes * size.area()),
                Output::Logits8 => (logits8.len(), classes * size.area() / 64),
            };
            if found != expected {
                return Err(SegmentError::OutputSize { output: *output, found, expected });
            }
        }
        if self.model.outputs().contains(&Output::ClassMap) {
            self.ids.clone_from(class_map);
        } else if self.model.outputs().contains(&Output::Logits) {
            self.argmax.full(logits, size, &mut self.ids);
        } else {
            self.argmax.upsampled(logits8, size, &mut self.ids);
        }
        Ok(())
    }
}

/// Choices for a [`Segmenter`].
#[derive(Default)]
pub struct SegmenterBuilder {
    source: ModelSource,
    device: Device,
    options: EngineOptions,
    image_size: Option<Size>,
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

    /// ONNX Runtime's library, or its folder. By default it is searched for, see
    /// [`library::find`](crate::engine::library::find).
    #[must_use]
    pub fn ort_library(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.library = Some(path.into());
        self
    }

    /// Threads of one run on the CPU; by default the runtime's choice.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.options.threads = Some(threads);
        self
    }

    /// Height and width of the network's input. By default a dynamic model's follows each picture; a static model has
    /// one size and takes no other.
    #[must_use]
    pub fn image_size(mut self, size: Size) -> Self {
        self.image_size = Some(size);
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
        check_sizes(&model, self.image_size)?;
        let notice = self.notice.unwrap_or_else(|| Box::new(|_| ()));
        let opened = engine::open(&model, self.device, &self.options, &notice)?;
        let mut segmenter = Segmenter {
            preprocessor: Preprocessor::new(model.input_kind(), model.metadata()),
            engine: opened.engine,
            device: opened.device,
            passed_over: opened.passed_over,
            image_size: self.image_size,
            prepared: None,
            argmax: ArgMax::default(),
            outputs: Outputs::default(),
            ids: vec![],
            model,
        };
        // With a known size, a model that the runtime cannot plan for fails here and not at the first picture.
        if let Some(size) = self.image_size.or(segmenter.model.fixed_size()) {
            segmenter.engine.prepare(1, size)?;
            segmenter.prepared = Some(size);
        }
        Ok(segmenter)
    }
}

fn check_sizes(model: &Model, wanted: Option<Size>) -> Result<(), BuildError> {
    if let Some(batch) = model.fixed_batch().filter(|batch| *batch != 1) {
        return Err(BuildError::Batch { model: model.name().to_owned(), batch });
    }
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
    /// A model for several pictures at a time.
    #[error("the model {model} takes {batch} pictures at a time; export one that takes 1")]
    Batch {
        /// The model.
        model: String,
        /// Pictures per run.
        batch: usize,
    },
}

/// Why a picture cannot be segmented.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Nothing to segment.
    #[error("the picture has no pixels")]
    NoPixels,
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
