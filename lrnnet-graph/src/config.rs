//! What network to build: everything that can be chosen, checked once.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::classes::Classes;

/// Downsampling from the picture to the feature map on which context and classifier work.
pub const STRIDE: usize = 8;
/// The power iterations of the paper (section 3.4, Algorithm 1).
pub const DEFAULT_ITERATIONS: usize = 2;

const MAX_EXTENT: usize = 16_384;
const MAX_BATCH: usize = 256;
const MAX_SCALE: usize = 64;
const MAX_ITERATIONS: usize = 32;

/// The paper's three models (Table 3): FCB blocks with no, one or two scales of singular vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// No context module.
    A,
    /// Singular vectors of 8 x 8 regions.
    B,
    /// Singular vectors of 8 x 8 and of 4 x 4 regions.
    C,
}

impl Variant {
    /// The context module of this model, with the paper's T = 2.
    pub fn context(self) -> Context {
        let svn = |scales: &[usize]| Context::SingularVectors { scales: scales.into(), iterations: DEFAULT_ITERATIONS };
        match self {
            Self::A => Context::None,
            Self::B => svn(&[8]),
            Self::C => svn(&[8, 4]),
        }
    }
}

/// The residual block of the encoder (Table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Factorized convolution block, the paper's own (section 3.3, Fig. 4c).
    Fcb,
    /// Split-shuffle non-bottleneck, LEDNet's.
    SsNbt,
    /// Non-bottleneck-1D, ERFNet's (Fig. 4a).
    NonBt1d,
}

/// What the non-local module attends to (section 3.4, Tables 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// No module at all.
    None,
    /// The dominant left singular vector of each of `k x k` regions, for each scale `k` (Eq. 4, Algorithm 1).
    SingularVectors {
        /// Regions along each side, one entry per scale.
        scales: Vec<usize>,
        /// Power iterations, T in the paper.
        iterations: usize,
    },
    /// The maximum of each region.
    MaxPool {
        /// Regions along each side, one entry per scale.
        scales: Vec<usize>,
    },
    /// The mean of each region.
    MeanPool {
        /// Regions along each side, one entry per scale.
        scales: Vec<usize>,
    },
    /// Every position: the full non-local operation.
    NonLocal,
}

impl Context {
    /// Regions along each side, one entry per scale; empty where the feature map is not cut.
    pub fn scales(&self) -> &[usize] {
        match self {
            Self::None | Self::NonLocal => &[],
            Self::SingularVectors { scales, .. } | Self::MaxPool { scales } | Self::MeanPool { scales } => scales,
        }
    }
}

/// The input's batch, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputSize {
    /// Fixed at export.
    Static {
        /// Pictures per run.
        batch: usize,
        /// Rows, a multiple of 8.
        height: usize,
        /// Columns, a multiple of 8.
        width: usize,
    },
    /// Chosen by the caller at every run; height and width must be multiples of [`Settings::size_multiple`].
    Dynamic,
}

/// What the graph puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `class_map`: uint8 `[n, h, w]`, the class id of each pixel.
    ClassMap,
    /// `logits`: float32 `[n, classes, h, w]`.
    Logits,
    /// `logits8`: float32 `[n, classes, h/8, w/8]`, for a caller that upsamples itself.
    Logits8,
    /// `logits` and `class_map`.
    Both,
}

/// What the graph takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// `image`: float32 `[n, 3, h, w]`, RGB, already `(x / 255 - mean) / std`.
    F32Nchw,
    /// `image`: uint8 `[n, h, w, 3]`, RGB as a camera or decoder gives it; the graph normalises.
    U8Nhwc,
}

/// Per-channel statistics of `[0, 1]` RGB values: the network sees `(x / 255 - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Means of red, green and blue.
    pub mean: [f32; 3],
    /// Standard deviations of red, green and blue; positive.
    pub std: [f32; 3],
}

impl Normalization {
    /// ImageNet's statistics.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/// Every choice that makes a network, before it is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Residual block of the encoder.
    pub block: Block,
    /// Context module.
    pub context: Context,
    /// Class names and colours.
    pub classes: Classes,
    /// Statistics of the training pictures.
    pub normalization: Normalization,
    /// Height and width the weights were trained for, kept in the file for the runtime.
    pub trained_size: [usize; 2],
    /// Batch, height and width of the graph.
    pub size: InputSize,
    /// Kind of input.
    pub input: InputKind,
    /// Kind of output.
    pub head: Head,
}

impl Settings {
    /// Model C for CamVid: 11 classes, 360 x 480.
    pub fn camvid() -> Self {
        Self::model_c(Classes::camvid(), [360, 480])
    }

    /// Model C for Cityscapes: 19 classes by `trainId`, 512 x 1024.
    pub fn cityscapes() -> Self {
        Self::model_c(Classes::cityscapes(), [512, 1024])
    }

    fn model_c(classes: Classes, trained_size @ [height, width]: [usize; 2]) -> Self {
        Self {
            block: Block::Fcb,
            context: Variant::C.context(),
            classes,
            normalization: Normalization::IMAGENET,
            trained_size,
            size: InputSize::Static { batch: 1, height, width },
            input: InputKind::F32Nchw,
            head: Head::ClassMap,
        }
    }

    /// The paper's name for this network, where it has one.
    pub fn variant(&self) -> Option<Variant> {
        if self.block != Block::Fcb {
            return None;
        }
        let svn_scales = match &self.context {
            Context::None => return Some(Variant::A),
            Context::SingularVectors { scales, .. } => scales.as_slice(),
            _ => return None,
        };
        match svn_scales {
            [8] => Some(Variant::B),
            [8, 4] => Some(Variant::C),
            _ => None,
        }
    }

    /// What height and width must be multiples of.
    ///
    /// A static graph pads regions itself, so the encoder's stride is all it needs. A dynamic one has no padding
    /// that could depend on the size: each scale `k` needs feature maps of whole regions, multiples of `8 k`.
    pub fn size_multiple(&self) -> usize {
        match self.size {
            InputSize::Static { .. } => STRIDE,
            InputSize::Dynamic => STRIDE * self.context.scales().iter().copied().fold(1, lcm),
        }
    }
}

/// [`Settings`] that make a network: building from a `Config` cannot fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Config(Settings);

impl Config {
    /// Checks `settings`.
    ///
    /// # Errors
    ///
    /// The first setting that no network can have, with what was expected of it.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        check_classes(&settings.classes)?;
        check_normalization(&settings.normalization)?;
        check_context(&settings.context)?;
        let [height, width] = settings.trained_size;
        check_extent("trained height", height, STRIDE)?;
        check_extent("trained width", width, STRIDE)?;
        if let InputSize::Static { batch, height, width } = settings.size {
            check_extent("height", height, STRIDE)?;
            check_extent("width", width, STRIDE)?;
            check_range("batch size", batch, MAX_BATCH)?;
        }
        check_range("size multiple of a dynamic graph", settings.size_multiple(), MAX_EXTENT)?;
        Ok(Self(settings))
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

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

fn lcm(a: usize, b: usize) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    a / gcd(a, b) * b
}

/// A word that stands for no choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what}; expected {expected}")]
pub struct UnknownWord {
    what: &'static str,
    found: String,
    expected: &'static str,
}

/// Gives an enum its words: on the command line, in the metadata and in messages they are the same.
macro_rules! words {
    ($type:ty, $what:literal, $expected:literal, { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, found: word.to_owned(), expected: $expected }),
                }
            }
        }
    };
}

words!(Variant, "variant", "a, b or c", { A = "a", B = "b", C = "c" });
words!(Block, "block", "fcb, ss-nbt or non-bt-1d", { Fcb = "fcb", SsNbt = "ss-nbt", NonBt1d = "non-bt-1d" });
words!(Head, "head", "class-map, logits, logits-8 or both", {
    ClassMap = "class-map", Logits = "logits", Logits8 = "logits-8", Both = "both",
});
words!(InputKind, "kind of input", "f32-nchw or u8-nhwc", { F32Nchw = "f32-nchw", U8Nhwc = "u8-nhwc" });

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::None => return f.write_str("none"),
            Self::NonLocal => return f.write_str("nonlocal"),
            Self::SingularVectors { .. } => "svn",
            Self::MaxPool { .. } => "max",
            Self::MeanPool { .. } => "mean",
        };
        let scales: Vec<_> = self.scales().iter().map(usize::to_string).collect();
        write!(f, "{kind}:{}", scales.join(","))
    }
}

/// Reads `none`, `nonlocal`, `svn:8,4`, `max:8` or `mean:8`; singular vectors get [`DEFAULT_ITERATIONS`].
impl FromStr for Context {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord {
            what: "context",
            found: word.to_owned(),
            expected: "none, nonlocal, or svn, max or mean with scales as in svn:8,4",
        };
        let parse_scales = |list: &str| {
            let scales = list.split(',').map(|s| s.trim().parse::<usize>());
            scales.collect::<Result<Vec<_>, _>>().map_err(|_| unknown())
        };
        match word.split_once(':') {
            None if word == "none" => Ok(Self::None),
            None if word == "nonlocal" => Ok(Self::NonLocal),
            Some(("svn", list)) => {
                Ok(Self::SingularVectors { scales: parse_scales(list)?, iterations: DEFAULT_ITERATIONS })
            }
            Some(("max", list)) => Ok(Self::MaxPool { scales: parse_scales(list)? }),
            Some(("mean", list)) => Ok(Self::MeanPool { scales: parse_scales(list)? }),
            _ => Err(unknown()),
        }
    }
}
