//! LRNNet's compute graph as ONNX.
//!
//! LRNNet (Jiang et al., arXiv 2006.02706) is a 0.68 M-parameter network that segments street scenes in real time.
//! This crate builds its graph from a checked [`Config`], fills it with trained [`Weights`], rewrites it for
//! deployment and writes it as ONNX. It opens no file and reads no clock: the same config and weights always give the
//! same bytes.
//!
//! ```
//! use lrnnet_graph::{Config, Form, Network, Origin, Settings, onnx::Opset, synthetic};
//!
//! let network = Network::new(Config::new(Settings::camvid())?);
//! let weights = synthetic::weights(&network);
//! let model = network.bind(weights)?.rewrite(Form::DEPLOY)?;
//! let origin = Origin { weights_sha256: String::new(), exporter: "example".into() };
//! let bytes = model.to_onnx(Opset::default(), &origin);
//! assert!(bytes.len() < 4_000_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Three forms of one function
//!
//! The plain form is node for node the paper. [`Model::rewrite`] makes the others of it by small [`passes`], each of
//! which keeps the function: [`Form::DEPLOY`] is the one that is shipped, [`Form::BASIC`] is for older importers, and
//! the plain form is the oracle that both are tested against. Exporters that trace a program give none of them: their
//! graph is as good as the runtime's optimiser finds out, and no two versions give the same one.

mod bind;
mod classes;
mod config;
pub mod cost;
mod form;
pub mod graph;
mod metadata;
mod model;
mod network;
pub mod onnx;
pub mod passes;
pub mod synthetic;
mod tensor;
mod words;

pub use bind::{BindError, Param, Problem};
pub use classes::{Classes, Color};
pub use config::{
    Block, Config, ConfigError, Context, DEFAULT_ITERATIONS, Head, InputKind, InputSize, Layout, Normalization, STRIDE,
    Settings, Variant,
};
pub use form::{Form, Precision, RewriteError};
pub use graph::{Dim, ElementType, Shape};
pub use half::f16;
pub use metadata::{ColorOrder, FormName, Metadata, MetadataError, ResizeRule, SelfTest, SelfTestRecord, Task};
pub use model::{HalfError, Model, Network, Origin, OutputError};
pub use tensor::{Constant, Tensor, Weights};
pub use words::UnknownWord;
