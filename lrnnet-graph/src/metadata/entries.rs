//! The entries as they stand in a file.

use serde::{Deserialize, Serialize};

use super::{ColorOrder, FormName, Metadata, MetadataError, ResizeRule, SelfTest, Task};
use crate::classes::Classes;
use crate::config::{Block, Context, Head, InputKind, Layout, Normalization, Variant};
use crate::form::Precision;

/// One field for each key of `docs/metadata.md`; [`Classes`] has three.
#[derive(Serialize, Deserialize)]
pub struct Entries {
    /// Zero in a file that does not say it.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    format_version: u32,
    task: Task,
    #[serde(flatten)]
    classes: Classes,
    mean: [f32; 3],
    std: [f32; 3],
    color_order: ColorOrder,
    input: InputKind,
    layout: Layout,
    resize: ResizeRule,
    trained_size: [usize; 2],
    size_multiple: usize,
    head: Head,
    variant: Option<Variant>,
    block: Block,
    context: Context,
    power_iterations: Option<usize>,
    form: FormName,
    precision: Precision,
    weights_sha256: String,
    exporter: String,
    selftest: Option<SelfTest>,
}

/// The keys of all entries.
pub const KEYS: [&str; 23] = [
    "format_version",
    "task",
    "class_names",
    "palette",
    "ignore_index",
    "mean",
    "std",
    "color_order",
    "input",
    "layout",
    "resize",
    "trained_size",
    "size_multiple",
    "head",
    "variant",
    "block",
    "context",
    "power_iterations",
    "form",
    "precision",
    "weights_sha256",
    "exporter",
    "selftest",
];

fn is_unsaid(format_version: &u32) -> bool {
    *format_version == 0
}

impl From<Metadata> for Entries {
    fn from(metadata: Metadata) -> Self {
        Self {
            format_version: metadata.format_version,
            task: metadata.task,
            mean: metadata.normalization.mean,
            std: metadata.normalization.std,
            color_order: metadata.color_order,
            input: metadata.input,
            layout: metadata.input.layout(),
            resize: metadata.resize,
            trained_size: metadata.trained_size,
            size_multiple: metadata.size_multiple,
            head: metadata.head,
            variant: metadata.variant(),
            block: metadata.block,
            power_iterations: metadata.context.iterations(),
            context: metadata.context,
            form: metadata.form,
            precision: metadata.precision,
            classes: metadata.classes,
            weights_sha256: metadata.weights_sha256,
            exporter: metadata.exporter,
            selftest: metadata.selftest,
        }
    }
}

impl TryFrom<Entries> for Metadata {
    type Error = MetadataError;

    fn try_from(entries: Entries) -> Result<Self, MetadataError> {
        let mut context = entries.context;
        if let (Context::SingularVectors { iterations, .. }, Some(said)) = (&mut context, entries.power_iterations) {
            *iterations = said;
        }
        let metadata = Self {
            format_version: entries.format_version,
            task: entries.task,
            classes: entries.classes,
            normalization: Normalization { mean: entries.mean, std: entries.std },
            color_order: entries.color_order,
            input: entries.input,
            resize: entries.resize,
            trained_size: entries.trained_size,
            size_multiple: entries.size_multiple,
            head: entries.head,
            block: entries.block,
            context,
            form: entries.form,
            precision: entries.precision,
            weights_sha256: entries.weights_sha256,
            exporter: entries.exporter,
            selftest: entries.selftest,
        };
        metadata.check()?;
        agree("layout", Some(entries.layout), Some(metadata.input.layout()))?;
        agree("variant", entries.variant, metadata.variant())?;
        agree("power_iterations", entries.power_iterations, metadata.context.iterations())?;
        Ok(metadata)
    }
}

/// Whether an entry that follows from others says what they say.
fn agree<T: PartialEq + ToString>(
    key: &'static str,
    found: Option<T>,
    expected: Option<T>,
) -> Result<(), MetadataError> {
    if found == expected {
        return Ok(());
    }
    let word = |value: Option<T>| value.map_or("null".to_owned(), |value| value.to_string());
    Err(MetadataError::contradiction(key, word(found), word(expected)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Form, Origin, Settings};

    #[test]
    fn every_entry_that_is_written_is_read() {
        let origin = Origin { weights_sha256: String::new(), exporter: String::new() };
        let config = Config::new(Settings::camvid()).unwrap();
        let props = Metadata::new(&config, Form::PLAIN, Precision::Fp32, &origin).to_props();
        let mut keys = KEYS;
        keys.sort_unstable();
        assert_eq!(props.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
    }
}
