//! `lrnnet-export`: weights in, a checked ONNX file out.

use std::process::ExitCode;

fn main() -> ExitCode {
    lrnnet_export::program(std::env::args_os()).into()
}
