//! LRNNet's compute graph, and its way into an ONNX file.
//!
//! LRNNet (Jiang et al., arXiv 2006.02706) is a network of 0.68 M parameters that segments street scenes in real time.
//! This crate builds its graph from a checked [`Config`], fills it with trained [`Weights`], rewrites it for
//! deployment and writes it as ONNX. It opens no file and reads no clock: the same config and weights always give the
//! same bytes.
//!
//! ```text
//! Settings --Config::new--> Config --Network::new--> Network --bind(Weights)--> Model --to_onnx--> bytes
//!                                                                              |     ^                |
//!                                                          rewrite(Form), to_half, to_int8, with_outputs   ModelFile::parse
//! ```
//!
//! # From settings to a file
//!
//! Everything that can be chosen is a field of [`Settings`]; what no network can have is refused there, so that building
//! cannot fail. [`Network::params`] says which tensors have to be trained, by the names that PyTorch gives them.
//! [`Network::bind`] takes all of them and no others. After that there is nothing left to go wrong in writing.
//!
//! ```
//! use lrnnet_graph::onnx::{ModelFile, Opset};
//! use lrnnet_graph::{Config, Form, InputKind, InputSize, Network, Origin, Settings, synthetic};
//!
//! let settings = Settings {
//!     size: InputSize::Static { batch: 1, height: 360, width: 480 },
//!     input: InputKind::U8Nhwc,
//!     ..Settings::camvid()
//! };
//! let network = Network::new(Config::new(settings)?);
//! let weights = synthetic::weights(&network); // trained ones, in earnest
//!
//! let model = network.bind(weights)?.rewrite(Form::DEPLOY)?;
//! let origin = Origin { weights_sha256: String::new(), exporter: "example".into() };
//! let bytes = model.to_onnx(Opset::default(), &origin);
//!
//! // A reader needs nothing but the file.
//! let file = ModelFile::parse(&bytes)?;
//! assert_eq!(file.input().shape, [Some(1), Some(360), Some(480), Some(3)]);
//! assert_eq!(file.metadata().classes.names[3], "Road");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Forms of one function
//!
//! [`Form::PLAIN`] is node for node the paper. [`Form::DEPLOY`] is what is shipped, and [`Form::BASIC`] is for importers
//! of older days. Both are made of the plain form by small [`passes`], each of which keeps the function; the plain form
//! is the oracle they are tested against. A further form is a name and a list of passes, and passes are functions from
//! [`Graph`](graph::Graph) to `Graph`: [`Form`] shows one. [`Model::to_half`] converts any form to float16;
//! [`Form::DENSE`] is the one that [`Model::to_int8`] is best given.
//!
//! Exporters that trace a program give none of these: their graph is as good as the runtime's optimiser finds out, and
//! no two versions give the same one.
//!
//! # Where things are
//!
//! | what | where |
//! |---|---|
//! | what can be chosen | [`Settings`], [`Config`] |
//! | the network as the paper draws it | `network`, private, read from top to bottom; [`Network::graph`] is the result |
//! | nodes, operators, shapes with free extents | [`graph`] |
//! | rewritings and forms | [`passes`], [`Form`] |
//! | inner values as outputs | [`Model::with_outputs`] |
//! | what a file says about itself | [`Metadata`] |
//! | ONNX: messages, writing, strict reading | [`onnx`] |
//! | parameters and GFLOPS as the paper counts them | [`cost`] |
//! | weights and pictures by formula, for tests | [`synthetic`] |

mod bind;
mod causes;
mod classes;
mod config;
pub mod cost;
mod error_kind;
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
pub use causes::with_causes;
pub use classes::{Classes, Color};
pub use config::{
    Block, Config, ConfigError, Context, DEFAULT_ITERATIONS, Head, InputKind, InputSize, Layout, Normalization, STRIDE,
    Settings, Variant,
};
pub use error_kind::ErrorKind;
pub use form::{Form, Precision, RewriteError};
pub use graph::{Dim, ElementType, Shape};
pub use half::f16;
pub use metadata::{ColorOrder, FormName, Metadata, MetadataError, ResizeRule, SelfTest, SelfTestRecord, Task};
pub use model::{HalfError, Int8Error, Model, Network, Origin, OutputError, Ranges};
pub use passes::Range;
pub use tensor::{Constant, Tensor, Weights};
pub use words::UnknownWord;
