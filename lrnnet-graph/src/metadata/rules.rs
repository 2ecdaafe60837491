//! What a file says in words beside the choices that make its network.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::form::Form;
use crate::words::words;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// A class for every pixel.
    SemanticSegmentation,
}

words!(Task, "task", "semantic-segmentation", { SemanticSegmentation = "semantic-segmentation" });

/// Order of a picture's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColorOrder {
    /// Red, green, blue.
    Rgb,
}

words!(ColorOrder, "colour order", "RGB", { Rgb = "RGB" });

/// How a picture of another size is brought to the input's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResizeRule {
    /// Bilinear with half-pixel centres, without antialiasing, rounded to bytes.
    BilinearHalfPixel,
}

words!(ResizeRule, "resize rule", "bilinear-half-pixel", { BilinearHalfPixel = "bilinear-half-pixel" });

/// The name of a [`Form`], which may be one that this crate does not have. A reader needs no more than the name, since
/// the function is the same in every form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct FormName(Cow<'static, str>);

impl FormName {
    /// The name, never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Form> for FormName {
    fn from(form: Form) -> Self {
        Self(form.name().into())
    }
}

impl fmt::Display for FormName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FormName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.is_empty() { Err(de::Error::custom("the form has no name")) } else { Ok(Self(name.into())) }
    }
}
