//! Everything that can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use lrnnet_export::triton::{ServerPlan, Tensorrt};
use lrnnet_export::{BatchChoice, Samples};
use lrnnet_graph::onnx::{Opset, OpsetError};
use lrnnet_graph::{Block, Context, Form, Head, InputKind, Variant};
use lrnnet_run::Size;

const SERVER: &str = "Triton Inference Server";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the output could not be written; 2 usage, weights or model; 3 the runtime failed in verification.";

/// Turn trained LRNNet weights into a checked, self-describing ONNX file.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub convert: Option<ConvertArgs>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Describe a model file: inputs, outputs, nodes by operator, parameters, GFLOPS, metadata
    Inspect {
        /// Model file of lrnnet-export
        #[arg(value_name = "MODEL.onnx")]
        model: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the tensors of a weight file: names, types, shapes
    List {
        /// Weights: .safetensors, or .pth of torch.save(model.state_dict(), ...)
        #[arg(value_name = "WEIGHTS")]
        weights: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// Weights: .safetensors, or .pth of torch.save(model.state_dict(), ...)
    #[arg(value_name = "WEIGHTS")]
    pub weights: PathBuf,
    /// Where the model goes
    #[arg(short, long, value_name = "MODEL.onnx", required_unless_present = "triton", conflicts_with = "triton")]
    pub output: Option<PathBuf>,
    /// The paper's model: a (no context), b (svn:8) or c (svn:8,4); by default what the weights say
    #[arg(long, value_name = "a|b|c", conflicts_with_all = ["block", "context"])]
    pub variant: Option<Variant>,
    /// Residual block: fcb, ss-nbt or non-bt-1d; by default what the weights say
    #[arg(long, value_name = "BLOCK")]
    pub block: Option<Block>,
    /// Context module: none, svn:8,4, max:8, mean:8 (any scales) or nonlocal
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<Context>,
    /// Classes: camvid, cityscapes, or a file with a name a line, optionally with its colour (road 128 64 128)
    #[arg(long, value_name = "CLASSES")]
    pub classes: Option<PathBuf>,
    /// Means of red, green and blue in training, 0 to 1; by default what the weights say, else ImageNet's
    #[arg(long, requires = "std", value_parser = parse_channels, value_name = "R,G,B")]
    pub mean: Option<[f32; 3]>,
    /// Standard deviations of red, green and blue in training, above 0 up to 1
    #[arg(long, requires = "mean", value_parser = parse_channels, value_name = "R,G,B")]
    pub std: Option<[f32; 3]>,
    /// Height and width of the input, multiples of 8; by default those of training
    #[arg(long, value_name = "HxW", conflicts_with = "dynamic")]
    pub imgsz: Option<Size>,
    /// Pictures per run, 1 to 256, or any: as many as the caller gives [default: 1, and any with --triton]
    #[arg(long, value_name = "N|any", value_parser = parse_batch, conflicts_with = "dynamic")]
    pub batch: Option<BatchChoice>,
    /// Leave batch, height and width to the caller; multiples of 64 for models b and c
    #[arg(long)]
    pub dynamic: bool,
    /// Output: class-map (uint8 ids), logits, logits-8 (at 1/8 of the size) or both (logits and class map)
    #[arg(long, default_value_t = Head::ClassMap, value_name = "HEAD")]
    pub head: Head,
    /// Input: f32-nchw (normalised) or u8-nhwc (RGB bytes, normalised in the graph)
    #[arg(long, default_value_t = InputKind::F32Nchw, value_name = "INPUT")]
    pub input: InputKind,
    /// Power iterations T of a context of singular vectors [default: 2]
    #[arg(long, value_name = "T")]
    pub power_iters: Option<usize>,
    /// Store weights and compute in float16, but for norms and sums; inputs and outputs keep their types
    #[arg(long)]
    pub half: bool,
    /// Store weights and compute in 8 bits, but for the context module and the last layer; needs --calibration
    #[arg(long, conflicts_with = "half", requires = "calibration")]
    pub int8: bool,
    /// Folder of pictures as the model will see them, on which the ranges of int8 are measured; labels are not needed
    #[arg(long, requires = "int8", value_name = "DIR")]
    pub calibration: Option<PathBuf>,
    /// Pictures of that folder to measure on, evenly spread over it
    #[arg(long, requires = "int8", default_value_t = Samples::DEFAULT, value_name = "N", value_parser = parse_samples)]
    pub samples: usize,
    /// How the graph is written down: deploy (folded, fast), blocked (faster in ONNX Runtime on an x86 CPU, slower in
    /// tract), plain (node for node the paper), basic (folded, for older importers such as OpenCV 4.6, which also needs
    /// --opset 11) or dense (folded, without splits)
    /// [default: deploy, and dense for int8]
    #[arg(long, value_name = "FORM")]
    pub form: Option<Form>,
    /// Version of ONNX's operators, 11 to 21
    #[arg(long, default_value = "17", value_parser = parse_opset, value_name = "N")]
    pub opset: Opset,
    /// Do not run the model against the plain form before it is written
    #[arg(long)]
    pub no_verify: bool,
    /// In place of -o: a model repository into which the model goes, with its configuration and its class names
    #[arg(long, help_heading = SERVER, value_name = "DIR")]
    pub triton: Option<PathBuf>,
    /// What the server calls the model; nothing may be there under this name
    #[arg(
        long, help_heading = SERVER, conflicts_with = "output",
        default_value = ServerPlan::DEFAULT_NAME, value_name = "NAME"
    )]
    pub name: String,
    /// Pictures that the server may put into one run
    #[arg(
        long, help_heading = SERVER, conflicts_with = "output",
        default_value_t = ServerPlan::DEFAULT_MAX_BATCH, value_name = "N"
    )]
    pub max_batch: usize,
    /// Microseconds that a picture may wait for others to join its run
    #[arg(
        long, help_heading = SERVER, conflicts_with = "output",
        default_value_t = ServerPlan::DEFAULT_MAX_DELAY, value_name = "US"
    )]
    pub max_delay: u32,
    /// Copies of the model that run side by side, on each GPU or else on the CPU
    #[arg(long, help_heading = SERVER, conflicts_with = "output", default_value_t = 1, value_name = "N")]
    pub instances: usize,
    /// Have ONNX Runtime compile the model with TensorRT on GPUs: fp32, or fp16 inside
    #[arg(long, help_heading = SERVER, conflicts_with = "output", value_name = "PRECISION")]
    pub tensorrt: Option<Tensorrt>,
}

fn parse_opset(text: &str) -> Result<Opset, String> {
    let version =
        text.parse().map_err(|_| format!("`{text}` is no version; expected {} to {}", Opset::MIN, Opset::MAX))?;
    Opset::new(version).map_err(|error: OpsetError| error.to_string())
}

fn parse_batch(text: &str) -> Result<BatchChoice, String> {
    match text {
        "any" => Ok(BatchChoice::Free),
        number => number.parse().map(BatchChoice::Fixed).map_err(|_| format!("`{text}` is neither a number nor `any`")),
    }
}

fn parse_samples(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("`{text}` is no number of pictures; expected one from 1"))
}

fn parse_channels(text: &str) -> Result<[f32; 3], String> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let channels = numbers.and_then(|numbers| numbers.try_into().ok());
    channels.ok_or_else(|| format!("`{text}` is not three numbers; expected those of red, green and blue: 0.5,0.5,0.5"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(format!("lrnnet-export {line}").split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_reads_its_words() {
        let good = [
            "w.pth -o m.onnx",
            "w.pth -o m.onnx --variant a",
            "w.pth -o m.onnx --block ss-nbt --context none --classes camvid",
            "w.pth -o m.onnx --context svn:8,4,2 --power-iters 3",
            "w.pth -o m.onnx --imgsz 512x1024 --head logits-8 --input u8-nhwc",
            "w.pth -o m.onnx --imgsz 512x1024 --batch 8",
            "w.pth -o m.onnx --batch any",
            "w.pth --triton models",
            "w.pth --triton models --name road --max-batch 16 --max-delay 0 --instances 2 --tensorrt fp16",
            "w.pth -o m.onnx --mean 0.5,0.5,0.5 --std 0.25,0.25,1",
            "w.pth -o m.onnx --dynamic --half --form plain --opset 18 --no-verify",
            "w.pth -o m.onnx --int8 --calibration pictures",
            "w.pth -o m.onnx --int8 --calibration pictures --samples 100 --form deploy",
            "inspect m.onnx --json",
            "list w.safetensors",
        ];
        let bad = [
            "",
            "w.pth",
            "-o m.onnx",
            "w.pth v.pth -o m.onnx",
            "w.pth -o m.onnx --variant d",
            "w.pth -o m.onnx --variant a --block fcb",
            "w.pth -o m.onnx --variant a --context none",
            "w.pth -o m.onnx --context svn:",
            "w.pth -o m.onnx --imgsz 512",
            "w.pth -o m.onnx --imgsz 512x1024 --dynamic",
            "w.pth -o m.onnx --batch 8 --dynamic",
            "w.pth -o m.onnx --batch many",
            "w.pth -o m.onnx --triton models",
            "w.pth -o m.onnx --name road",
            "w.pth -o m.onnx --tensorrt fp16",
            "w.pth --triton models --max-batch x",
            "w.pth --triton models --tensorrt int8",
            "w.pth -o m.onnx --head mask",
            "w.pth -o m.onnx --mean 0.5,0.5,0.5",
            "w.pth -o m.onnx --std 0.5,0.5,0.5",
            "w.pth -o m.onnx --mean 0.5,0.5 --std 0.5,0.5,0.5",
            "w.pth -o m.onnx --mean 0.5,0.5,0.5,0.5 --std 0.5,0.5,0.5",
            "w.pth -o m.onnx --mean 0.5,0.5,x --std 0.5,0.5,0.5",
            "w.pth -o m.onnx --form fast",
            "w.pth -o m.onnx --opset 10",
            "w.pth -o m.onnx --opset x",
            "w.pth -o m.onnx --int8",
            "w.pth -o m.onnx --calibration pictures",
            "w.pth -o m.onnx --samples 10",
            "w.pth -o m.onnx --int8 --calibration pictures --samples 0",
            "w.pth -o m.onnx --int8 --calibration pictures --half",
            "inspect",
            "inspect m.onnx -o x",
        ];
        let wrong: Vec<_> = good
            .iter()
            .filter(|line| parse(line).is_err())
            .chain(bad.iter().filter(|line| parse(line).is_ok()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let args = parse("w.pth -o m.onnx").unwrap().convert.unwrap();
        assert_eq!((args.head, args.input, args.form), (Head::ClassMap, InputKind::F32Nchw, None));
        assert_eq!((args.opset.version(), args.half, args.no_verify, args.dynamic), (17, false, false, false));
        assert_eq!((args.int8, args.calibration, args.samples, args.batch), (false, None, 32, None));
        assert_eq!((args.triton, args.name.as_str(), args.max_batch), (None, "lrnnet", 8));
        assert_eq!((args.max_delay, args.instances, args.tensorrt), (2000, 1, None));
    }
}
