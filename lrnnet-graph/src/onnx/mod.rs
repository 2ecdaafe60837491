//! ONNX files: messages, writing and reading.

mod element;
mod encode;
mod file;
mod headless;
mod opset;
pub mod proto;

pub(crate) use encode::encode;
pub use file::{FileError, ModelFile, Port};
pub use opset::{Opset, OpsetError};
