//! What a model file says about itself.
//!
//! ONNX keeps `metadata_props` as pairs of strings. Here every key is a plain word and every value is JSON, so a
//! C++ or Python caller reads them with any JSON parser. `docs/metadata.md` is the table of keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::classes::Classes;

/// Everything a caller needs to feed a model and to read its output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Always `semantic-segmentation`.
    pub task: String,
    /// Names, palette and ignored label; three keys of their own in the file.
    #[serde(flatten)]
    pub classes: Classes,
    /// Means of red, green and blue in `[0, 1]`.
    pub mean: [f32; 3],
    /// Standard deviations of red, green and blue in `[0, 1]`.
    pub std: [f32; 3],
    /// Always `RGB`.
    pub color_order: String,
    /// `f32-nchw` or `u8-nhwc`.
    pub input: String,
    /// `NCHW` or `NHWC`.
    pub layout: String,
    /// How a picture of another size is brought to the input's size: `bilinear-half-pixel`, without antialiasing.
    pub resize: String,
    /// Height and width the weights were trained for.
    pub trained_size: [usize; 2],
    /// What height and width of the input must be multiples of.
    pub size_multiple: usize,
    /// `class-map`, `logits`, `logits-8` or `both`.
    pub head: String,
    /// The paper's model, `a`, `b` or `c`, where it is one of them.
    pub variant: Option<String>,
    /// Residual block: `fcb`, `ss-nbt` or `non-bt-1d`.
    pub block: String,
    /// Context module: `none`, `svn:8,4`, `max:8`, `mean:8` or `nonlocal`.
    pub context: String,
    /// Power iterations T, where the context has them.
    pub power_iterations: Option<usize>,
    /// `plain`, `deploy` or `basic`.
    pub form: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// SHA-256 of the weight file, in hexadecimal.
    pub weights_sha256: String,
    /// Name and version of the program that wrote the file.
    pub exporter: String,
    /// What the file made of a generated picture when it was exported, where that was tried.
    pub selftest: Option<SelfTest>,
}

/// A picture that anyone can generate, and the class map that a model makes of it.
///
/// Where the class map is not equal, engines differ in the last bits of their logits, which only shows where two
/// classes are as good as equal. So the pixels counted by class may differ by as many as there are near ties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// The formula of the picture: [`SelfTest::PICTURE`].
    pub input: String,
    /// Rows of the picture.
    pub height: usize,
    /// Columns of the picture.
    pub width: usize,
    /// SHA-256 of the class map, one byte per value in rows, in hexadecimal. A file that puts out logits only is
    /// tested by the index of the largest of each position.
    pub class_map_sha256: String,
    /// Number of positions of each class, by class id.
    pub class_pixels: Vec<u64>,
    /// Positions whose two largest logits are so close that another engine may order them the other way.
    pub near_ties: u64,
}

impl SelfTest {
    /// The picture of [`synthetic::picture`](crate::synthetic::picture).
    pub const PICTURE: &str = "lrnnet-picture-2";
}

/// The one resize rule that models of this project are fed with.
pub const RESIZE_RULE: &str = "bilinear-half-pixel";

impl Metadata {
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
    /// The first entry that is missing, no JSON, or of another type than expected.
    pub fn from_props<'a>(props: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, MetadataError> {
        let known: Vec<_> = props.into_iter().filter(|(key, _)| KEYS.contains(key)).collect();
        if known.is_empty() {
            return Err(MetadataError::None);
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
        serde_json::from_value(Json::Object(map)).map_err(MetadataError::Entry)
    }
}

const KEYS: [&str; 22] = [
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
    /// An entry that is missing or of the wrong type.
    #[error("metadata does not describe a model: {0}")]
    Entry(serde_json::Error),
}
