//! Places in the module tree, in which a network is written down.

use std::fmt::Display;

use super::{Arithmetic, Conv, Dim, Extent, Graph, Op, Role, Value};
use crate::tensor::Tensor;

/// A place in the module tree; its path names the nodes and parameters made in it, as PyTorch names them.
pub struct Scope<'g> {
    graph: &'g mut Graph,
    path: String,
    arithmetic: Arithmetic,
}

impl Graph {
    /// The outermost place.
    pub(crate) fn root(&mut self) -> Scope<'_> {
        Scope { graph: self, path: String::new(), arithmetic: Arithmetic::default() }
    }
}

impl Scope<'_> {
    /// The child `name`.
    pub fn at(&mut self, name: impl Display) -> Scope<'_> {
        let path = self.join(name);
        Scope { graph: self.graph, path, arithmetic: self.arithmetic }
    }

    /// The same place, all of whose nodes are computed in float32 whatever the model's precision.
    pub fn in_float32(&mut self) -> Scope<'_> {
        Scope { graph: self.graph, path: self.path.clone(), arithmetic: Arithmetic::Float32 }
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
        self.graph.push_with(self.arithmetic, self.path.clone(), op, inputs)
    }

    /// A trained tensor `name` of this place.
    pub fn param(&mut self, name: &str, role: Role, shape: &[usize]) -> Value {
        let name = self.join(name);
        self.graph.param(name, role, shape)
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
        let bias = self.param("bias", Role::Bias, &[out]);
        self.push(Op::Conv(conv), &[x, weight, bias])
    }

    fn conv_weight(&mut self, x: Value, out: usize, conv: Conv) -> Value {
        let [kh, kw] = conv.kernel;
        let inputs_per_group = self.channels(x) / conv.groups;
        self.param("weight", Role::Weight, &[out, inputs_per_group, kh, kw])
    }

    /// Batch normalisation with running statistics; `eps = 1e-3` as in ENet, ERFNet and LEDNet.
    pub fn batch_norm(&mut self, x: Value) -> Value {
        let c = self.channels(x);
        let params = [
            ("weight", Role::Scale),
            ("bias", Role::Shift),
            ("running_mean", Role::Mean),
            ("running_var", Role::Variance),
        ];
        let [weight, bias, mean, variance] = params.map(|(name, role)| self.param(name, role, &[c]));
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
    pub fn reshape(&mut self, x: Value, target: &[Extent]) -> Value {
        self.push(Op::Reshape(target.to_vec()), &[x])
    }
}
