//! Everything that can be typed.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};
use lrnnet_graph::Precision;
use lrnnet_run::engine::EngineOptions;
use lrnnet_run::mask::MaskStyle;
use lrnnet_run::stream::Ratio;
use lrnnet_run::{DeviceChoice, Model, ModelError, Segmenter, SegmenterBuilder, Size, device_words, tolerance};

use super::bench::BenchArgs;
use super::opening::Volume;

const EXIT_CODES: &str = "\
Exit codes: 0 all done; 1 some input failed, the others are done; 2 usage or model; 3 device, library or ffmpeg missing;
130 a stream was interrupted, and what was done is complete.";

/// Segment street pictures and videos with LRNNet: pictures in, class masks out.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub predict: PredictArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which libraries and devices were found, which work, and what would fix the others
    Doctor(DoctorArgs),
    /// Fetch ONNX Runtime with Python's pip and put it where it is found
    Setup(SetupArgs),
    /// Measure accuracy (mIoU, IoU per class, pixel accuracy) against labels
    Eval(EvalArgs),
    /// Check that a model file does here what it did when it was exported
    Selftest(SelfTestArgs),
    /// Compare two devices or two model files, pixel by pixel
    Verify(VerifyArgs),
    /// Measure latency on several devices, in one table
    Bench(BenchArgs),
}

#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// Pictures (png, jpeg, webp): files, folders (with all below), globs, or - for standard input; or one stream: a
    /// video file, y4m (also as -), raw frames (--raw), a camera (/dev/video0) or a URL (rtsp://, https://)
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<PathBuf>,
    /// Where masks go: a file for one picture, a folder for many, or - for standard output; for a stream a video
    /// (.mp4, .mkv, .mov, .avi), .y4m or .raw, a folder for numbered PNG files, or -
    #[arg(short, long, required = true, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Mask file: indexed (ids with the model's palette), gray (ids as grey values) or color (RGB, no ids)
    #[arg(long, default_value_t, value_name = "STYLE")]
    pub mask: MaskStyle,
    /// Also draw the mask over the picture: a file for one picture, a folder for many, a video for a stream; for a
    /// stream without PATH: draw it in -o, in place of the mask
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub overlay: Option<Option<PathBuf>>,
    /// Weight of the mask's colours in the overlay, 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = zero_to_one::<f32>, value_name = "WEIGHT")]
    pub opacity: f32,
    /// Also write classes and times of all pictures, or of the stream, as JSON, to a file or - for standard output
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more: why better devices are not used, a line per picture even beside a progress bar
    #[arg(short, long)]
    verbose: bool,
}

impl PredictArgs {
    /// How much is said.
    pub fn volume(&self) -> Volume {
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (false, false) => Volume::Normal,
            (false, true) => Volume::Verbose,
        }
    }

    /// Where the mask goes that is drawn over the picture, if that is a place of its own.
    pub fn overlay_path(&self) -> Option<&Path> {
        self.overlay.as_ref()?.as_deref()
    }

    /// Where masks go. Only a subcommand may leave it out, which then leaves all of these arguments out.
    pub fn output(&self) -> &Path {
        self.output.as_deref().expect("clap demands -o where there is no subcommand")
    }
}

/// What matters to streams alone.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Streams")]
pub struct StreamArgs {
    /// The source is raw RGB24 frames of this size
    #[arg(long, value_name = "HxW")]
    pub raw: Option<Size>,
    /// Frames a second of the result; by default the source's, which raw frames do not tell
    #[arg(long, value_name = "RATE")]
    pub fps: Option<Ratio>,
    /// Drop old frames rather than lag; the default for cameras and rtsp. Of other sources no frame is dropped
    #[arg(long)]
    pub live: bool,
    /// Seconds after which a source that gives nothing counts as broken
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    pub timeout: NonZeroU64,
    /// Form of the results, where their names do not tell: raw (a byte per pixel), y4m or png (for a folder or -)
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<StreamFormat>,
}

/// Forms of results that no name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamFormat {
    Raw,
    Y4m,
    Png,
}

/// What network runs where.
#[derive(Debug, clap::Args)]
pub struct EngineArgs {
    /// Model file of lrnnet-export; by default the CamVid model that is part of this program
    #[arg(short, long, value_name = "MODEL.onnx")]
    pub model: Option<PathBuf>,
    /// Precision of the model that is part of this program: fp32 or int8
    #[arg(long, default_value_t = Precision::Fp32, conflicts_with = "model", value_name = "PRECISION")]
    pub precision: Precision,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Input size of a dynamic model; by default the picture's aspect ratio near the trained size
    #[arg(long, value_name = "HxW")]
    pub imgsz: Option<Size>,
}

impl EngineArgs {
    /// A segmenter as these arguments ask for.
    pub fn builder(&self) -> SegmenterBuilder {
        let network = self.model.as_deref().map_or(Network::Builtin(self.precision), Network::File);
        let builder = self.place.runtime.builder(network, self.place.device);
        match self.imgsz {
            Some(size) => builder.image_size(size),
            None => builder,
        }
    }
}

/// Where a network runs, and how.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    #[arg(long, default_value_t, value_name = "DEVICE", help = device_help())]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

fn device_help() -> String {
    format!("{}; only auto falls back", device_words())
}

/// Whose models are taken.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct TrustArgs {
    /// Take a model file that lrnnet-export did not write as it is: only from somebody you would run a program of
    #[arg(long)]
    trust_model: bool,
}

impl TrustArgs {
    /// Reads a model file.
    pub fn open(self, path: &Path) -> Result<Model, ModelError> {
        if self.trust_model { Model::open_trusted(path) } else { Model::open(path) }
    }
}

/// How a runtime is found and run, and what it may run.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// Library of ONNX Runtime, or its folder; searched for by default (see lrnnet-run doctor)
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,
    /// Threads on the CPU; by default the runtime's choice
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub trust: TrustArgs,
}

impl RuntimeArgs {
    /// What an engine is opened with.
    pub fn options(&self) -> EngineOptions {
        EngineOptions { library: self.ort_lib.clone(), threads: self.threads, ..EngineOptions::default() }
    }

    /// A segmenter with this network.
    pub fn builder(&self, network: Network<'_>, device: DeviceChoice) -> SegmenterBuilder {
        let builder = Segmenter::builder().device(device).engine_options(self.options());
        match network {
            Network::File(path) => builder.model_path(path).trust_model(self.trust.trust_model),
            Network::Builtin(precision) => builder.builtin(precision),
        }
    }
}

/// A network as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// A model file.
    File(&'a Path),
    /// The one that is part of this program.
    Builtin(Precision),
}

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Model file that the devices are tried with; by default the built-in one
    #[arg(short, long, value_name = "MODEL.onnx")]
    pub model: Option<PathBuf>,
    /// Library of ONNX Runtime, or its folder; searched for by default
    #[arg(long, value_name = "PATH")]
    pub ort_lib: Option<PathBuf>,
    #[command(flatten)]
    pub trust: TrustArgs,
}

#[derive(Debug, clap::Args)]
pub struct SetupArgs {
    /// Fetch the build with CUDA and TensorRT (about 256 MB) in place of the CPU's (about 24 MB)
    #[arg(long)]
    pub gpu: bool,
}

#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// Folder of pictures (png, jpeg, webp)
    #[arg(long, value_name = "DIR")]
    pub images: PathBuf,
    /// Folder of labels: for each picture an 8-bit PNG of class ids, of the same stem and size
    #[arg(long, value_name = "DIR")]
    pub labels: PathBuf,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Label id that is left out; by default the model's
    #[arg(long, value_name = "ID")]
    pub ignore: Option<u8>,
    /// Print JSON in place of a table
    #[arg(long)]
    pub json: bool,
    /// Also draw the confusion matrix
    #[arg(long, value_name = "PNG")]
    pub confusion: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct SelfTestArgs {
    /// Model file of lrnnet-export
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Model file of lrnnet-export
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Pictures to compare on; by default one that is generated
    #[arg(value_name = "IMAGE")]
    pub pictures: Vec<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Device of the reference
    #[arg(long, default_value = "tract", value_name = "DEVICE")]
    pub against: DeviceChoice,
    /// Model file of the reference; by default the same file
    #[arg(long, value_name = "MODEL.onnx")]
    pub model_b: Option<PathBuf>,
    /// Part of pixels that must agree, 0 to 1 [default: 0.999, and 0.97 where a model is int8]
    #[arg(long, value_parser = zero_to_one::<f64>, value_name = "PART")]
    pub min_agreement: Option<f64>,
    /// Part of the largest logit below which the two best classes of a pixel tie
    #[arg(long, default_value_t = tolerance::VERIFY_TIE, value_parser = zero_to_one::<f32>, value_name = "PART")]
    pub tie: f32,
    /// Draw where they differ: near ties yellow, real differences red
    #[arg(long, value_name = "PNG")]
    pub diff: Option<PathBuf>,
    /// Print JSON in place of a table
    #[arg(long)]
    pub json: bool,
}

fn zero_to_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (T::from(0)..=T::from(1)).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn pictures_and_subcommands_keep_apart() {
        let parse = |line: &str| Args::try_parse_from(format!("lrnnet-run {line}").split_whitespace());
        assert!(
            parse("a.png b.png -o out").is_ok_and(|args| args.predict.sources.len() == 2 && args.command.is_none())
        );
        assert!(parse("doctor").is_ok_and(|args| args.predict.sources.is_empty() && args.command.is_some()));
        assert!(parse("setup --gpu").is_ok());
        for line in ["a.png -o m.png", "eval --images a --labels b", "selftest m.onnx", "verify m.onnx"] {
            assert!(parse(&format!("{line} --device cuda:1+tf32+graph --threads 2")).is_ok(), "{line}");
            assert!(parse(&format!("{line} --device cpu+graph")).is_err(), "{line}");
            assert!(parse(&format!("{line} --trust-model")).is_ok(), "{line}");
        }
        for line in ["a.png -o m.png", "eval --images a --labels b"] {
            assert!(parse(&format!("{line} --precision int8")).is_ok(), "{line}");
            assert!(parse(&format!("{line} --precision int4")).is_err(), "{line}");
            assert!(parse(&format!("{line} --precision int8 -m m.onnx")).is_err(), "{line}");
        }
        for bad in [
            "",
            "a.png",
            "-o out",
            "doctor -o out",
            "a.png -o m.png -q -v",
            "a.png -o m.png --opacity 2",
            "verify m.onnx --tie nan",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
