//! Trained LRNNet weights in, a checked and self-describing ONNX file out.

pub mod weights;
