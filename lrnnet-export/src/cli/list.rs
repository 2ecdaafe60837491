//! `lrnnet-export list WEIGHTS`

use std::collections::BTreeMap;
use std::fmt;

use lrnnet_export::weights::WeightFile;
use serde::Serialize;

/// What a weight file holds, for people (`Display`) and programs (`Serialize`).
#[derive(Serialize)]
pub struct Listing {
    file: String,
    format: String,
    sha256: String,
    metadata: BTreeMap<String, String>,
    values: usize,
    tensors: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    #[serde(rename = "type")]
    value_type: String,
    shape: Vec<usize>,
}

impl Listing {
    /// Describes `file` without converting a value.
    pub fn of(file: &WeightFile) -> Self {
        let tensors = file.entries().iter().map(|entry| Line {
            name: entry.name.clone(),
            value_type: entry.value_type.to_string(),
            shape: entry.shape.clone(),
        });
        Self {
            file: file.path().display().to_string(),
            format: file.format().to_string(),
            sha256: file.sha256().to_owned(),
            metadata: file.metadata().clone(),
            values: file.entries().iter().map(|entry| entry.shape.iter().product::<usize>()).sum(),
            tensors: tensors.collect(),
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Line) -> &str| self.tensors.iter().map(|line| text(line).len()).max().unwrap_or(0);
        let (names, types) = (width(|line| &line.name), width(|line| &line.value_type));
        for Line { name, value_type, shape } in &self.tensors {
            writeln!(f, "{name:<names$}  {value_type:<types$}  {shape:?}")?;
        }
        for (key, value) in &self.metadata {
            writeln!(f, "metadata {key}: {value}")?;
        }
        writeln!(f, "{} tensors, {} values, {}, sha256 {}", self.tensors.len(), self.values, self.format, self.sha256)
    }
}
