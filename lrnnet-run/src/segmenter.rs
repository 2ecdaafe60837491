//! The library's front door: a picture in, a mask out.

mod builder;
mod error;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use image::GrayImage;
use lrnnet_graph::Metadata;

pub use self::builder::SegmenterBuilder;
use self::builder::{check_batch, check_size};
pub use self::error::{BuildError, SegmentError};
use crate::device::Device;
use crate::engine::{Engine, EngineError, Outputs};
use crate::frame::Frame;
use crate::model::{Model, Output};
use crate::postprocess::Postprocessor;
use crate::preprocess::Preprocessor;
use crate::size::Size;

/// A trained network on a device, ready for pictures: [`Preprocessor`], [`Engine`] and [`Postprocessor`] one after the
/// other.
///
/// Runs take `&mut self`, since the runtimes and the reused buffers serve one picture at a time: use one segmenter per
/// thread. It may move from thread to thread.
///
/// ```
/// use image::RgbImage;
/// use lrnnet_run::{Device, Segmenter};
///
/// // The trained CamVid model is part of the crate; `Device::TRACT` needs nothing installed.
/// # #[cfg(all(feature = "tract", feature = "builtin-model"))]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut segmenter = Segmenter::builder().device(Device::TRACT).build()?;
/// let picture = RgbImage::from_pixel(96, 64, image::Rgb([90, 120, 200]));
/// let segmentation = segmenter.segment(&picture)?;
///
/// // One class id per pixel, at the picture's own size.
/// assert_eq!(segmentation.mask.dimensions(), (96, 64));
/// let id = segmentation.mask.get_pixel(0, 0).0[0];
/// println!("{}", segmenter.metadata().classes.names[usize::from(id)]);
/// assert_eq!(segmentation.class_pixels.iter().sum::<u64>(), 96 * 64);
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "tract", feature = "builtin-model")))]
/// # fn main() {}
/// ```
pub struct Segmenter<E = Box<dyn Engine>> {
    model: Model,
    engine: E,
    /// Of an engine that this crate opened.
    device: Option<Device>,
    passed_over: Vec<(Device, EngineError)>,
    image_size: Option<Size>,
    batch: usize,
    /// Input size of the last run and its number of pictures, if it went well.
    segmented: Option<(Size, usize)>,
    preprocessor: Preprocessor,
    outputs: Outputs,
    postprocessor: Postprocessor,
    /// Pixels by class of each picture of the last run.
    class_pixels: Vec<u64>,
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

/// How a run went.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Height and width at which the network ran.
    pub input_size: Size,
    /// Where the time went.
    pub timings: Timings,
}

/// Wall-clock time of the three stages of one run. Reading, decoding and writing files are not among them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Resizing, and normalising where the graph does not.
    pub pre: Duration,
    /// The run of the network, with copies into and out of the runtime. Planning for a new input size is left out.
    pub infer: Duration,
    /// From the network's output to the mask at the picture's size, and counting.
    pub post: Duration,
}

/// Scores of a picture of the last run, row-major.
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
}

impl<E: Engine> Segmenter<E> {
    /// A segmenter of a loaded model and an engine of the caller's, for as many pictures at a time as the model has
    /// fixed, else one.
    pub fn new(model: Model, engine: E) -> Self {
        let batch = model.fixed_batch().unwrap_or(1);
        let postprocessor = Postprocessor::new(&model);
        Self::assemble(model, postprocessor, engine, None, batch)
    }

    /// `postprocessor` is that of `model`, or of as much of it as the engine runs.
    fn assemble(model: Model, postprocessor: Postprocessor, engine: E, image_size: Option<Size>, batch: usize) -> Self {
        Self {
            device: None,
            passed_over: vec![],
            image_size,
            batch,
            segmented: None,
            preprocessor: Preprocessor::new(model.input_kind(), model.metadata()),
            outputs: Outputs::default(),
            postprocessor,
            class_pixels: vec![],
            engine,
            model,
        }
    }

    /// The same for inputs of `size`, as [`SegmenterBuilder::image_size`].
    ///
    /// # Errors
    ///
    /// A size that the model cannot take.
    pub fn with_image_size(mut self, size: Size) -> Result<Self, BuildError> {
        check_size(&self.model, Some(size))?;
        self.image_size = Some(size);
        Ok(self)
    }

    /// The same for up to `batch` pictures a run, as [`SegmenterBuilder::batch`].
    ///
    /// # Errors
    ///
    /// A model that takes another number only.
    pub fn with_batch(mut self, batch: NonZeroUsize) -> Result<Self, BuildError> {
        check_batch(&self.model, batch.get())?;
        self.batch = batch.get();
        Ok(self)
    }

    /// The same with another view of the engine.
    fn map_engine<F>(self, map: impl FnOnce(E) -> F) -> Segmenter<F> {
        Segmenter {
            engine: map(self.engine),
            model: self.model,
            device: self.device,
            passed_over: self.passed_over,
            image_size: self.image_size,
            batch: self.batch,
            segmented: self.segmented,
            preprocessor: self.preprocessor,
            outputs: self.outputs,
            postprocessor: self.postprocessor,
            class_pixels: self.class_pixels,
        }
    }

    /// Segments `picture`: a `&RgbImage` or a [`Frame`].
    ///
    /// # Errors
    ///
    /// A picture without pixels, a run that fails, or an output that is not what the model's metadata says.
    pub fn segment<'f, P>(&mut self, picture: P) -> Result<Segmentation, SegmentError>
    where
        P: TryInto<Frame<'f>>,
        SegmentError: From<P::Error>,
    {
        let mut segmentations = self.segment_batch(&[picture.try_into()?])?;
        Ok(segmentations.pop().expect("one picture has one segmentation"))
    }

    /// Segments up to as many pictures as the segmenter was built for ([`SegmenterBuilder::batch`]) in one run, which
    /// takes the time of a full one. All are brought to the input size of the first. The timings, which all of them
    /// get, are those of the whole batch.
    ///
    /// # Errors
    ///
    /// As for [`segment`](Self::segment), and no picture or too many.
    pub fn segment_batch(&mut self, frames: &[Frame<'_>]) -> Result<Vec<Segmentation>, SegmentError> {
        let mut masks: Vec<_> = frames.iter().map(|frame| blank(frame.size())).collect();
        let mut buffers: Vec<&mut [u8]> = masks.iter_mut().map(|mask| &mut **mask).collect();
        let Run { input_size, timings } = self.segment_batch_into(frames, &mut buffers)?;
        let segmentation = |(index, mask)| {
            let class_pixels = self.class_pixels(index).expect("each picture was counted").to_vec();
            Segmentation { mask, class_pixels, input_size, timings }
        };
        Ok(masks.into_iter().enumerate().map(segmentation).collect())
    }

    /// Segments `frame` into `mask`, which has a byte for each of its pixels. Once buffers have grown to the sizes at
    /// hand, nothing is allocated but what the runtime allocates itself.
    ///
    /// # Errors
    ///
    /// As for [`segment`](Self::segment), and a buffer of another size.
    pub fn segment_into(&mut self, frame: Frame<'_>, mask: &mut [u8]) -> Result<Run, SegmentError> {
        self.segment_batch_into(&[frame], &mut [mask])
    }

    /// Segments each of `frames` into the buffer of `masks` at its place; see [`segment_batch`](Self::segment_batch) and
    /// [`segment_into`](Self::segment_into).
    ///
    /// # Errors
    ///
    /// As for these two, and another number of buffers.
    pub fn segment_batch_into(&mut self, frames: &[Frame<'_>], masks: &mut [&mut [u8]]) -> Result<Run, SegmentError> {
        let input_size = self.input_size(frames)?;
        if masks.len() != frames.len() {
            return Err(SegmentError::Masks { found: masks.len(), expected: frames.len() });
        }
        self.engine.prepare(self.batch, input_size)?;

        let start = Instant::now();
        let input = self.preprocessor.prepare_batch(frames, self.batch, input_size);
        let prepared = Instant::now();
        self.segmented = None;
        self.engine.run(&input, &mut self.outputs)?;
        let ran = Instant::now();
        self.postprocessor.check(&self.outputs, input_size)?;
        self.class_pixels.clear();
        for (index, (frame, mask)) in frames.iter().zip(masks).enumerate() {
            let counts = self.postprocessor.mask(&self.outputs, index, input_size, frame.size(), mask)?;
            self.class_pixels.extend_from_slice(counts);
        }
        self.segmented = Some((input_size, frames.len()));
        let timings = Timings { pre: prepared - start, infer: ran - prepared, post: ran.elapsed() };
        Ok(Run { input_size, timings })
    }

    /// Pixels of each class of picture `index` of the last run, by class id; none after a run that failed.
    pub fn class_pixels(&self, index: usize) -> Option<&[u64]> {
        self.segmented?;
        self.class_pixels.chunks_exact(self.model.classes()).nth(index)
    }

    /// Scores of picture `index` of the last run, where the model's head puts them out; none before or after a run that
    /// failed.
    pub fn logits(&self, index: usize) -> Option<Logits<'_>> {
        let (size, _) = self.segmented.filter(|(_, pictures)| index < *pictures)?;
        let classes = self.model.classes();
        let scores = [Output::Logits, Output::Logits8].into_iter();
        let output = scores.into_iter().find(|output| self.model.outputs().contains(output))?;
        let each = output.values(classes, size);
        let values = self.outputs.floats(output.name())?.get(index * each..(index + 1) * each)?;
        Some(Logits { values, classes, size: output.size(size) })
    }

    /// Everything that the last run put out, under the names of the graph. Of a model that puts out class maps only, a
    /// CPU runs as much as gives `logits8`, since this crate makes class maps of these faster.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// What the model says of itself: class names, palette, statistics and more.
    pub fn metadata(&self) -> &Metadata {
        self.model.metadata()
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The engine, for what it can do besides.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// The device in use; `None` with an engine of the caller's.
    pub fn device(&self) -> Option<Device> {
        self.device
    }

    /// Runtime, version and device in use, in words.
    pub fn runtime(&self) -> &str {
        self.engine.description()
    }

    /// The better devices that were tried before, each with the reason why it is not used.
    pub fn passed_over(&self) -> &[(Device, EngineError)] {
        &self.passed_over
    }

    /// Pictures per run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The input size for `frames`, of which there must be the right number.
    fn input_size(&self, frames: &[Frame<'_>]) -> Result<Size, SegmentError> {
        match frames {
            [first, ..] if frames.len() <= self.batch => {
                Ok(self.image_size.unwrap_or_else(|| self.model.input_size(first.size())))
            }
            _ => Err(SegmentError::Batch { found: frames.len(), max: self.batch }),
        }
    }
}

fn blank(size: Size) -> GrayImage {
    GrayImage::new(size.width as u32, size.height as u32)
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use lrnnet_graph::{Config, Head, InputSize, Settings, synthetic};

    use super::*;
    use crate::engine::{Data, Input};

    fn model(size: InputSize, head: Head) -> Model {
        let settings = Settings { size, head, trained_size: [64, 128], ..Settings::camvid() };
        Model::from_bytes("test", synthetic::onnx(Config::new(settings).unwrap())).unwrap()
    }

    /// Scores each class by how near a byte of the picture is to it.
    struct Toy;

    impl Engine for Toy {
        fn prepare(&mut self, _: usize, _: Size) -> Result<(), EngineError> {
            Ok(())
        }

        fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
            let Data::F32Nchw(values) = input.data else { unreachable!() };
            let Size { height, width } = Size::new(input.size.height / 8, input.size.width / 8);
            let first = |picture: usize| values[picture * 3 * input.size.area()];
            let logit = |i: usize| -(first(i / (11 * height * width)) - (i / (height * width) % 11) as f32).abs();
            let logits: Vec<f32> = (0..input.batch * 11 * height * width).map(logit).collect();
            outputs.set("logits8", &[input.batch, 11, height, width], &logits[..]);
            Ok(())
        }

        fn description(&self) -> &str {
            "toy"
        }
    }

    #[test]
    fn a_segmenter_and_its_builder_move_between_threads() {
        fn assert_send<T: Send>() {}
        assert_send::<Segmenter>();
        assert_send::<SegmenterBuilder>();
    }

    #[test]
    fn logits_are_those_of_the_last_run() {
        let mut segmenter = Segmenter::new(model(InputSize::Dynamic, Head::Logits8), Toy);
        let found = |segmenter: &Segmenter<Toy>| segmenter.logits(0).map(|logits| (logits.values.len(), logits.size));
        assert_eq!(found(&segmenter), None, "nothing is segmented yet");
        let size = segmenter.segment(&RgbImage::new(64, 64)).unwrap().input_size;
        let expected = Some((11 * size.area() / 64, Size::new(size.height / 8, size.width / 8)));
        assert_eq!(found(&segmenter), expected);
        assert!(segmenter.segment(&RgbImage::new(0, 0)).is_err());
        assert_eq!(found(&segmenter), expected, "a picture that is refused runs nothing");
        assert!(segmenter.logits(1).is_none());
    }

    #[test]
    fn a_batch_that_is_not_full_gives_its_pictures_masks() {
        let size = InputSize::Static { batch: 3, height: 64, width: 128 };
        let mut segmenter = Segmenter::new(model(size, Head::Logits8), Toy);
        // Normalised, white is near class 2 and black near class 0.
        let pictures = [255, 0].map(|value| RgbImage::from_pixel(16, 8, image::Rgb([value; 3])));
        let frames = pictures.each_ref().map(|picture| Frame::try_from(picture).unwrap());
        let found = segmenter.segment_batch(&frames).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[0].mask.iter().all(|id| *id == 2) && found[1].mask.iter().all(|id| *id == 0), "{found:?}");
        assert_eq!((found[0].class_pixels[2], found[1].class_pixels[0]), (128, 128));
        let [first, second] = [0, 1].map(|picture| segmenter.logits(picture).unwrap().values);
        assert!(first != second && first.len() == second.len());
        assert!(segmenter.logits(2).is_none(), "there were two pictures");
        for wrong in [&frames.repeat(2)[..], &[]] {
            let error = segmenter.segment_batch(wrong).unwrap_err();
            assert!(matches!(error, SegmentError::Batch { max: 3, .. }), "{error}");
        }
    }

    #[test]
    fn sizes_and_batches_are_checked_against_the_model() {
        let dynamic = || Segmenter::new(model(InputSize::Dynamic, Head::Logits8), Toy);
        let (two, size) = (NonZeroUsize::new(2).unwrap(), Size::new(128, 64));
        let mut segmenter = dynamic().with_batch(two).unwrap().with_image_size(size).unwrap();
        assert_eq!((segmenter.batch(), segmenter.segment(&RgbImage::new(9, 9)).unwrap().input_size), (2, size));
        let error = dynamic().with_image_size(Size::new(100, 64)).err().unwrap();
        assert!(matches!(error, BuildError::Multiple { nearest, .. } if nearest == size), "{error}");
        let fixed =
            || Segmenter::new(model(InputSize::Static { batch: 1, height: 64, width: 128 }, Head::Logits8), Toy);
        assert!(matches!(fixed().with_batch(two).err(), Some(BuildError::Batch { wanted: 2, fixed: 1, .. })));
        assert!(matches!(fixed().with_image_size(size).err(), Some(BuildError::StaticSize { .. })));
        assert!(fixed().with_image_size(Size::new(64, 128)).is_ok() && fixed().with_batch(NonZeroUsize::MIN).is_ok());
    }

    #[test]
    fn buffers_that_do_not_fit_are_refused() {
        let size = InputSize::Static { batch: 2, height: 64, width: 128 };
        let mut segmenter = Segmenter::new(model(size, Head::Logits8), Toy);
        let picture = RgbImage::new(16, 8);
        let frame = Frame::try_from(&picture).unwrap();
        let error = segmenter.segment_into(frame, &mut [0; 127]).unwrap_err();
        assert!(matches!(error, SegmentError::MaskSize { found: 127, .. }), "{error}");
        assert!(segmenter.logits(0).is_none() && segmenter.class_pixels(0).is_none(), "the run failed");
        let error = segmenter.segment_batch_into(&[frame, frame], &mut [&mut [0; 128]]).unwrap_err();
        assert!(matches!(error, SegmentError::Masks { found: 1, expected: 2 }), "{error}");
    }
}
