//! What can be typed after `bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use lrnnet_graph::Precision;
use lrnnet_run::engine::BACKENDS;
use lrnnet_run::{DeviceChoice, Size};

use crate::cli::args::{Network, RuntimeArgs};

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Model file of lrnnet-export, measured on each device; may be repeated; by default the built-in CamVid model
    #[arg(short, long = "model", value_name = "MODEL.onnx")]
    pub models: Vec<PathBuf>,
    /// Precisions of the built-in model, as in fp32,int8; each is a row of its own
    #[arg(
        long = "precision",
        value_delimiter = ',',
        default_value = "fp32",
        conflicts_with = "models",
        value_name = "PRECISIONS"
    )]
    pub precisions: Vec<Precision>,
    /// Devices with their choices, as in cpu,tract,cuda:0,cuda:0+tf32+graph,tensorrt:0+fp16; may be repeated
    #[arg(
        long = "device",
        value_delimiter = ',',
        default_values_t = all_devices(),
        value_name = "DEVICES"
    )]
    pub devices: Vec<DeviceChoice>,
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// Input size of a dynamic model; by default the one it was trained for
    #[arg(long, value_name = "HxW")]
    pub imgsz: Option<Size>,
    /// Pictures per run
    #[arg(long, default_value = "1", value_name = "N")]
    pub batch: NonZeroUsize,
    /// Picture to segment; by default one that is generated, of the first model's input size
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<PathBuf>,
    /// Also send a whole recording (a video, .y4m) through each row and say how many frames a second come out
    #[arg(long, value_name = "VIDEO")]
    pub source: Option<PathBuf>,
    /// Also measure each row's accuracy: folder of pictures, with --labels
    #[arg(long, requires = "labels", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Folder of labels: for each picture an 8-bit PNG of class ids, of the same stem and size
    #[arg(long, requires = "images", value_name = "DIR")]
    pub labels: Option<PathBuf>,
    /// Also draw accuracy over speed, with the files' sizes; needs --images and --labels
    #[arg(long, requires = "labels", value_parser = parse_png, value_name = "PNG")]
    pub trade_off: Option<PathBuf>,
    /// Runs of each row before any is timed
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub warmup: usize,
    /// Timed runs of each row
    #[arg(long, default_value = "100", value_name = "N", conflicts_with = "duration")]
    pub iters: NonZeroUsize,
    /// Seconds to measure per row that works, on average, in place of a number of runs; all rows run equally often
    #[arg(long, value_parser = parse_seconds, value_name = "S")]
    pub duration: Option<Duration>,
    /// Also write all figures as JSON, to a file or - for standard output (the table then goes to standard error)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Also draw the latency distributions
    #[arg(long, value_parser = parse_png, value_name = "PNG")]
    pub plot: Option<PathBuf>,
}

impl BenchArgs {
    /// What is measured on each device.
    pub fn networks(&self) -> Vec<Network<'_>> {
        let files = self.models.iter().map(|path| Network::File(path));
        let builtin = self.precisions.iter().map(|&precision| Network::Builtin(precision));
        if self.models.is_empty() { builtin.collect() } else { files.collect() }
    }
}

/// Every device of the table.
fn all_devices() -> Vec<DeviceChoice> {
    BACKENDS.iter().map(|row| row.device.into()).collect()
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("`{text}` is no duration; expected 0.001 to 86400 seconds"))?;
    Ok(Duration::from_secs_f64(seconds))
}

fn parse_png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("png") => Ok(path),
        _ => Err(format!("`{text}` is not named .png; the plot is a PNG file")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::*;

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        let command = BenchArgs::augment_args(clap::Command::new("bench"));
        let matches = command.try_get_matches_from(format!("bench {line}").split_whitespace())?;
        BenchArgs::from_arg_matches(&matches)
    }

    #[test]
    fn every_flag_reads_its_words() {
        let good = [
            "",
            "-m a.onnx --model b.onnx",
            "--device cpu --device tract,cuda:1+graph",
            "--precision fp32,int8 --device cpu",
            "--imgsz 512x1024 --batch 8 --threads 2",
            "--warmup 0 --iters 1",
            "--duration 0.5 --json - --plot latency.png",
            "--image street.png --ort-lib folder",
            "-m a.onnx --trust-model",
            "--source street.mp4",
            "--images pictures --labels labels --trade-off all.png",
        ];
        let bad = [
            "picture.png",
            "--device",
            "--device gpu",
            "--precision int4",
            "--precision int8 -m a.onnx",
            "--device cpu+graph",
            "--device cpu,,tract",
            "--imgsz 512",
            "--batch 0",
            "--iters 0",
            "--iters 5 --duration 1",
            "--duration 0",
            "--duration -1",
            "--duration NaN",
            "--threads 0",
            "--plot latency.svg",
            "--images pictures",
            "--labels labels",
            "--trade-off all.png",
            "--warmup -1",
        ];
        let refused = good.iter().filter(|line| parse(line).is_err());
        let taken = bad.iter().filter(|line| parse(line).is_ok());
        let wrong: Vec<_> = refused.chain(taken).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn all_devices_are_compared_by_default() {
        let args = parse("").unwrap();
        let devices: Vec<_> = args.devices.iter().map(ToString::to_string).collect();
        assert_eq!(devices, ["cpu", "tract", "cuda:0", "tensorrt:0"]);
        assert_eq!(args.networks(), [Network::Builtin(Precision::Fp32)]);
        assert_eq!((args.batch.get(), args.warmup, args.iters.get()), (1, 3, 100));
    }
}
