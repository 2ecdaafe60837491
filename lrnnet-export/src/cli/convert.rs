//! `lrnnet-export WEIGHTS -o MODEL.onnx`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use lrnnet_export::triton::ServerPlan;
use lrnnet_export::weights::{WeightFile, read_weights};
use lrnnet_export::{BatchChoice, Choices, Clues, Plan, Samples, SizeChoice, calibrate, export, find_classes};
use lrnnet_graph::{Classes, Config, InputSize, Normalization, Precision, Ranges};

use super::args::ConvertArgs;
use super::failure::Failure;
use super::hints;

/// Reads, settles, exports, writes; each step says on standard error what it found out.
pub fn run(args: ConvertArgs) -> Result<(), Failure> {
    let server = args.triton.as_deref().map(|folder| (folder, server_plan(&args)));
    if let Some((folder, plan)) = &server {
        plan.check(folder)?;
    }
    let file = read_weights(&args.weights)?;
    let size = match (args.imgsz, args.dynamic) {
        (_, true) => Some(SizeChoice::Dynamic),
        (size, false) => size.map(|size| SizeChoice::Fixed([size.height, size.width])),
    };
    let choices = Choices {
        variant: args.variant,
        block: args.block,
        context: args.context,
        power_iterations: args.power_iters,
        classes: args.classes.as_deref().map(classes).transpose()?,
        normalization: args.mean.zip(args.std).map(|(mean, std)| Normalization { mean, std }),
        size,
        // A server gathers as many pictures as there are.
        batch: args.batch.unwrap_or(if server.is_some() { BatchChoice::Free } else { BatchChoice::Fixed(1) }),
        input: args.input,
        head: args.head,
    };
    let settled = choices.settle(&Clues::of(&file))?;
    for note in &settled.notes {
        let remedy = hints::flags(note).map_or(String::new(), |flags| format!(" (choose with {flags})"));
        eprintln!("note: {note}{remedy}");
    }
    let precision = match (args.half, args.int8) {
        (true, _) => Precision::Fp16,
        (_, true) => Precision::Int8,
        _ => Precision::Fp32,
    };
    let plan = Plan::in_precision(settled.config, precision);
    let (form, verify) = (args.form.unwrap_or(plan.form), !args.no_verify);
    let mut plan = Plan { form, opset: args.opset, verify, ..plan };
    if let Some(folder) = &args.calibration {
        plan.ranges = measured(&file, &plan, folder, args.samples)?;
    }
    if args.half && plan.verify {
        eprintln!("note: most CPUs only emulate float16, so verifying may take a minute (--no-verify skips it)");
    }
    let exported = export(file, &plan)?;
    match &exported.verification {
        Some(found) => eprintln!("verified: {found}"),
        None => eprintln!("not verified, as asked"),
    }
    if exported.verification.is_some() && !exported.has_selftest {
        eprintln!("note: no self-test, since more than half of the class map of its picture are near ties");
    }
    let path = match &server {
        Some((folder, server)) => server.write(folder, &exported.bytes)?,
        None => write_file(args.output.expect("clap demands -o where there is no --triton"), &exported.bytes)?,
    };
    eprintln!("wrote {}: {}, {} bytes", path.display(), describe(&plan.config), exported.bytes.len());
    Ok(())
}

fn write_file(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let written = lrnnet_run::atomic::write(&path, |file| file.write_all(bytes));
    written.with_context(|| format!("cannot write `{}`", path.display())).map_err(Failure::Output)?;
    Ok(path)
}

fn server_plan(args: &ConvertArgs) -> ServerPlan {
    ServerPlan {
        name: args.name.clone(),
        max_batch: args.max_batch,
        max_delay: args.max_delay,
        instances: args.instances,
        tensorrt: args.tensorrt,
    }
}

/// The ranges of the network inside, on pictures of `folder`.
fn measured(file: &WeightFile, plan: &Plan, folder: &Path, samples: usize) -> Result<Ranges, Failure> {
    let samples = Samples::of(folder, samples)?;
    let style = ProgressStyle::with_template("calibrating {bar:40} {pos}/{len}").expect("the template is constant");
    // Hidden where standard error is no terminal.
    let bar = ProgressBar::new(samples.files().len() as u64).with_style(style);
    let calibrated = calibrate(file, plan, &samples, &mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let calibrated = calibrated?;
    for note in &calibrated.notes {
        eprintln!("note: {note}");
    }
    let count = samples.files().len();
    eprintln!("calibrated on {count} picture{}", if count == 1 { "" } else { "s" });
    Ok(calibrated.ranges)
}

fn classes(word: &Path) -> Result<Classes, Failure> {
    find_classes(word).map_err(|error| {
        let word = word.display();
        let said = format!("--classes is neither camvid nor cityscapes nor a file of names: `{word}`");
        Failure::Usage(anyhow::Error::new(error).context(said))
    })
}

fn describe(config: &Config) -> String {
    let variant = config.variant().map_or(String::new(), |variant| format!(" {}", variant.to_string().to_uppercase()));
    let size = match config.size {
        InputSize::Static { batch: 1, height, width } => format!("{height}x{width}"),
        InputSize::Static { batch, height, width } => format!("{batch} times {height}x{width}"),
        InputSize::FreeBatch { height, width } => format!("any number of {height}x{width}"),
        InputSize::Dynamic => "any size".to_owned(),
    };
    let (block, context, classes) = (config.block, &config.context, config.classes.names.len());
    format!("LRNNet{variant} ({block}, {context}), {classes} classes, {size}, {} to {}", config.input, config.head)
}
