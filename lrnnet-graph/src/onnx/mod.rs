//! ONNX files: messages, writing and reading.

mod check;
mod decode;
mod element;
mod encode;
mod file;
mod headless;
mod opset;
pub mod proto;
mod verdict;
mod wire;

pub(crate) use encode::encode;
pub use file::{FileError, ModelFile, Port};
pub use opset::{Opset, OpsetError};
pub use verdict::{ConstantProblem, GraphError, NodeProblem};
