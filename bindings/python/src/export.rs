//! `lrnnet.export`

use std::path::{Path, PathBuf};

use lrnnet_export::weights::WeightFile;
use lrnnet_export::{BatchChoice, Calibrated, Choices, Clues, Plan, Samples, SizeChoice, calibrate, find_classes};
use lrnnet_graph::onnx::Opset;
use lrnnet_graph::{Classes, Form, Normalization, Precision, UnknownWord};
use lrnnet_run::Size;
use pyo3::prelude::*;

use crate::error::{argument, exception, unknown};
use crate::files::unwritten;
use crate::log;
use crate::state_dict;

/// What was exported.
#[pyclass(module = "lrnnet", frozen, get_all)]
pub struct Exported {
    /// The file.
    path: PathBuf,
    /// Bytes of the file.
    size: usize,
    /// What was assumed since neither the weights nor the caller said it.
    notes: Vec<String>,
    /// How well the file agrees with the plain form of the network; None if that was not asked for.
    verification: Option<String>,
    /// Whether the file holds a self-test.
    has_selftest: bool,
}

#[pymethods]
impl Exported {
    fn __repr__(&self) -> String {
        let verification = self.verification.as_deref().unwrap_or("not verified");
        format!("<lrnnet.Exported: {}, {} bytes, {verification}>", self.path.display(), self.size)
    }
}

/// Class names, or where they are.
#[derive(FromPyObject)]
pub enum ClassesArgument {
    Word(PathBuf),
    Names(Vec<String>),
}

/// Height and width, or `"dynamic"`, or words such as `"360x480"`.
#[derive(FromPyObject)]
pub enum SizeArgument {
    Pair([usize; 2]),
    Word(String),
}

/// A number of pictures, or `"any"`.
#[derive(FromPyObject)]
pub enum BatchArgument {
    Number(usize),
    Word(String),
}

/// Makes a checked, self-describing ONNX file of trained weights.
///
/// weights: a PyTorch `state_dict` (or names to NumPy arrays), or the path of a .safetensors or .pth file. PyTorch is
///     not imported.
/// output: where the file goes; it is written whole or not at all.
/// variant, block, context, power_iters: the network, in the words of `lrnnet-export`; by default what the weights
///     say.
/// classes: "camvid", "cityscapes", a file with a name (and a colour) per line, or the names.
/// mean, std: of red, green and blue in training, 0 to 1; by default what the weights say, else ImageNet's.
/// size: height and width of the input, or "dynamic"; by default those of training.
/// batch: pictures per run of a fixed size, or "any".
/// precision: "int8" needs `calibration`, a folder of pictures, of which it measures `samples`, 32 by default.
/// form, opset: how the graph is written down; see docs/compatibility.md.
/// verify: whether the file is run against the plain form of the network before it is written.
#[pyfunction]
#[pyo3(signature = (
    weights, output, *, variant=None, block=None, context=None, power_iters=None, classes=None, mean=None, std=None,
    size=None, batch=BatchArgument::Number(1), input="f32-nchw", head="class-map", precision="fp32", calibration=None, samples=Samples::DEFAULT,
    form=None, opset=None, verify=true
))]
#[expect(clippy::too_many_arguments, reason = "each has a name and a default in Python")]
pub fn export(
    py: Python<'_>,
    weights: &Bound<'_, PyAny>,
    output: PathBuf,
    variant: Option<&str>,
    block: Option<&str>,
    context: Option<&str>,
    power_iters: Option<usize>,
    classes: Option<ClassesArgument>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    size: Option<SizeArgument>,
    batch: BatchArgument,
    input: &str,
    head: &str,
    precision: &str,
    calibration: Option<PathBuf>,
    samples: usize,
    form: Option<&str>,
    opset: Option<u8>,
    verify: bool,
) -> PyResult<Exported> {
    let file = state_dict::weights(weights)?;
    let choices = Choices {
        variant: known(variant)?,
        block: known(block)?,
        context: known(context)?,
        power_iterations: power_iters,
        classes: classes.map(named).transpose()?,
        normalization: normalization(mean, std)?,
        size: size.map(sized).transpose()?,
        batch: pictures(batch)?,
        input: word(input)?,
        head: word(head)?,
    };
    let settled = choices.settle(&Clues::of(&file)).map_err(|error| exception(error.kind(), &error))?;
    let plan = Plan::in_precision(settled.config, word(precision)?);
    let opset = opset.map(Opset::new).transpose().map_err(|error| unknown(&error))?;
    let form: Option<Form> = known(form)?;
    let mut plan = Plan { form: form.unwrap_or(plan.form), opset: opset.unwrap_or(plan.opset), verify, ..plan };
    let mut notes: Vec<_> = settled.notes.iter().map(ToString::to_string).collect();
    match (plan.precision, &calibration) {
        (Precision::Int8, Some(folder)) => {
            let Calibrated { ranges, notes: doubts } = measured(py, &file, &plan, folder, samples)?;
            plan.ranges = ranges;
            notes.extend(doubts.iter().map(ToString::to_string));
        }
        (Precision::Int8, None) => return Err(argument("int8 needs calibration: a folder of pictures")),
        (_, Some(_)) => {
            return Err(argument("only int8 needs calibration; leave it out, or ask for precision=\"int8\""));
        }
        (_, None) => {}
    }
    for note in &notes {
        log::warning(py, note)?;
    }
    written(py, file, &plan, output, notes)
}

fn measured(py: Python<'_>, file: &WeightFile, plan: &Plan, folder: &Path, samples: usize) -> PyResult<Calibrated> {
    let measure = || calibrate(file, plan, &Samples::of(folder, samples)?, &mut |_| ());
    py.detach(measure).map_err(|error| exception(error.kind(), &error))
}

fn written(py: Python<'_>, file: WeightFile, plan: &Plan, path: PathBuf, notes: Vec<String>) -> PyResult<Exported> {
    let exported = py.detach(|| lrnnet_export::export(file, plan)).map_err(|error| exception(error.kind(), &error))?;
    let write = || lrnnet_run::atomic::write(&path, |file| file.write_all(&exported.bytes));
    py.detach(write).map_err(|error| unwritten(&path, &error))?;
    Ok(Exported {
        path,
        size: exported.bytes.len(),
        notes,
        verification: exported.verification.map(|found| found.to_string()),
        has_selftest: exported.has_selftest,
    })
}

fn named(classes: ClassesArgument) -> PyResult<Classes> {
    match classes {
        ClassesArgument::Names(names) => Ok(Classes::named(names)),
        ClassesArgument::Word(word) => find_classes(&word).map_err(|error| exception(error.kind(), &error)),
    }
}

fn normalization(mean: Option<[f32; 3]>, std: Option<[f32; 3]>) -> PyResult<Option<Normalization>> {
    match (mean, std) {
        (Some(mean), Some(std)) => Ok(Some(Normalization { mean, std })),
        (None, None) => Ok(None),
        _ => Err(argument("mean and std belong together; expected both or neither")),
    }
}

fn sized(size: SizeArgument) -> PyResult<SizeChoice> {
    match size {
        SizeArgument::Pair(size) => Ok(SizeChoice::Fixed(size)),
        SizeArgument::Word(word) if word == "dynamic" => Ok(SizeChoice::Dynamic),
        SizeArgument::Word(word) => {
            let Size { height, width } = word.parse().map_err(|error| unknown(&error))?;
            Ok(SizeChoice::Fixed([height, width]))
        }
    }
}

fn pictures(batch: BatchArgument) -> PyResult<BatchChoice> {
    match batch {
        BatchArgument::Number(number) => Ok(BatchChoice::Fixed(number)),
        BatchArgument::Word(word) if word == "any" => Ok(BatchChoice::Free),
        BatchArgument::Word(word) => Err(argument(format!("batch is `{word}`; expected a number or \"any\""))),
    }
}

fn word<T: std::str::FromStr<Err = UnknownWord>>(text: &str) -> PyResult<T> {
    text.parse().map_err(|error| unknown(&error))
}

fn known<T: std::str::FromStr<Err = UnknownWord>>(text: Option<&str>) -> PyResult<Option<T>> {
    text.map(word).transpose()
}
