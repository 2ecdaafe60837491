//! What a weight file says about the network it belongs to.

use std::collections::BTreeMap;

use lrnnet_graph::{Block, Classes, Context, Normalization, Variant};
use serde::de::DeserializeOwned;

use crate::weights::WeightFile;

/// Facts that names and shapes of the tensors leave no doubt about, and what the training wrote beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clues {
    /// Residual block, by the names of its convolutions.
    pub block: Option<Block>,
    /// Whether there are tensors of a context module. Which one, the names do not tell.
    pub has_context: bool,
    /// Outputs of the classifier.
    pub class_count: Option<usize>,
    /// Context module, from the metadata, with the default power iterations.
    pub context: Option<Context>,
    /// Power iterations, from the metadata.
    pub power_iterations: Option<usize>,
    /// Class names and colours, from the metadata.
    pub classes: Option<Classes>,
    /// Statistics of the training pictures, from the metadata.
    pub normalization: Option<Normalization>,
    /// Height and width of the training pictures, from the metadata.
    pub trained_size: Option<[usize; 2]>,
}

impl Clues {
    /// Looks at names, shapes and metadata. The metadata keys are those that `training/` writes, with JSON values; a
    /// value of another form belongs to another program and says nothing.
    pub fn of(file: &WeightFile) -> Self {
        // Names may have a prefix in front of them.
        let shape_of = |name: &str| file.entries().iter().find(|entry| entry.name.ends_with(name)).map(|e| &e.shape);
        let has = |name: &str| shape_of(name).is_some();
        let block = if has("encoder.1.depthwise.weight") {
            Some(Block::Fcb)
        } else if has("encoder.1.left.conv3.weight") {
            Some(Block::SsNbt)
        } else if has("encoder.1.conv1.weight") {
            Some(Block::NonBt1d)
        } else {
            None
        };
        let metadata = file.metadata();
        Self {
            block,
            has_context: has("svn.reduce.weight"),
            class_count: shape_of("classifier.predict.weight").and_then(|shape| shape.first().copied()),
            context: context(metadata),
            power_iterations: json(metadata, "power_iterations"),
            classes: classes(metadata),
            normalization: json(metadata, "mean")
                .and_then(|mean| Some(Normalization { mean, std: json(metadata, "std")? })),
            trained_size: json(metadata, "trained_size"),
        }
    }
}

/// The context that is named, or that of the model that is named.
fn context(metadata: &BTreeMap<String, String>) -> Option<Context> {
    let named = json::<String>(metadata, "context").and_then(|word| word.parse().ok());
    named.or_else(|| Some(json::<String>(metadata, "variant")?.parse::<Variant>().ok()?.context()))
}

fn classes(metadata: &BTreeMap<String, String>) -> Option<Classes> {
    let names: Vec<String> = json(metadata, "classes")?;
    let palette = json(metadata, "palette").unwrap_or_else(|| Classes::named(names.clone()).palette);
    Some(Classes { names, palette, ignore_index: json(metadata, "ignore") })
}

fn json<T: DeserializeOwned>(metadata: &BTreeMap<String, String>, key: &str) -> Option<T> {
    serde_json::from_str(metadata.get(key)?).ok()
}
