//! What a model file says about itself.
//!
//! ONNX keeps `metadata_props` as pairs of strings. Here every key is a plain word and every value is JSON, so a
//! C++ or Python caller reads them with any JSON parser. `docs/metadata.md` is the table of keys.

mod entries;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

pub use rules::{ColorOrder, FormName, ResizeRule, Task};

use crate::classes::Classes;
use crate::config::{
    Block, Config, ConfigError, Context, Head, InputKind, InputSize, Normalization, STRIDE, Settings, Variant,
};
use crate::error_kind::ErrorKind;
use crate::form::{Form, Precision};
use crate::model::Origin;
use entries::{Entries, KEYS};

/// Everything a caller needs to feed a model and to read its output.
///
/// What was read from a file describes a network: its entries were checked as a [`Config`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Entries", try_from = "Entries")]
#[non_exhaustive]
pub struct Metadata {
    /// Version of this list of entries; 0 for files that do not say it, which have the entries of version 1.
    pub format_version: u32,
    /// What the model is for.
    pub task: Task,
    /// Names, palette and ignored label.
    pub classes: Classes,
    /// Statistics of the pictures it was trained with.
    pub normalization: Normalization,
    /// Order of a picture's channels.
    pub color_order: ColorOrder,
    /// Kind of input.
    pub input: InputKind,
    /// How a picture of another size is brought to the input's size.
    pub resize: ResizeRule,
    /// Height and width the weights were trained for.
    pub trained_size: [usize; 2],
    /// What height and width of the input must be multiples of.
    pub size_multiple: usize,
    /// Kind of output.
    pub head: Head,
    /// Residual block.
    pub block: Block,
    /// Context module.
    pub context: Context,
    /// Form of the graph.
    pub form: FormName,
    /// Element type of weights and of what is computed from them.
    pub precision: Precision,
    /// SHA-256 of the weight file, in hexadecimal.
    pub weights_sha256: String,
    /// Name and version of the program that wrote the file.
    pub exporter: String,
    /// What the file made of a generated picture when it was exported, where that was tried.
    pub selftest: Option<SelfTest>,
}

/// A self-test as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SelfTest {
    /// One of the version that this crate knows.
    Known(SelfTestRecord),
    /// Another one, as it stands in the file, which can be used all the same.
    Other(Json),
}

/// A picture that anyone can generate, and the class map that a model makes of it.
///
/// Engines differ in the last bits of their logits, which shows where two classes are as good as equal: at near ties.
/// Every other position must have the class that it had at export. So a class map passes if the hash of its ids at
/// these positions is the one recorded, however small and wherever a difference is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTestRecord {
    /// Always [`SelfTestRecord::VERSION`].
    #[serde(deserialize_with = "known_version")]
    pub version: u32,
    /// The formula of the picture: [`SelfTestRecord::PICTURE`].
    #[serde(deserialize_with = "known_picture")]
    pub input: String,
    /// Rows of the picture.
    pub height: usize,
    /// Columns of the picture.
    pub width: usize,
    /// SHA-256 of the class map, one byte per position in rows, in hexadecimal. A file that puts out logits only is
    /// tested by the index of the largest of each position.
    pub class_map_sha256: String,
    /// SHA-256 of the class map without its near ties: the bytes of all other positions, in rows.
    pub clear_sha256: String,
    /// Where the near ties are: positions in rows that are none, then positions that are, and so on in turn. The sum is
    /// the number of positions.
    pub near_ties: Vec<u32>,
}

impl SelfTestRecord {
    /// The version of the rule.
    pub const VERSION: u32 = 2;
    /// The picture of [`synthetic::picture`](crate::synthetic::picture).
    pub const PICTURE: &str = "lrnnet-picture-2";
    /// Runs that [`near_ties`](Self::near_ties) may have: the most that readers take.
    pub const MAX_RUNS: usize = 100_000;
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    known(u32::deserialize(deserializer)?, SelfTestRecord::VERSION)
}

fn known_picture<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    known(String::deserialize(deserializer)?, SelfTestRecord::PICTURE.to_owned())
}

fn known<T: PartialEq + Debug, E: serde::de::Error>(found: T, expected: T) -> Result<T, E> {
    if found == expected { Ok(found) } else { Err(E::custom(format!("{found:?}; expected {expected:?}"))) }
}

impl Metadata {
    /// The version of the entries that this crate writes, and the newest that it reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// What a file says that holds the network of `config` in this form and precision.
    pub fn new(config: &Config, form: Form, precision: Precision, origin: &Origin) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION,
            task: Task::SemanticSegmentation,
            classes: config.classes.clone(),
            normalization: config.normalization,
            color_order: ColorOrder::Rgb,
            input: config.input,
            resize: ResizeRule::BilinearHalfPixel,
            trained_size: config.trained_size,
            size_multiple: config.size_multiple(),
            head: config.head,
            block: config.block,
            context: config.context.clone(),
            form: form.into(),
            precision,
            weights_sha256: origin.weights_sha256.clone(),
            exporter: origin.exporter.clone(),
            selftest: None,
        }
    }

    /// The network that is described, for an input of `size`: that is what the file's input says, not its metadata.
    ///
    /// # Errors
    ///
    /// A size that the network cannot have, and entries that were changed to what no network has.
    pub fn config(&self, size: InputSize) -> Result<Config, ConfigError> {
        Config::new(self.settings(size))
    }

    /// The paper's name for the network, where it has one.
    pub fn variant(&self) -> Option<Variant> {
        self.settings(InputSize::Dynamic).variant()
    }

    fn settings(&self, size: InputSize) -> Settings {
        Settings {
            block: self.block,
            context: self.context.clone(),
            classes: self.classes.clone(),
            normalization: self.normalization,
            trained_size: self.trained_size,
            size,
            input: self.input,
            head: self.head,
        }
    }

    /// Whether the entries describe a network.
    fn check(&self) -> Result<(), MetadataError> {
        let [height, width] = self.trained_size;
        // Only a dynamic graph asks for more than the stride.
        let size = match self.size_multiple {
            STRIDE => InputSize::Static { batch: 1, height, width },
            _ => InputSize::Dynamic,
        };
        let expected = self.config(size)?.size_multiple();
        if self.size_multiple != expected {
            return Err(MetadataError::contradiction("size_multiple", self.size_multiple, expected));
        }
        Ok(())
    }

    /// Key and JSON value of every entry, sorted by key.
    pub fn to_props(&self) -> Vec<(String, String)> {
        // By way of text, since a JSON value would keep 0.485 as the double 0.48500001430511475.
        let text = serde_json::to_string(self).expect("a struct of strings, numbers and lists becomes JSON");
        let props: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).expect("and its JSON an object");
        props.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect()
    }

    /// Reads entries back; keys that are not [`Metadata`]'s are left alone.
    ///
    /// # Errors
    ///
    /// A version that this crate does not know; the first entry that is missing, no JSON, or of another type than
    /// expected; and entries that describe no network.
    pub fn from_props<'a>(props: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, MetadataError> {
        let known: Vec<_> = props.into_iter().filter(|(key, _)| KEYS.contains(key)).collect();
        if known.is_empty() {
            return Err(MetadataError::None);
        }
        // What a later version means by its entries is not known, so its version is looked at first.
        let version = known.iter().find(|(key, _)| *key == "format_version");
        match version.and_then(|(_, text)| text.trim().parse().ok()) {
            Some(found) if found > u64::from(Self::FORMAT_VERSION) => return Err(MetadataError::Version { found }),
            _ => {}
        }
        let mut map = Map::new();
        for (key, text) in known {
            let value = serde_json::from_str(text).map_err(|source| MetadataError::Json {
                key: key.to_owned(),
                text: excerpt(text),
                source,
            })?;
            if map.insert(key.to_owned(), value).is_some() {
                return Err(MetadataError::Duplicate(key.to_owned()));
            }
        }
        serde_json::from_value::<Entries>(Json::Object(map)).map_err(MetadataError::Entry)?.try_into()
    }
}

/// Enough of a value to recognise it in a message.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Why metadata could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// No entry at all.
    #[error("the file has no metadata of this project; export it with lrnnet-export")]
    None,
    /// An entry that is not JSON.
    #[error("metadata `{key}` is not JSON: {text:?}")]
    Json {
        /// Key.
        key: String,
        /// Beginning of the value.
        text: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A key that stands twice.
    #[error("metadata `{0}` stands twice")]
    Duplicate(String),
    /// A file of a later version than this crate knows.
    #[error("the file's metadata is of format {found}, this program knows up to {newest}; use a newer program", newest = Metadata::FORMAT_VERSION)]
    Version {
        /// The file's version.
        found: u64,
    },
    /// An entry that is missing, of the wrong type, or a word that this crate does not know.
    #[error("metadata does not describe a model: {0}")]
    Entry(serde_json::Error),
    /// Entries that no network has.
    #[error("metadata does not describe a network: {0}")]
    Network(#[from] ConfigError),
    /// An entry that follows from others and is something else.
    #[error("metadata `{key}` is {found}, but by the other entries it is {expected}; export the model again")]
    Contradiction {
        /// Key.
        key: &'static str,
        /// What the file says.
        found: String,
        /// What follows from the others.
        expected: String,
    },
}

impl MetadataError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Model
    }
}

impl MetadataError {
    fn contradiction(key: &'static str, found: impl ToString, expected: impl ToString) -> Self {
        Self::Contradiction { key, found: found.to_string(), expected: expected.to_string() }
    }
}
