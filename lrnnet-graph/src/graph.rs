//! A graph is a list of nodes in evaluation order.
//!
//! A [`Value`] can only be obtained by pushing the node that makes it, so a graph holds neither a cycle nor a
//! dangling edge and never needs sorting. Weights and constants are nodes like any other, which is what keeps the
//! passes short: folding a weight is replacing a node.

use std::fmt::Display;

use crate::dim::{Dim, Shape};
use crate::infer::infer;
use crate::onnx::proto::ElementType;
use crate::tensor::Tensor;

/// The result of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

/// A 2-D convolution without its channel counts, which follow from its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: usize,
    /// Step between the taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Conv {
    /// A dense convolution of stride and dilation one.
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: 1, dilation: [1, 1], groups: 1 }
    }

    /// The same with another stride.
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same with a dilation along each axis whose kernel is longer than one.
    pub const fn dilation(self, dilation: usize) -> Self {
        let [kh, kw] = self.kernel;
        Self { dilation: [if kh > 1 { dilation } else { 1 }, if kw > 1 { dilation } else { 1 }], ..self }
    }

    /// The same in groups.
    pub const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Zeros on each side that keep a stride-one convolution the size of its input.
    pub const fn padding(&self) -> [usize; 2] {
        [self.dilation[0] * (self.kernel[0] - 1) / 2, self.dilation[1] * (self.kernel[1] - 1) / 2]
    }
}

/// What a node computes. Axes count from the outermost; reductions keep their axis with extent one.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The picture.
    Input,
    /// A trained tensor, before weights are bound.
    Param,
    /// A tensor known at export, stored as the node's element type.
    Constant(Tensor),
    /// `x, weight[, bias]`: `[n, c, h, w] -> [n, out, h / stride, w / stride]`.
    Conv(Conv),
    /// `x, weight, bias, mean, variance`: `weight (x - mean) / sqrt(variance + epsilon) + bias` per channel.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `max(x, 0)`
    Relu,
    /// Element-wise sum, with broadcasting.
    Add,
    /// Element-wise product, with broadcasting.
    Mul,
    /// Element-wise quotient, with broadcasting.
    Div,
    /// Element-wise square root.
    Sqrt,
    /// Maximum of 2 x 2 positions, stride 2: `[n, c, h, w] -> [n, c, h/2, w/2]`.
    MaxPool,
    /// Product of the last two axes' matrices, with broadcasting of the others.
    MatMul,
    /// Sum along an axis.
    ReduceSum(usize),
    /// Mean along an axis.
    ReduceMean(usize),
    /// Maximum along an axis.
    ReduceMax(usize),
    /// Operands one after the other along an axis.
    Concat(usize),
    /// Elements `start..end` of the channel axis: `[n, c, h, w] -> [n, end - start, h, w]`.
    Channels {
        /// First channel.
        start: usize,
        /// One past the last channel.
        end: usize,
    },
    /// The named channels, in that order.
    GatherChannels(Vec<usize>),
    /// Channel shuffle in two groups: `out[2 i + g] = in[g c/2 + i]`. ONNX has no such operator; it is lowered
    /// to reshapes and a transposition when the graph is written.
    Shuffle,
    /// Axes in another order.
    Transpose(Vec<usize>),
    /// The same values in another shape; 0 keeps an extent, -1 is what is left.
    Reshape(Vec<i64>),
    /// Fill below and to the right: `[n, c, h, w] -> [n, c, h + bottom, w + right]`.
    Pad {
        /// Rows added.
        bottom: usize,
        /// Columns added.
        right: usize,
        /// Value of what is added.
        fill: f32,
    },
    /// Bilinear upsampling with half-pixel centres (`align_corners=False`) by a whole factor.
    Upsample(usize),
    /// Index of the first largest channel: `[n, c, h, w] -> [n, h, w]`, int64.
    ArgMax,
    /// Conversion to the node's element type.
    Cast(ElementType),
}

/// One operation, its operands, and what is known of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique name; the module path for what the contract of names knows.
    pub name: String,
    /// Operation.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<Value>,
    /// Shape of the result.
    pub shape: Shape,
    /// Element type of the result.
    pub element: ElementType,
}

impl Node {
    /// Whether the node is computed, rather than given before the graph runs.
    pub fn is_computed(&self) -> bool {
        !matches!(self.op, Op::Input | Op::Param | Op::Constant(_))
    }
}

/// Nodes in evaluation order, and which of them are outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<Output>,
}

/// A value that the caller of the graph gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// What the caller asks for.
    pub name: &'static str,
    /// What it is.
    pub value: Value,
}

impl Graph {
    /// All nodes, in evaluation order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All values, in evaluation order.
    pub fn values(&self) -> impl Iterator<Item = Value> + use<> {
        (0..self.nodes.len()).map(Value)
    }

    /// The node that makes `value`.
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.0]
    }

    /// The shape of `value`.
    pub fn shape(&self, value: Value) -> &[Dim] {
        &self.node(value).shape
    }

    /// The outputs, in the order of the heads that made them.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Declares `value` the output `name`.
    pub fn output(&mut self, name: &'static str, value: Value) {
        self.outputs.push(Output { name, value });
    }

    /// Whether `value` is an output.
    pub fn is_output(&self, value: Value) -> bool {
        self.outputs.iter().any(|output| output.value == value)
    }

    /// Appends a node.
    ///
    /// # Panics
    ///
    /// If the operands do not fit the operator: a bug in the network's definition or in a pass, since every
    /// [`Config`](crate::Config) is checked when it is made.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[Value]) -> Value {
        let operands: Vec<_> = inputs.iter().map(|&v| self.node(v)).collect();
        let name = name.into();
        let (shape, element) = infer(&op, &operands).unwrap_or_else(|e| {
            panic!("{name}: {op:?} of {:?}: {e}", operands.iter().map(|n| &n.shape).collect::<Vec<_>>())
        });
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), shape, element });
        Value(self.nodes.len() - 1)
    }

    /// Appends a node whose result does not follow from operands: an input, a trained tensor, a constant of another
    /// element type than float32.
    pub fn declare(&mut self, name: impl Into<String>, op: Op, shape: Shape, element: ElementType) -> Value {
        self.nodes.push(Node { name: name.into(), op, inputs: vec![], shape, element });
        Value(self.nodes.len() - 1)
    }

    /// Appends a float32 constant.
    pub fn constant(&mut self, name: impl Into<String>, tensor: Tensor) -> Value {
        self.push(name, Op::Constant(tensor), &[])
    }

    /// The values of a constant; `None` where `value` is computed.
    pub fn constant_of(&self, value: Value) -> Option<&Tensor> {
        match &self.node(value).op {
            Op::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The outermost scope.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { graph: self, path: String::new() }
    }

    /// Builds a graph anew: `rule` is given each value together with its operands in the new graph, and says which
    /// value of the new graph stands for it. What no output needs any more is left out.
    pub fn rewrite(&self, mut rule: impl FnMut(&mut Self, Value, &[Value]) -> Value) -> Self {
        let mut new = Self::default();
        let mut stands_for: Vec<Value> = Vec::with_capacity(self.nodes.len());
        for value in self.values() {
            let inputs: Vec<_> = self.node(value).inputs.iter().map(|v| stands_for[v.0]).collect();
            stands_for.push(rule(&mut new, value, &inputs));
        }
        for output in &self.outputs {
            new.output(output.name, stands_for[output.value.0]);
        }
        new.without_dead_nodes()
    }

    /// Appends a copy of `node` with other operands.
    pub fn copy(&mut self, node: &Node, inputs: &[Value]) -> Value {
        if node.is_computed() {
            return self.push(node.name.clone(), node.op.clone(), inputs);
        }
        self.declare(node.name.clone(), node.op.clone(), node.shape.clone(), node.element)
    }

    fn without_dead_nodes(self) -> Self {
        let mut live = vec![false; self.nodes.len()];
        for output in &self.outputs {
            live[output.value.0] = true;
        }
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if live[i] {
                node.inputs.iter().for_each(|&Value(operand)| live[operand] = true);
            }
        }
        let mut new_index = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (i, mut node) in self.nodes.into_iter().enumerate() {
            // The input is the caller's side of the contract: it stays even if a graph should not look at it.
            if live[i] || node.op == Op::Input {
                node.inputs.iter_mut().for_each(|v| *v = Value(new_index[v.0]));
                new_index[i] = nodes.len();
                nodes.push(node);
            }
        }
        let outputs = self.outputs.into_iter().map(|o| Output { value: Value(new_index[o.value.0]), ..o }).collect();
        Self { nodes, outputs }
    }
}

/// A place in the module tree; its path names the nodes and parameters made in it, as PyTorch names them.
pub struct Scope<'g> {
    graph: &'g mut Graph,
    path: String,
}

impl Scope<'_> {
    /// The child `name`.
    pub fn at(&mut self, name: impl Display) -> Scope<'_> {
        let path = self.join(name);
        Scope { graph: self.graph, path }
    }

    fn join(&self, name: impl Display) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    /// The graph this is a place of.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// The shape of `x`.
    pub fn shape(&self, x: Value) -> &[Dim] {
        self.graph.shape(x)
    }

    /// The number of channels of `x`, `[n, c, ...]`.
    pub fn channels(&self, x: Value) -> usize {
        self.shape(x)[1].as_fixed().expect("channels never depend on the caller")
    }

    /// A node called like this place.
    pub fn push(&mut self, op: Op, inputs: &[Value]) -> Value {
        self.graph.push(self.path.clone(), op, inputs)
    }

    /// A trained tensor `name` of this place.
    pub fn param(&mut self, name: &str, shape: &[usize]) -> Value {
        let shape = shape.iter().copied().map(Dim::fixed).collect();
        let name = self.join(name);
        self.graph.declare(name, Op::Param, shape, ElementType::Float32)
    }

    /// A constant called like this place.
    pub fn constant(&mut self, tensor: Tensor) -> Value {
        self.graph.constant(self.path.clone(), tensor)
    }

    /// A convolution to `out` channels with parameter `weight`.
    pub fn conv(&mut self, x: Value, out: usize, conv: Conv) -> Value {
        let weight = self.conv_weight(x, out, conv);
        self.push(Op::Conv(conv), &[x, weight])
    }

    /// A convolution to `out` channels with parameters `weight` and `bias`.
    pub fn conv_with_bias(&mut self, x: Value, out: usize, conv: Conv) -> Value {
        let weight = self.conv_weight(x, out, conv);
        let bias = self.param("bias", &[out]);
        self.push(Op::Conv(conv), &[x, weight, bias])
    }

    fn conv_weight(&mut self, x: Value, out: usize, conv: Conv) -> Value {
        let [kh, kw] = conv.kernel;
        let inputs_per_group = self.channels(x) / conv.groups;
        self.param("weight", &[out, inputs_per_group, kh, kw])
    }

    /// Batch normalisation with running statistics; `eps = 1e-3` as in ENet, ERFNet and LEDNet.
    pub fn batch_norm(&mut self, x: Value) -> Value {
        let c = self.channels(x);
        let [weight, bias, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|name| self.param(name, &[c]));
        self.push(Op::BatchNorm { epsilon: 1e-3 }, &[x, weight, bias, mean, variance])
    }

    /// `max(x, 0)`
    pub fn relu(&mut self, x: Value) -> Value {
        self.push(Op::Relu, &[x])
    }

    /// `a + b`
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.push(Op::Add, &[a, b])
    }

    /// Axes in another order.
    pub fn transpose(&mut self, x: Value, axes: &[usize]) -> Value {
        self.push(Op::Transpose(axes.to_vec()), &[x])
    }

    /// The same values in another shape.
    pub fn reshape(&mut self, x: Value, target: &[usize]) -> Value {
        let target = target.iter().map(|&d| if d == REST { -1 } else { d as i64 }).collect();
        self.push(Op::Reshape(target), &[x])
    }
}

/// In [`Scope::reshape`]: the extent that is left.
pub const REST: usize = usize::MAX;
