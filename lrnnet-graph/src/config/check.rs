//! What every network must hold to.

use super::{Context, InputSize, Normalization, STRIDE, Settings};
use crate::classes::Classes;
use crate::error_kind::ErrorKind;

const MAX_EXTENT: usize = 16_384;
const MAX_BATCH: usize = 256;
const MAX_SCALE: usize = 64;
const MAX_ITERATIONS: usize = 32;

/// Why settings make no network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A height or width that the network's stride does not divide.
    #[error("{what} {value} is not a multiple of {multiple}; the nearest sizes are {below} and {above}")]
    NotAMultiple {
        /// Which extent.
        what: &'static str,
        /// Its value.
        value: usize,
        /// What it must be a multiple of.
        multiple: usize,
        /// The next smaller valid value, never zero.
        below: usize,
        /// The next larger valid value.
        above: usize,
    },
    /// A number outside of what the network is defined for.
    #[error("{what} {value} is out of range; expected 1 to {max}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: usize,
        /// The largest valid value.
        max: usize,
    },
    /// A region context without a scale, or with one twice.
    #[error("scales {0:?} do not make a context module; expected at least one scale, each once")]
    Scales(Vec<usize>),
    /// Too few or too many classes.
    #[error("{0} classes; expected 2 to 256, since a class map holds bytes")]
    ClassCount(usize),
    /// An empty class name, or one that stands twice.
    #[error("class {id} is called {name:?}; expected names that are not empty and all different")]
    ClassName {
        /// Class id.
        id: usize,
        /// Its name.
        name: String,
    },
    /// Not one colour per class.
    #[error("{colors} colours for {classes} classes; expected one each")]
    Palette {
        /// Number of colours.
        colors: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The ignored label is a class.
    #[error("ignored label {0} is the id of a class; expected an id that no class has")]
    IgnoreIndex(u8),
    /// A mean or standard deviation that is no statistic of `[0, 1]` values.
    #[error("mean {mean:?} and std {std:?} do not normalise; expected finite means and positive deviations")]
    Normalization {
        /// Means.
        mean: [f32; 3],
        /// Standard deviations.
        std: [f32; 3],
    },
}

impl ConfigError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// Whether `settings` make a network.
pub fn settings(settings: &Settings) -> Result<(), ConfigError> {
    check_classes(&settings.classes)?;
    check_normalization(&settings.normalization)?;
    check_context(&settings.context)?;
    let [height, width] = settings.trained_size;
    check_extent("trained height", height, STRIDE)?;
    check_extent("trained width", width, STRIDE)?;
    if let InputSize::Static { height, width, .. } | InputSize::FreeBatch { height, width } = settings.size {
        check_extent("height", height, STRIDE)?;
        check_extent("width", width, STRIDE)?;
    }
    if let InputSize::Static { batch, .. } = settings.size {
        check_range("batch size", batch, MAX_BATCH)?;
    }
    check_range("size multiple of a dynamic graph", settings.size_multiple(), MAX_EXTENT)
}

fn check_extent(what: &'static str, value: usize, multiple: usize) -> Result<(), ConfigError> {
    check_range(what, value, MAX_EXTENT)?;
    if value.is_multiple_of(multiple) {
        return Ok(());
    }
    let below = value / multiple * multiple;
    Err(ConfigError::NotAMultiple { what, value, multiple, below: below.max(multiple), above: below + multiple })
}

fn check_range(what: &'static str, value: usize, max: usize) -> Result<(), ConfigError> {
    if (1..=max).contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { what, value, max }) }
}

fn check_classes(classes: &Classes) -> Result<(), ConfigError> {
    let count = classes.names.len();
    if !(2..=256).contains(&count) {
        return Err(ConfigError::ClassCount(count));
    }
    for (id, name) in classes.names.iter().enumerate() {
        if name.trim().is_empty() || classes.names[..id].contains(name) {
            return Err(ConfigError::ClassName { id, name: name.clone() });
        }
    }
    if classes.palette.len() != count {
        return Err(ConfigError::Palette { colors: classes.palette.len(), classes: count });
    }
    match classes.ignore_index {
        Some(index) if usize::from(index) < count => Err(ConfigError::IgnoreIndex(index)),
        _ => Ok(()),
    }
}

fn check_normalization(n: &Normalization) -> Result<(), ConfigError> {
    let valid = n.mean.iter().all(|m| m.is_finite()) && n.std.iter().all(|s| s.is_finite() && *s > 0.0);
    if valid { Ok(()) } else { Err(ConfigError::Normalization { mean: n.mean, std: n.std }) }
}

fn check_context(context: &Context) -> Result<(), ConfigError> {
    if let Context::SingularVectors { iterations, .. } = context {
        check_range("number of power iterations", *iterations, MAX_ITERATIONS)?;
    }
    if matches!(context, Context::None | Context::NonLocal) {
        return Ok(());
    }
    let scales = context.scales();
    for (i, &scale) in scales.iter().enumerate() {
        check_range("scale", scale, MAX_SCALE)?;
        if scales[..i].contains(&scale) {
            return Err(ConfigError::Scales(scales.into()));
        }
    }
    if scales.is_empty() { Err(ConfigError::Scales(vec![])) } else { Ok(()) }
}
