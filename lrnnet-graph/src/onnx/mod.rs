//! ONNX files: messages, writing and reading.

mod file;
pub mod proto;

pub use file::{FileError, ModelFile, Port};
