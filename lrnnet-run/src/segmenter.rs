//! The library's front door: a picture in, a mask out.

mod builder;
mod error;

use std::slice;
use std::time::{Duration, Instant};

use image::{GrayImage, RgbImage};
use lrnnet_graph::Metadata;

pub use self::builder::SegmenterBuilder;
pub use self::error::{BuildError, SegmentError};
use crate::device::Device;
use crate::engine::{Engine, EngineError, Outputs};
use crate::model::{Model, Output};
use crate::postprocess::{ArgMax, count_classes, resize_nearest};
use crate::preprocess::Preprocessor;
use crate::resize::size_of;
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
    batch: usize,
    /// Input size of the last run, whose outputs are as the model promises.
    segmented: Option<Size>,
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

/// Scores of the last picture, row-major; of a batch, its first.
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

    /// Segments `picture`, with a segmenter for one picture at a time.
    ///
    /// # Errors
    ///
    /// A picture without pixels, a run that fails, or an output that is not what the model's metadata says.
    pub fn segment(&mut self, picture: &RgbImage) -> Result<Segmentation, SegmentError> {
        let mut segmentations = self.segment_batch(slice::from_ref(picture))?;
        Ok(segmentations.pop().expect("one picture has one segmentation"))
    }

    /// Segments as many pictures as the segmenter was built for ([`SegmenterBuilder::batch`]) in one run. All are
    /// brought to the input size of the first. The timings, which all of them get, are those of the whole batch.
    ///
    /// # Errors
    ///
    /// As for [`segment`](Self::segment), and another number of pictures.
    pub fn segment_batch(&mut self, pictures: &[RgbImage]) -> Result<Vec<Segmentation>, SegmentError> {
        let input_size = self.input_size(pictures)?;
        self.engine.prepare(self.batch, input_size)?;

        let start = Instant::now();
        let input = self.preprocessor.prepare_batch(pictures, input_size);
        let prepared = Instant::now();
        self.segmented = None;
        self.engine.run(&input, &mut self.outputs)?;
        let run = Instant::now();
        self.check_outputs(input_size)?;
        self.segmented = Some(input_size);
        let masks = pictures.iter().enumerate().map(|(index, picture)| self.mask(index, input_size, size_of(picture)));
        let masks = masks.collect::<Result<Vec<_>, _>>()?;
        let timings = Timings { pre: prepared - start, infer: run - prepared, post: run.elapsed() };

        let segmentation = |(mask, class_pixels)| Segmentation { mask, class_pixels, input_size, timings };
        Ok(masks.into_iter().map(segmentation).collect())
    }

    /// Puts `pictures` where the network reads them, for [`run_held`](Self::run_held).
    ///
    /// # Errors
    ///
    /// As for [`segment_batch`](Self::segment_batch).
    pub fn hold(&mut self, pictures: &[RgbImage]) -> Result<(), SegmentError> {
        let input_size = self.input_size(pictures)?;
        self.engine.prepare(self.batch, input_size)?;
        Ok(self.engine.hold(&self.preprocessor.prepare_batch(pictures, input_size))?)
    }

    /// Runs the network alone on the pictures that are held, without a copy, and leaves its output where it is. This
    /// is for measurements.
    ///
    /// # Errors
    ///
    /// A run that fails, and that nothing is held.
    pub fn run_held(&mut self) -> Result<Duration, SegmentError> {
        let start = Instant::now();
        self.engine.run_held()?;
        Ok(start.elapsed())
    }

    /// Scores of the picture segmented last, where the model's head puts them out; none before or after a run that
    /// failed.
    pub fn logits(&self) -> Option<Logits<'_>> {
        let size = self.segmented?;
        let (output, values) = match &self.outputs {
            Outputs { logits, .. } if !logits.is_empty() => (Output::Logits, logits),
            Outputs { logits8, .. } if !logits8.is_empty() => (Output::Logits8, logits8),
            _ => return None,
        };
        let values = &values[..self.values(output, 1, size)];
        Some(Logits { values, classes: self.model.classes(), size: output.size(size) })
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

    /// The input size for `pictures`, of which there must be the right number, with pixels.
    fn input_size(&self, pictures: &[RgbImage]) -> Result<Size, SegmentError> {
        if pictures.len() != self.batch {
            return Err(SegmentError::Batch { found: pictures.len(), expected: self.batch });
        }
        if pictures.iter().any(|picture| size_of(picture).area() == 0) {
            return Err(SegmentError::NoPixels);
        }
        let first = || pictures.first().map_or(self.model.trained_size(), size_of);
        Ok(self.image_size.unwrap_or_else(|| self.model.input_size(first())))
    }

    /// Whether every output has the size that the model promises.
    fn check_outputs(&self, size: Size) -> Result<(), SegmentError> {
        for &output in self.model.outputs() {
            let found = match output {
                Output::ClassMap => self.outputs.class_map.len(),
                Output::Logits => self.outputs.logits.len(),
                Output::Logits8 => self.outputs.logits8.len(),
            };
            let expected = self.values(output, self.batch, size);
            if found != expected {
                return Err(SegmentError::OutputSize { output, found, expected });
            }
        }
        Ok(())
    }

    /// Number of values of an output for `batch` pictures of the input size `size`.
    fn values(&self, output: Output, batch: usize, size: Size) -> usize {
        output.shape(batch, self.model.classes(), size).iter().product()
    }

    /// The mask of picture `index` at its own size, and its pixels by class.
    fn mask(&mut self, index: usize, size: Size, own_size: Size) -> Result<(GrayImage, Vec<u64>), SegmentError> {
        let classes = self.model.classes();
        let mask = resize_nearest(self.ids(index, size), size, own_size);
        let class_pixels = count_classes(&mask, classes).map_err(|id| SegmentError::ClassId { id, classes })?;
        let mask = GrayImage::from_raw(own_size.width as u32, own_size.height as u32, mask);
        Ok((mask.expect("one id per pixel"), class_pixels))
    }

    /// Class ids of picture `index` at the input's size, from whichever output gives them with least work.
    fn ids(&mut self, index: usize, size: Size) -> &[u8] {
        let cheapest = [Output::ClassMap, Output::Logits, Output::Logits8];
        let output = cheapest.into_iter().find(|output| self.model.outputs().contains(output));
        let output = output.expect("a model has at least one output");
        let values = self.values(output, 1, size);
        let own = index * values..(index + 1) * values;
        match output {
            Output::ClassMap => return &self.outputs.class_map[own],
            Output::Logits => self.argmax.full(&self.outputs.logits[own], size, &mut self.ids),
            Output::Logits8 => self.argmax.upsampled(&self.outputs.logits8[own], size, &mut self.ids),
        }
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use lrnnet_graph::onnx::Opset;
    use lrnnet_graph::{Config, Form, Head, InputSize, Network, Origin, Settings, synthetic};

    use super::*;

    #[test]
    fn logits_are_those_of_the_last_run_whatever_is_held_since() {
        let (size, head) = (InputSize::Dynamic, Head::Logits8);
        let settings = Settings { size, head, trained_size: [64, 128], ..Settings::camvid() };
        let network = Network::new(Config::new(settings).unwrap());
        let weights = synthetic::weights(&network);
        let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
        let bytes = network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap().to_onnx(Opset::default(), &origin);
        let mut segmenter = Segmenter::builder().model_bytes(bytes).device(Device::Tract).build().unwrap();
        // A dynamic model runs near the size it was trained for, so what differs is the aspect ratio.
        let (wide, narrow) = (RgbImage::new(256, 64), RgbImage::new(64, 64));
        let found = |segmenter: &Segmenter| segmenter.logits().map(|logits| (logits.values.len(), logits.size));

        segmenter.hold(slice::from_ref(&wide)).unwrap();
        assert_eq!(found(&segmenter), None, "nothing is segmented yet");
        let size = segmenter.segment(&narrow).unwrap().input_size;
        let expected = Some((11 * size.area() / 64, Size::new(size.height / 8, size.width / 8)));
        assert_eq!(found(&segmenter), expected);
        segmenter.hold(slice::from_ref(&wide)).unwrap();
        assert_eq!(found(&segmenter), expected, "holding a picture runs nothing");
        assert!(segmenter.segment(&RgbImage::new(0, 0)).is_err());
        assert_eq!(found(&segmenter), expected, "a picture that is refused runs nothing");
    }
}
