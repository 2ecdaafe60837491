//! What a model file holds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use lrnnet_graph::onnx::{FileError, ModelFile, Port};
use lrnnet_graph::{ConfigError, InputSize, Metadata, Network, cost};
use lrnnet_run::{Model, Size};
use serde::Serialize;

use crate::ErrorKind;

/// Characters of a metadata value that people are shown.
const SHOWN: usize = 400;

/// A description of a model file, for people (`Display`) and programs (`Serialize`).
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Version of ONNX's file format.
    pub ir_version: Option<i64>,
    /// Version of ONNX's operators.
    pub opset: Option<i64>,
    /// Inputs.
    pub inputs: Vec<PortLine>,
    /// Outputs.
    pub outputs: Vec<PortLine>,
    /// Number of nodes by operator.
    pub nodes: BTreeMap<String, usize>,
    /// Trained values of the network, as the paper counts them: without running statistics and `u0`.
    pub parameters: usize,
    /// Values that the file stores; other than `parameters`, since the deploy form merges and transforms weights.
    pub stored_values: usize,
    /// Operations for one picture in units of 10^9, as the paper counts them.
    pub gflops: f64,
    /// Height and width of that picture.
    pub gflops_size: [usize; 2],
    /// What the file says of itself.
    pub metadata: Metadata,
}

/// One input or output.
#[derive(Clone, Debug, Serialize)]
pub struct PortLine {
    /// Name.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub element: String,
    /// Extents, outermost first; `null` where the caller chooses.
    pub shape: Vec<Option<usize>>,
}

/// Why a file cannot be described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It cannot be read, or is no model of this project.
    #[error(transparent)]
    Read(#[from] lrnnet_run::ModelError),
    /// Its messages are not those of a model.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its metadata and its size describe no valid network.
    #[error("the metadata does not describe a network")]
    Config(#[from] ConfigError),
}

impl InspectError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Model
    }
}

/// Reads and describes a model file.
///
/// # Errors
///
/// A file that cannot be read or is no model of this project.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let model = Model::open(path)?;
    let file = ModelFile::parse(model.bytes())?;
    let metadata = file.metadata().clone();
    let [height, width] = metadata.trained_size;
    let rounded = || Size::new(height, width).rounded_to(metadata.size_multiple);
    let size = model.fixed_size().unwrap_or_else(rounded);
    let fixed = |size: Size| InputSize::Static { batch: 1, height: size.height, width: size.width };
    let network = Network::new(metadata.config(model.fixed_size().map_or(InputSize::Dynamic, fixed))?);
    let cost = cost::total(&cost::per_module(&network, size.height, size.width)?);
    let graph = file.proto().graph.as_ref();
    let mut nodes = BTreeMap::new();
    for node in graph.iter().flat_map(|graph| &graph.node) {
        *nodes.entry(node.op_type().to_owned()).or_default() += 1;
    }
    let stored = graph.iter().flat_map(|graph| &graph.initializer);
    Ok(Inspection {
        file: path.display().to_string(),
        bytes: model.bytes().len(),
        ir_version: file.proto().ir_version,
        opset: file.opset(),
        inputs: vec![PortLine::of(file.input())],
        outputs: file.outputs().iter().map(PortLine::of).collect(),
        nodes,
        parameters: cost.parameters,
        stored_values: stored.map(|tensor| tensor.dims.iter().map(|&d| d as usize).product::<usize>()).sum(),
        gflops: cost.gflops,
        gflops_size: [size.height, size.width],
        metadata,
    })
}

impl PortLine {
    fn of(port: &Port) -> Self {
        Self { name: port.name.clone(), element: port.element.to_string(), shape: port.shape.clone() }
    }
}

impl fmt::Display for PortLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extents: Vec<_> = self.shape.iter().map(|n| n.map_or("any".to_owned(), |n| n.to_string())).collect();
        write!(f, "{} {} [{}]", self.name, self.element, extents.join(", "))
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<i64>| n.map_or("none".to_owned(), |n| n.to_string());
        let [height, width] = self.gflops_size;
        writeln!(f, "file        {} ({} bytes)", self.file, self.bytes)?;
        writeln!(f, "format      ONNX, opset {}, IR {}", number(self.opset), number(self.ir_version))?;
        for input in &self.inputs {
            writeln!(f, "input       {input}")?;
        }
        for output in &self.outputs {
            writeln!(f, "output      {output}")?;
        }
        let nodes: Vec<_> = self.nodes.iter().map(|(op, count)| format!("{op} {count}")).collect();
        writeln!(f, "nodes       {} ({})", self.nodes.values().sum::<usize>(), nodes.join(", "))?;
        writeln!(f, "parameters  {} ({} values stored)", self.parameters, self.stored_values)?;
        writeln!(f, "GFLOPS      {:.2} at {height}x{width}", self.gflops)?;
        writeln!(f, "metadata")?;
        for (key, value) in self.metadata.to_props() {
            // Of the self-test's thousand numbers a few do.
            match value.char_indices().nth(SHOWN) {
                Some((end, _)) => writeln!(f, "  {key:<17} {} ... ({} bytes)", &value[..end], value.len())?,
                None => writeln!(f, "  {key:<17} {value}")?,
            }
        }
        Ok(())
    }
}
