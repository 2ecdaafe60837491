//! `config.pbtxt`: Triton's `ModelConfig` in protobuf's text format.

use std::fmt::Write as _;

use lrnnet_graph::ElementType;
use lrnnet_graph::onnx::{ModelFile, Port};
use serde_json::json;

use super::{ServerPlan, Tensorrt};

/// The file of class names beside the configuration.
pub const LABELS: &str = "labels.txt";

/// Bytes that TensorRT may use while it builds: 1 GiB.
const TENSORRT_WORKSPACE: u64 = 1 << 30;

/// The configuration of `model`, whose ports all begin with a free batch.
pub fn text(plan: &ServerPlan, model: &ModelFile) -> String {
    let ServerPlan { name, max_batch, max_delay, instances, tensorrt } = plan;
    let mut text = format!(
        "# Written by {exporter}\nname: {name}\nbackend: \"onnxruntime\"\nmax_batch_size: {max_batch}\n",
        exporter = model.metadata().exporter.replace(char::is_control, " "),
        name = quoted(name),
    );
    push(&mut text, "input", &port(model.input(), ""));
    for output in model.outputs() {
        push(&mut text, "output", &port(output, &format!(" label_filename: {}", quoted(LABELS))));
    }
    push(&mut text, "dynamic_batching", &format!("max_queue_delay_microseconds: {max_delay}"));
    // On each GPU that the server sees, or on the CPU where there is none.
    push(&mut text, "instance_group", &format!("count: {instances} kind: KIND_AUTO"));
    if let Some(precision) = tensorrt {
        push(&mut text, "optimization", &accelerated(*precision));
    }
    let classes = &model.metadata().classes;
    for (key, value) in [("class_names", json!(classes.names)), ("palette", json!(classes.palette))] {
        let value = format!("key: {} value {{ string_value: {} }}", quoted(key), quoted(&value.to_string()));
        push(&mut text, "parameters", &value);
    }
    text
}

/// A message on a line of its own.
fn push(text: &mut String, field: &str, content: &str) {
    writeln!(text, "{field} {{ {content} }}").expect("a string takes any text");
}

/// Name, type and extents but for the batch, which is the server's.
fn port(port: &Port, more: &str) -> String {
    let extents = port.shape.iter().skip(1);
    let dims: Vec<_> = extents.map(|extent| extent.map_or("-1".to_owned(), |extent| extent.to_string())).collect();
    format!("name: {} data_type: {} dims: [{}]{more}", quoted(&port.name), data_type(port.element), dims.join(", "))
}

/// Triton's name of a type: `TYPE_FP32` of `float32`, `TYPE_UINT8` of `uint8`.
fn data_type(element: ElementType) -> String {
    format!("TYPE_{}", element.to_string().replace("float", "fp").to_uppercase())
}

/// TensorRT under ONNX Runtime, on GPUs only.
fn accelerated(precision: Tensorrt) -> String {
    let precision = match precision {
        Tensorrt::Fp32 => "FP32",
        Tensorrt::Fp16 => "FP16",
    };
    let parameter = |key: &str, value: &str| format!("parameters {{ key: {} value: {} }}", quoted(key), quoted(value));
    format!(
        "execution_accelerators {{ gpu_execution_accelerator {{ name: \"tensorrt\" {} {} }} }}",
        parameter("precision_mode", precision),
        parameter("max_workspace_size_bytes", &TENSORRT_WORKSPACE.to_string())
    )
}

/// A string of the text format, which escapes as C does; what is no ASCII stays UTF-8.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Always three digits, so that a digit behind it is not taken for a part of it.
            c if c.is_ascii_control() => write!(quoted, "\\{:03o}", u32::from(c)).expect("a string takes any text"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn strings_are_escaped() {
        let cases = [
            ("", r#""""#),
            ("M\u{fc}ll", "\"M\u{fc}ll\""),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("a\n1\u{7f}\t", r#""a\0121\177\011""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }
}
