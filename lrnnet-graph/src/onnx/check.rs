//! Whether a file's graph is one that [`encode`](super::encode) can have written.
//!
//! Every node is taken back into the operator that it was written for, and shapes and types are inferred again, by the
//! same rules as when a network is built. What the file states must be what comes out. So a model from a stranger can
//! compute other numbers than ours, but nothing else: it holds no operator, attribute, type or size that no LRNNet has.

use std::collections::HashMap;

use half::f16;

use super::decode::operator;
use super::encode::value_info;
use super::opset::Opset;
use super::proto::{
    DataType, DimensionValue, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto,
};
use super::verdict::{ConstantProblem, GraphError, NodeProblem};
use crate::graph::{Arithmetic, Dim, ElementType, Extent, Node, Op, Shape, infer};

/// Nodes, and constants, that a graph may have. An int8 model has some 800.
const MAX_NODES: usize = 10_000;
/// Bytes of a name.
const MAX_NAME: usize = 512;
/// Axes of a value.
const MAX_RANK: usize = 8;

/// Checks the graph of `proto`, which has one input.
pub fn check(proto: &ModelProto) -> Result<(), GraphError> {
    let opset = opset(proto)?;
    let Some(graph) = &proto.graph else { return Ok(()) };
    for (what, found) in [("nodes", graph.node.len()), ("constants", graph.initializer.len())] {
        if found > MAX_NODES {
            return Err(GraphError::TooMany { what, found, max: MAX_NODES });
        }
    }
    let mut checker = Checker { opset, values: HashMap::new(), stored: HashMap::new() };
    graph.input.iter().try_for_each(|input| checker.input(input))?;
    graph.initializer.iter().try_for_each(|tensor| checker.constant(tensor))?;
    graph.node.iter().try_for_each(|node| checker.node(node))?;
    checker.statements(graph)
}

fn opset(proto: &ModelProto) -> Result<Opset, GraphError> {
    let versions: Vec<_> = proto.opset_import.iter().map(|set| set.version.unwrap_or_default()).collect();
    let opset = match versions.as_slice() {
        [version] => u8::try_from(*version).ok().and_then(|version| Opset::new(version).ok()),
        _ => None,
    };
    let opset = opset.ok_or(GraphError::Opsets(versions))?;
    let expected = opset.ir_version();
    if proto.ir_version == Some(expected) {
        Ok(opset)
    } else {
        Err(GraphError::Format { found: proto.ir_version, expected })
    }
}

/// What is known of the values so far.
struct Checker<'p> {
    opset: Opset,
    values: HashMap<&'p str, Node>,
    stored: HashMap<&'p str, &'p TensorProto>,
}

impl<'p> Checker<'p> {
    fn add(&mut self, name: &'p str, shape: Shape, element: ElementType) -> Result<(), GraphError> {
        let node = Node {
            name: String::new(),
            op: Op::Input,
            inputs: vec![],
            shape,
            element,
            arithmetic: Arithmetic::AsModel,
        };
        let usable = !name.is_empty() && name.len() <= MAX_NAME;
        if usable && self.values.insert(name, node).is_none() {
            return Ok(());
        }
        Err(GraphError::Name(name.chars().take(60).collect()))
    }

    fn input(&mut self, info: &'p ValueInfoProto) -> Result<(), GraphError> {
        let wrong = || GraphError::Port(info.name().to_owned());
        let tensor = info.r#type.as_ref().and_then(|of| of.tensor_type.as_ref()).ok_or_else(wrong)?;
        let element = tensor.elem_type.and_then(ElementType::of_onnx).ok_or_else(wrong)?;
        let shape = tensor.shape.as_ref().and_then(input_shape).filter(is_modest).ok_or_else(wrong)?;
        self.add(info.name(), shape, element)
    }

    fn constant(&mut self, tensor: &'p TensorProto) -> Result<(), GraphError> {
        let fail = |problem| GraphError::Constant { name: tensor.name().to_owned(), problem };
        let element = tensor.data_type.and_then(ElementType::of_onnx).ok_or(fail(ConstantProblem::Type))?;
        let extents: Option<Vec<_>> = tensor.dims.iter().map(|&extent| usize::try_from(extent).ok()).collect();
        let extents = extents.filter(|extents| extents.len() <= MAX_RANK).ok_or(fail(ConstantProblem::Shape))?;
        let bytes = tensor.raw_data.as_deref().ok_or(fail(ConstantProblem::Bytes))?;
        let needed = extents.iter().try_fold(width(element), |n, &extent| n.checked_mul(extent));
        if needed != Some(bytes.len()) {
            return Err(fail(ConstantProblem::Bytes));
        }
        // What is put around the values of a maximum is less than any of them, in float16 minus infinity.
        let is_fill = extents.is_empty() && bytes == f16::NEG_INFINITY.to_le_bytes();
        if !is_finite(element, bytes) && !is_fill {
            return Err(fail(ConstantProblem::NotFinite));
        }
        self.stored.insert(tensor.name(), tensor);
        self.add(tensor.name(), extents.into_iter().map(Dim::fixed).collect(), element)
    }

    fn node(&mut self, node: &'p NodeProto) -> Result<(), GraphError> {
        let (shape, element) = self.result(node).map_err(|problem| {
            let name = node.name.as_deref().or(node.output.first().map(String::as_str)).unwrap_or_default();
            GraphError::Node { node: excerpt(name), operator: excerpt(node.op_type()), problem }
        })?;
        self.add(&node.output[0], shape, element)
    }

    /// Shape and type of what a node makes.
    fn result(&self, node: &NodeProto) -> Result<(Shape, ElementType), NodeProblem> {
        if node.output.len() != 1 {
            return Err(NodeProblem::Results(node.output.len()));
        }
        let known = |name: &String| self.values.get(name.as_str()).ok_or_else(|| NodeProblem::Unknown(excerpt(name)));
        // What gives an output its name, where its value has another.
        if node.op_type() == "Identity" {
            return match (node.input.as_slice(), node.attribute.as_slice()) {
                ([name], []) => known(name).map(|value| (value.shape.clone(), value.element)),
                ([_], [attribute, ..]) => Err(NodeProblem::attribute(attribute)),
                (names, _) => Err(NodeProblem::OperandCount(names.len())),
            };
        }
        let (op, names) = operator(node, self.opset, &|name| self.stored.get(name).copied())?;
        let operands = names.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        if operands.iter().any(|operand| !is_modest(&operand.shape)) || !is_modest_target(&op) {
            return Err(NodeProblem::TooLarge);
        }
        let (shape, element) = infer(&op, &operands).map_err(NodeProblem::Shape)?;
        if op == Op::Dequantize && (operands[1].shape.len() == 1) != (node.attribute.len() == 1) {
            return Err(NodeProblem::Attribute("axis".into()));
        }
        if is_modest(&shape) { Ok((shape, element)) } else { Err(NodeProblem::TooLarge) }
    }

    /// What the file states of outputs and of the values between.
    fn statements(&self, graph: &GraphProto) -> Result<(), GraphError> {
        let is_made = |info: &ValueInfoProto| {
            self.values.get(info.name()).is_some_and(|node| value_info(info.name(), node) == *info)
        };
        if let Some(wrong) = graph.output.iter().find(|info| !is_made(info)) {
            return Err(GraphError::Port(wrong.name().to_owned()));
        }
        let mut between = graph.value_info.iter();
        let is_output = |name: &str| graph.output.iter().any(|output| output.name() == name);
        let made = graph.node.iter().flat_map(|node| &node.output).filter(|name| !is_output(name));
        for name in made {
            if !between.next().is_some_and(|info| info.name() == name && is_made(info)) {
                return Err(GraphError::Stated(name.to_owned()));
            }
        }
        match between.next() {
            Some(more) => Err(GraphError::Stated(more.name().to_owned())),
            None => Ok(()),
        }
    }
}

fn excerpt(name: &str) -> String {
    name.chars().take(60).collect()
}

/// Extents of an input: numbers, or what the caller chooses in the places where it may.
fn input_shape(shape: &TensorShapeProto) -> Option<Shape> {
    let extent = |value: &Option<DimensionValue>| match value {
        Some(DimensionValue::Value(n)) => usize::try_from(*n).ok().map(Dim::fixed),
        Some(DimensionValue::Param(name)) => {
            [Dim::BATCH, Dim::HEIGHT, Dim::WIDTH].into_iter().find(|dim| dim.to_string() == *name)
        }
        None => None,
    };
    shape.dim.iter().map(|dim| extent(&dim.value)).collect()
}

/// Whether a value is of a size that can be computed with: no axis is empty, and their product is far from overflowing.
fn is_modest(shape: &Shape) -> bool {
    shape.len() <= MAX_RANK && Dim::are_modest(shape)
}

/// The same of a shape that an operator asks for.
fn is_modest_target(op: &Op) -> bool {
    let Op::Reshape(target) = op else { return true };
    let fixed = target.iter().map(|extent| match extent {
        Extent::Fixed(n) => Dim::fixed(*n),
        Extent::Keep | Extent::Rest => Dim::fixed(1),
    });
    is_modest(&fixed.collect())
}

/// Bytes of a value.
fn width(element: ElementType) -> usize {
    match DataType::from(element) {
        DataType::Uint8 | DataType::Int8 => 1,
        DataType::Float16 => 2,
        DataType::Int64 => 8,
        _ => 4,
    }
}

fn is_finite(element: ElementType, bytes: &[u8]) -> bool {
    match element {
        ElementType::Float32 => bytes.as_chunks().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite()),
        ElementType::Float16 => bytes.as_chunks().0.iter().all(|bytes| f16::from_le_bytes(*bytes).is_finite()),
        _ => true,
    }
}
