//! Fuzz targets of every parser, and changes that know the formats.
//!
//! The readers of weights and class files are compiled from their sources: the crate that they are of brings a runtime,
//! which takes ten minutes to build with a fuzzer's instrumentation and is fuzzed by nobody here.

pub use lrnnet_graph::ErrorKind;

#[allow(dead_code, reason = "only reading from bytes is fuzzed")]
#[path = "../../lrnnet-export/src/class_file.rs"]
mod class_file;
pub mod mutate;
pub mod targets;
#[allow(dead_code, reason = "only reading from bytes is fuzzed")]
#[path = "../../lrnnet-export/src/weights/mod.rs"]
mod weights;

/// What the targets read with.
mod readers {
    pub use super::class_file::classes_from_bytes;
    pub use super::weights::weights_from_bytes;
}
