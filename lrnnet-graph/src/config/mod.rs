//! What network to build: everything that can be chosen, checked once.

mod check;
mod choices;

use std::ops::Deref;

pub use check::ConfigError;
pub use choices::{Block, Context, DEFAULT_ITERATIONS, Head, InputKind, InputSize, Layout, Normalization, Variant};

use crate::classes::Classes;

/// Downsampling from the picture to the feature map on which context and classifier work.
pub const STRIDE: usize = 8;

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
            InputSize::Static { .. } | InputSize::FreeBatch { .. } => STRIDE,
            InputSize::Dynamic => self.context.scales().iter().copied().fold(1, lcm).saturating_mul(STRIDE),
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
        check::settings(&settings)?;
        Ok(Self(settings))
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

/// The least common multiple, or the largest number where it would be larger.
fn lcm(a: usize, b: usize) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (a / gcd(a, b).max(1)).saturating_mul(b)
}
