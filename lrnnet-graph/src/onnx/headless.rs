//! A model file without its head, for a runtime that finishes class maps itself.

use prost::Message;

use super::file::ModelFile;
use super::proto::{AttributeProto, DataType, GraphProto, NodeProto};
use crate::config::{Head, STRIDE};

/// Names of outputs.
const CLASS_MAP: &str = "class_map";
const LOGITS8: &str = "logits8";

impl ModelFile {
    /// The bytes of the same network with the head `logits-8`: what stands before the upsampling, the arg max and the
    /// conversion to bytes.
    ///
    /// `None` for a file that does not end in exactly these three, or whose class map is not its only output. So upsampling
    /// what this puts out, bilinearly by 8 between pixel centres, and taking the first largest class gives what the file
    /// gives.
    pub fn headless(&self) -> Option<Vec<u8>> {
        let mut proto = self.proto().clone();
        let graph = proto.graph.as_mut()?;
        let [output] = graph.output.as_mut_slice() else { return None };
        if output.name() != CLASS_MAP {
            return None;
        }
        let logits8 = before_head(graph)?;
        let mut info = graph.value_info.iter().find(|info| info.name() == logits8)?.clone();
        let element = info.r#type.as_ref()?.tensor_type.as_ref()?.elem_type?;
        if element != DataType::Float32 as i32 {
            return None;
        }
        info.name = Some(LOGITS8.into());
        graph.output = vec![info];
        graph.node.truncate(graph.node.len() - HEAD.len());
        graph.node.iter_mut().flat_map(|node| &mut node.output).for_each(|name| rename(name, &logits8));
        graph.node.iter_mut().flat_map(|node| &mut node.input).for_each(|name| rename(name, &logits8));
        let made: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
        graph.value_info.retain(|info| made.iter().any(|name| name == info.name()));
        let used: Vec<String> = graph.node.iter().flat_map(|node| node.input.clone()).collect();
        graph.initializer.retain(|tensor| used.iter().any(|name| name == tensor.name()));
        let head = proto.metadata_props.iter_mut().find(|entry| entry.key() == "head")?;
        head.value = Some(format!("\"{}\"", Head::Logits8));
        Some(proto.encode_to_vec())
    }
}

/// The operators of the head, in order.
const HEAD: [&str; 3] = ["Resize", "ArgMax", "Cast"];

/// The name of the value that the head is made of, if that is the head that this crate writes.
fn before_head(graph: &GraphProto) -> Option<String> {
    let (body, head) = graph.node.split_at(graph.node.len().checked_sub(HEAD.len())?);
    let [resize, argmax, cast] = head else { return None };
    let chained = head.iter().map(NodeProto::op_type).eq(HEAD)
        && argmax.input == resize.output
        && cast.input == argmax.output
        && cast.output == [CLASS_MAP];
    let upsampled = text(resize, "coordinate_transformation_mode") == Some(b"half_pixel")
        && text(resize, "mode") == Some(b"linear")
        && resize.attribute.len() == 2
        && scales(graph, resize.input.get(2)?) == Some(vec![1.0, 1.0, STRIDE as f32, STRIDE as f32]);
    // An arg max that takes the last of equal values has an attribute more.
    let chosen =
        number(argmax, "axis") == Some(1) && number(argmax, "keepdims") == Some(0) && argmax.attribute.len() == 2;
    let in_bytes = number(cast, "to") == Some(DataType::Uint8 as i64);
    let [logits8, ..] = resize.input.as_slice() else { return None };
    let made = body.iter().any(|node| node.output.contains(logits8));
    (chained && upsampled && chosen && in_bytes && made && resize.input.len() == 3).then(|| logits8.clone())
}

fn rename(name: &mut String, logits8: &str) {
    if name == logits8 {
        *name = LOGITS8.into();
    }
}

fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

fn text<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [u8]> {
    attribute(node, name)?.s.as_deref()
}

fn number(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name)?.i
}

fn scales(graph: &GraphProto, name: &str) -> Option<Vec<f32>> {
    let tensor = graph.initializer.iter().find(|tensor| tensor.name() == name)?;
    let (values, rest) = tensor.raw_data.as_deref()?.as_chunks::<4>();
    let is_float = tensor.data_type == Some(DataType::Float32 as i32) && rest.is_empty();
    is_float.then(|| values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
