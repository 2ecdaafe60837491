//! Writing a graph as ONNX.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use half::f16;
use prost::Message;

use super::opset::Opset;
use super::proto::*;
use crate::graph::{Dim, ElementType, Extent, Graph, Node, Op, Output, Value};
use crate::metadata::Metadata;

/// `graph` as the bytes of an ONNX file. Every parameter must be bound and every shuffle lowered.
pub fn encode(graph: &Graph, opset: Opset, metadata: &Metadata) -> Vec<u8> {
    let mut writer = Writer { graph, opset, names: names(graph), operands: BTreeMap::new() };
    let computed: Vec<_> = graph.values().filter(|&v| graph.node(v).is_computed()).collect();
    let mut node: Vec<_> = computed.iter().map(|&v| writer.node(v)).collect();
    node.extend(graph.outputs().iter().filter_map(|output| writer.alias(output)));
    let constants = graph.values().filter_map(|v| writer.constant(v));
    let inputs = graph.values().filter(|&v| graph.node(v).op == Op::Input);
    let is_output = |v| graph.outputs().iter().any(|output| output.name == writer.name(v));
    let between = computed.into_iter().filter(|&v| !is_output(v));
    let proto = GraphProto {
        node,
        name: Some("lrnnet".into()),
        input: inputs.map(|v| value_info(writer.name(v), graph.node(v))).collect(),
        output: graph.outputs().iter().map(|o| value_info(&o.name, graph.node(o.value))).collect(),
        value_info: between.map(|v| value_info(writer.name(v), graph.node(v))).collect(),
        initializer: constants.chain(writer.operands.values().cloned()).collect(),
    };
    let props = metadata.to_props().into_iter();
    let model = ModelProto {
        ir_version: Some(opset.ir_version()),
        producer_name: Some("lrnnet".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(proto),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(opset.version()) }],
        metadata_props: props.map(|(k, v)| StringStringEntryProto { key: Some(k), value: Some(v) }).collect(),
    };
    model.encode_to_vec()
}

/// Names of all values, no two of them equal: what is computed for an output has the name its caller knows, everything
/// else its node's, with a number where that is taken.
fn names(graph: &Graph) -> Vec<String> {
    let mut taken: HashSet<String> = graph.outputs().iter().map(|output| output.name.clone()).collect();
    let mut unique = |name: &str| {
        let numbered = (1..).map(|i| format!("{name}.{i}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        candidates.find(|candidate| taken.insert(candidate.clone())).expect("there is always one more number")
    };
    let name = |v: Value| {
        let node = graph.node(v);
        let output = graph.outputs().iter().find(|output| output.value == v && node.is_computed());
        output.map_or_else(|| unique(&node.name), |output| output.name.clone())
    };
    graph.values().map(name).collect()
}

struct Writer<'g> {
    graph: &'g Graph,
    opset: Opset,
    names: Vec<String>,
    /// Constants that ONNX takes as operands where this crate has them in the operator, named by their value so that
    /// equal ones are stored once.
    operands: BTreeMap<String, TensorProto>,
}

impl Writer<'_> {
    fn name(&self, value: Value) -> &str {
        &self.names[value.index()]
    }

    fn node(&mut self, value: Value) -> NodeProto {
        let node = self.graph.node(value);
        let mut inputs: Vec<_> = node.inputs.iter().map(|&v| self.name(v).to_owned()).collect();
        let (op_type, attribute) = self.operator(node, &mut inputs);
        NodeProto {
            input: inputs,
            output: vec![self.name(value).to_owned()],
            // There are more conversions than anything else in an int8 file, and their results have names.
            name: (!matches!(node.op, Op::Quantize | Op::Dequantize)).then(|| node.name.clone()),
            op_type: Some(op_type.into()),
            attribute,
        }
    }

    /// What gives an output its name, where its value has another: an input, a constant, or another output.
    fn alias(&self, output: &Output) -> Option<NodeProto> {
        let name = self.name(output.value);
        (name != output.name).then(|| NodeProto {
            input: vec![name.to_owned()],
            output: vec![output.name.clone()],
            name: Some(output.name.clone()),
            op_type: Some("Identity".into()),
            attribute: vec![],
        })
    }

    fn constant(&self, value: Value) -> Option<TensorProto> {
        let Op::Constant(values) = &self.graph.node(value).op else { return None };
        let dims = values.shape().iter().map(|&d| d as i64).collect();
        Some(tensor(self.name(value), dims, values.element(), values.to_le_bytes()))
    }

    /// ONNX's operator and attributes; operands that ONNX wants as values are added to `inputs`.
    fn operator(&mut self, node: &Node, inputs: &mut Vec<String>) -> (&'static str, Vec<AttributeProto>) {
        match &node.op {
            Op::Input | Op::Param(_) | Op::Constant(_) => unreachable!("{} is not computed", node.name),
            Op::Shuffle => unreachable!("{} was not lowered", node.name),
            Op::Conv(conv) => {
                let [ph, pw] = conv.padding();
                let attributes = vec![
                    ints("dilations", conv.dilation),
                    int("group", conv.groups),
                    ints("kernel_shape", conv.kernel),
                    ints("pads", [ph, pw, ph, pw]),
                    ints("strides", [conv.stride; 2]),
                ];
                ("Conv", attributes)
            }
            Op::BatchNorm { epsilon } => ("BatchNormalization", vec![float("epsilon", *epsilon)]),
            Op::Relu => ("Relu", vec![]),
            Op::Add => ("Add", vec![]),
            Op::Mul => ("Mul", vec![]),
            Op::Div => ("Div", vec![]),
            Op::Sqrt => ("Sqrt", vec![]),
            Op::MaxPool => ("MaxPool", vec![ints("kernel_shape", [2, 2]), ints("strides", [2, 2])]),
            Op::MatMul => ("MatMul", vec![]),
            Op::ReduceSum(axis) => ("ReduceSum", self.reduction(*axis, self.opset.sums_take_axes(), inputs)),
            Op::ReduceMean(axis) => ("ReduceMean", self.reduction(*axis, self.opset.reductions_take_axes(), inputs)),
            Op::ReduceMax(axis) => ("ReduceMax", self.reduction(*axis, self.opset.reductions_take_axes(), inputs)),
            Op::Concat(axis) => ("Concat", vec![int("axis", *axis)]),
            Op::Channels { start, end } => {
                inputs.extend([*start, *end, 1].map(|i| self.integers(&[i as i64])));
                ("Slice", vec![])
            }
            Op::GatherChannels(indices) => {
                let indices: Vec<_> = indices.iter().map(|&i| i as i64).collect();
                inputs.push(self.integers(&indices));
                ("Gather", vec![int("axis", 1)])
            }
            Op::Transpose(axes) => ("Transpose", vec![ints("perm", axes.iter().copied())]),
            Op::Reshape(target) => {
                let target: Vec<_> = target.iter().copied().map(extent).collect();
                inputs.push(self.integers(&target));
                ("Reshape", vec![])
            }
            Op::Pad { bottom, right, fill } => {
                inputs.push(self.integers(&[0, 0, 0, 0, 0, 0, *bottom as i64, *right as i64]));
                inputs.push(match node.element {
                    ElementType::Float16 => {
                        let fill = f16::from_f32(*fill);
                        self.operand("f16", &[], &[fill], ElementType::Float16, &fill.to_le_bytes())
                    }
                    _ => self.operand("f32", &[], &[*fill], ElementType::Float32, &fill.to_le_bytes()),
                });
                ("Pad", vec![])
            }
            Op::Upsample(factor) => {
                let scales = [1.0, 1.0, *factor as f32, *factor as f32];
                let bytes: Vec<_> = scales.iter().flat_map(|s: &f32| s.to_le_bytes()).collect();
                inputs.push(match self.opset.resize_region_is_optional() {
                    true => String::new(),
                    false => self.operand("f32", &[0], &[0.0f32; 0], ElementType::Float32, &[]),
                });
                inputs.push(self.operand("f32", &[4], &scales, ElementType::Float32, &bytes));
                ("Resize", vec![string("coordinate_transformation_mode", "half_pixel"), string("mode", "linear")])
            }
            Op::ArgMax => ("ArgMax", vec![int("axis", 1), int("keepdims", 0)]),
            Op::Quantize => ("QuantizeLinear", vec![]),
            Op::Dequantize => {
                // Without an axis ONNX takes the second.
                let by_rows = self.graph.shape(node.inputs[1]).len() == 1;
                ("DequantizeLinear", if by_rows { vec![int("axis", 0)] } else { vec![] })
            }
            Op::Cast(element) => ("Cast", vec![int("to", DataType::from(*element) as usize)]),
        }
    }

    fn reduction(&mut self, axis: usize, axes_are_operand: bool, inputs: &mut Vec<String>) -> Vec<AttributeProto> {
        let keep = int("keepdims", 1);
        if !axes_are_operand {
            return vec![ints("axes", [axis]), keep];
        }
        inputs.push(self.integers(&[axis as i64]));
        vec![keep]
    }

    /// The name of a stored one-dimensional int64 constant.
    fn integers(&mut self, values: &[i64]) -> String {
        let bytes: Vec<_> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.operand("i64", &[values.len() as i64], values, ElementType::Int64, &bytes)
    }

    fn operand(
        &mut self,
        kind: &str,
        dims: &[i64],
        values: &[impl Display],
        element: ElementType,
        bytes: &[u8],
    ) -> String {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        let key = format!("{kind}:{}", values.join(","));
        // A name is stored at every use, so a long list has a number.
        let number = self.operands.len();
        let name = || if values.len() > 64 { format!("{kind}#{number}") } else { key.clone() };
        let make = || tensor(&name(), dims.to_vec(), element, bytes.to_vec());
        self.operands.entry(key.clone()).or_insert_with(make).name().to_owned()
    }
}

/// An extent as Reshape takes it.
fn extent(extent: Extent) -> i64 {
    match extent {
        Extent::Keep => 0,
        Extent::Rest => -1,
        Extent::Fixed(n) => n as i64,
    }
}

fn tensor(name: &str, dims: Vec<i64>, element: ElementType, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        dims,
        data_type: Some(DataType::from(element) as i32),
        name: Some(name.into()),
        raw_data: Some(bytes),
    }
}

pub(super) fn value_info(name: &str, node: &Node) -> ValueInfoProto {
    let value = |d: &Dim| match d.as_fixed() {
        Some(n) => DimensionValue::Value(n as i64),
        None => DimensionValue::Param(d.to_string()),
    };
    let dim = node.shape.iter().map(|d| DimensionProto { value: Some(value(d)) }).collect();
    let element = DataType::from(node.element) as i32;
    let tensor = TensorTypeProto { elem_type: Some(element), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(kind as i32), ..Default::default() }
}

pub(super) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { i: Some(value as i64), ..attribute(name, AttributeType::Int) }
}

pub(super) fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> AttributeProto {
    AttributeProto { ints: values.into_iter().map(|v| v as i64).collect(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

pub(super) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.into()), ..attribute(name, AttributeType::String) }
}
