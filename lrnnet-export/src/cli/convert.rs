//! `lrnnet-export WEIGHTS -o MODEL.onnx`

use std::path::Path;

use anyhow::Context as _;
use lrnnet_export::weights::read_weights;
use lrnnet_export::{Choices, Clues, Plan, SizeChoice, export, read_classes};
use lrnnet_graph::{Classes, Config, InputSize, Normalization, Precision};

use super::args::ConvertArgs;
use super::failure::Failure;
use super::hints;

/// Reads, settles, exports, writes; each step says on standard error what it found out.
pub fn run(args: ConvertArgs) -> Result<(), Failure> {
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
        batch: args.batch,
        input: args.input,
        head: args.head,
    };
    let settled = choices.settle(&Clues::of(&file))?;
    for note in &settled.notes {
        let remedy = hints::flags(note).map_or(String::new(), |flags| format!(" (choose with {flags})"));
        eprintln!("note: {note}{remedy}");
    }
    let precision = if args.half { Precision::Fp16 } else { Precision::Fp32 };
    let plan = Plan { config: settled.config, form: args.form, precision, opset: args.opset, verify: !args.no_verify };
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
    let written = lrnnet_run::atomic::write(&args.output, |file| file.write_all(&exported.bytes));
    written.with_context(|| format!("cannot write `{}`", args.output.display())).map_err(Failure::Output)?;
    eprintln!("wrote {}: {}, {} bytes", args.output.display(), describe(&plan.config), exported.bytes.len());
    Ok(())
}

/// A list of classes that is known by its name, or else one in a file.
fn classes(word: &Path) -> Result<Classes, Failure> {
    match word.to_str() {
        Some("camvid") => Ok(Classes::camvid()),
        Some("cityscapes") => Ok(Classes::cityscapes()),
        _ => read_classes(word).map_err(|error| {
            Failure::Usage(anyhow::Error::new(error).context(format!(
                "--classes is neither camvid nor cityscapes nor a file of names: `{}`",
                word.display()
            )))
        }),
    }
}

fn describe(config: &Config) -> String {
    let variant = config.variant().map_or(String::new(), |variant| format!(" {}", variant.to_string().to_uppercase()));
    let size = match config.size {
        InputSize::Static { batch: 1, height, width } => format!("{height}x{width}"),
        InputSize::Static { batch, height, width } => format!("{batch} times {height}x{width}"),
        InputSize::Dynamic => "any size".to_owned(),
    };
    let (block, context, classes) = (config.block, &config.context, config.classes.names.len());
    format!("LRNNet{variant} ({block}, {context}), {classes} classes, {size}, {} to {}", config.input, config.head)
}
