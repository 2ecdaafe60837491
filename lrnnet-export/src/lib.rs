//! Weights in, ONNX out.
