//! One row of the table: a model on a device.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lrnnet_graph::Precision;
use lrnnet_run::engine::{self, EngineOptions, Placement, ResidentEngine};
use lrnnet_run::stream::Summary;
use lrnnet_run::{BuildError, DeviceChoice, Frame, Preprocessor, Segmenter, SegmenterBuilder, Size};

use super::args::BenchArgs;
use super::memory::{Memory, Watch};
use super::stream::Recording;
use crate::cli::args::Network;
use crate::cli::failure::Failure;
use crate::cli::labelled::Labelled;

/// A model on a device, measured or not there.
pub struct Row<'a> {
    network: Network<'a>,
    /// The model file's name.
    pub model: String,
    /// The device that was asked for.
    pub choice: DeviceChoice,
    /// The measurement, or why there is none.
    pub state: Result<Measured>,
}

/// What is measured of a row.
pub struct Measured {
    segmenter: Segmenter<Box<dyn ResidentEngine>>,
    /// Makes the input of the network alone.
    preprocessor: Preprocessor,
    /// From the model file to a network that is ready to run.
    pub load: Duration,
    /// The first whole run.
    pub first: Duration,
    /// Memory while it loaded and ran first, where the system tells.
    pub memory: Option<Memory>,
    /// What runs the nodes.
    pub placement: Placement,
    /// Height and width at which the network ran.
    pub input_size: Size,
    /// Class ids of all pixels of the last run.
    pub mask: Vec<u8>,
    /// Times of the timed runs.
    pub samples: Samples,
    /// Why the network alone could not be timed.
    pub network_error: Option<anyhow::Error>,
    /// How a stream went.
    pub stream: Option<Summary>,
    /// Mean IoU, 0 to 1.
    pub miou: Option<f64>,
}

/// Times of the timed runs, in order.
#[derive(Default)]
pub struct Samples {
    /// Picture to input.
    pub pre: Vec<Duration>,
    /// Input to output, with copies.
    pub infer: Vec<Duration>,
    /// Output to mask.
    pub post: Vec<Duration>,
    /// Sum of those three, run by run.
    pub total: Vec<Duration>,
    /// The network alone, in runs of its own.
    pub network: Vec<Duration>,
}

impl<'a> Row<'a> {
    /// Loads a network on a device and runs it once. A device that does not work makes a
    /// row that says why.
    ///
    /// # Errors
    ///
    /// A model or size that makes no sense on any device.
    pub fn open(
        network: Network<'a>,
        choice: DeviceChoice,
        args: &BenchArgs,
        pictures: &[Frame<'_>],
        notice: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, Failure> {
        let watch = Watch::start();
        let start = Instant::now();
        let state = match builder(network, choice, args).on_notice(notice).build_resident() {
            Ok(segmenter) => {
                let load = start.elapsed();
                Measured::run_first(segmenter, load, &watch, pictures, &args.runtime.options())
            }
            Err(BuildError::Engine(error)) => Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let model = match network {
            Network::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Network::Builtin(Precision::Fp32) => "built-in".to_owned(),
            Network::Builtin(precision) => format!("built-in {precision}"),
        };
        Ok(Self { network, model, choice, state })
    }

    /// Runs and times the row `runs` times, whole and the network alone; each after one run without timing, since
    /// another row ran before and left its data in the caches. A row that fails says so from then on.
    pub fn turn(&mut self, pictures: &[Frame<'_>], runs: usize) {
        if let Ok(measured) = &mut self.state
            && let Err(error) = measured.turn(pictures, runs)
        {
            self.state = Err(error);
        }
    }

    /// Sends a recording through the row, with as many networks side by side as the main command has.
    ///
    /// # Errors
    ///
    /// A recording that cannot be read, a network that cannot be loaded once more.
    pub fn stream(&mut self, recording: &Recording, args: &BenchArgs) -> Result<(), Failure> {
        if let Ok(measured) = &mut self.state {
            let mut segmenters = builder(self.network, self.choice, args).build_side_by_side()?;
            match recording.run(&mut segmenters)? {
                Ok(summary) => measured.stream = Some(summary),
                Err(error) => self.state = Err(error.into()),
            }
        }
        Ok(())
    }

    /// Measures the row's accuracy.
    ///
    /// # Errors
    ///
    /// A picture or label that cannot be read, a run that fails, and labels without a pixel that counts.
    pub fn accuracy(&mut self, labelled: &Labelled, done: impl Fn()) -> Result<()> {
        if let Ok(measured) = &mut self.state {
            let ignore = measured.metadata().classes.ignore_index;
            let confusion = labelled.confusion(&mut measured.segmenter, ignore, done)?;
            measured.miou = Some(confusion.mean_iou().context("every pixel of every label is ignored")?);
        }
        Ok(())
    }

    /// Runs the row `runs` times without timing.
    pub fn warm_up(&mut self, pictures: &[Frame<'_>], runs: usize) {
        if let Ok(measured) = &mut self.state
            && let Err(error) = (0..runs).try_for_each(|_| measured.segmenter.segment_batch(pictures).map(drop))
        {
            self.state = Err(error.into());
        }
    }
}

fn builder(network: Network<'_>, choice: DeviceChoice, args: &BenchArgs) -> SegmenterBuilder {
    let builder = args.runtime.builder(network, choice).batch(args.batch);
    match args.imgsz {
        Some(size) => builder.image_size(size),
        None => builder,
    }
}

impl Measured {
    fn run_first(
        mut segmenter: Segmenter<Box<dyn ResidentEngine>>,
        load: Duration,
        watch: &Watch,
        pictures: &[Frame<'_>],
        options: &EngineOptions,
    ) -> Result<Self> {
        let start = Instant::now();
        let segmentations = segmenter.segment_batch(pictures)?;
        let first = start.elapsed();
        let memory = watch.peak();
        let input_size = segmentations.first().context("a run without pictures")?.input_size;
        let model = segmenter.model();
        let device = segmenter.device().context("the builder opens a device")?;
        let ran = model.as_run_by(device.backend().context("the device is one of the table")?);
        let placement = engine::placement(&ran, device, options, pictures.len(), input_size)?;
        Ok(Self {
            preprocessor: Preprocessor::new(model.input_kind(), model.metadata()),
            segmenter,
            load,
            first,
            memory,
            placement,
            input_size,
            mask: vec![],
            samples: Samples::default(),
            network_error: None,
            stream: None,
            miou: None,
        })
    }

    fn turn(&mut self, pictures: &[Frame<'_>], runs: usize) -> Result<()> {
        self.segmenter.segment_batch(pictures)?;
        for run in 1..=runs {
            let segmentations = self.segmenter.segment_batch(pictures)?;
            let timings = segmentations.first().context("a run without pictures")?.timings;
            self.samples.pre.push(timings.pre);
            self.samples.infer.push(timings.infer);
            self.samples.post.push(timings.post);
            self.samples.total.push(timings.pre + timings.infer + timings.post);
            if run == runs {
                self.mask = segmentations.into_iter().flat_map(|segmentation| segmentation.mask.into_raw()).collect();
            }
        }
        if self.network_error.is_none() {
            self.network_error = self.turn_network(pictures, runs).err();
        }
        Ok(())
    }

    /// Runs and times the network alone. It needs tensors at fixed places of a GPU's memory, which not every version of
    /// ONNX Runtime can fill; the row has its other figures without.
    fn turn_network(&mut self, pictures: &[Frame<'_>], runs: usize) -> Result<()> {
        let input = self.preprocessor.prepare_batch(pictures, self.segmenter.batch(), self.input_size);
        let engine = self.segmenter.engine_mut();
        engine.hold(&input)?;
        engine.run_held()?;
        for _ in 0..runs {
            let start = Instant::now();
            engine.run_held()?;
            self.samples.network.push(start.elapsed());
        }
        Ok(())
    }

    /// Runtime, version, device and choices in use, in words.
    pub fn runtime(&self) -> &str {
        self.segmenter.runtime()
    }

    /// Size of the model file.
    pub fn model_bytes(&self) -> usize {
        self.segmenter.model().bytes().len()
    }

    /// What the model file says of itself.
    pub fn metadata(&self) -> &lrnnet_graph::Metadata {
        self.segmenter.metadata()
    }
}
