//! What can be chosen, and the words for it.

use std::fmt;
use std::str::FromStr;

use crate::words::{UnknownWord, as_text, words};

/// The power iterations of the paper (section 3.4, Algorithm 1).
pub const DEFAULT_ITERATIONS: usize = 2;

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

    /// Power iterations T, where the context has them.
    pub fn iterations(&self) -> Option<usize> {
        match self {
            Self::SingularVectors { iterations, .. } => Some(*iterations),
            _ => None,
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
    /// Height and width fixed at export, as many pictures as the caller chooses at every run.
    FreeBatch {
        /// Rows, a multiple of 8.
        height: usize,
        /// Columns, a multiple of 8.
        width: usize,
    },
    /// Chosen by the caller at every run; height and width must be multiples of
    /// [`Settings::size_multiple`](crate::Settings::size_multiple).
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

impl InputKind {
    /// The order of its axes.
    pub fn layout(self) -> Layout {
        match self {
            Self::F32Nchw => Layout::Nchw,
            Self::U8Nhwc => Layout::Nhwc,
        }
    }
}

/// The order of a picture's axes, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Batch, channels, rows, columns.
    Nchw,
    /// Batch, rows, columns, channels.
    Nhwc,
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

    /// The least and the largest value of a normalised picture.
    pub fn range(&self) -> [f32; 2] {
        let extreme = |x: f32, pick: fn(f32, f32) -> f32| {
            let values = self.mean.iter().zip(&self.std).map(|(mean, std)| (x - mean) / std);
            values.reduce(pick).expect("there are three channels")
        };
        [extreme(0.0, f32::min), extreme(1.0, f32::max)]
    }
}

words!(Variant, "variant", "a, b or c", { A = "a", B = "b", C = "c" });
words!(Block, "block", "fcb, ss-nbt or non-bt-1d", { Fcb = "fcb", SsNbt = "ss-nbt", NonBt1d = "non-bt-1d" });
words!(Head, "head", "class-map, logits, logits-8 or both", {
    ClassMap = "class-map", Logits = "logits", Logits8 = "logits-8", Both = "both",
});
words!(InputKind, "kind of input", "f32-nchw or u8-nhwc", { F32Nchw = "f32-nchw", U8Nhwc = "u8-nhwc" });
words!(Layout, "layout", "NCHW or NHWC", { Nchw = "NCHW", Nhwc = "NHWC" });
as_text!(Context);

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
            expected: "none, nonlocal, or svn, max or mean with scales as in svn:8,4".into(),
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
