//! LRNNet's compute graph as ONNX.
//!
//! LRNNet (Jiang et al., arXiv 2006.02706) is a 0.68 M-parameter network for street scenes. This crate builds its
//! graph from a [`Config`].

mod classes;
mod config;
mod metadata;
pub mod onnx;
mod tensor;

pub use classes::{Classes, Color};
pub use config::{
    Block, Config, ConfigError, Context, DEFAULT_ITERATIONS, Head, InputKind, InputSize, Normalization, STRIDE,
    Settings, UnknownWord, Variant,
};
pub use metadata::{Metadata, MetadataError, RESIZE_RULE};
pub use tensor::{Tensor, Weights};
