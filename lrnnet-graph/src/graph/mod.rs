//! A graph is a list of nodes in evaluation order.
//!
//! A [`Value`] can only be obtained by pushing the node that makes it, so a graph holds neither a cycle nor a
//! dangling edge and never needs sorting. Weights and constants are nodes like any other, which is what keeps the
//! passes short: folding a weight is replacing a node.

mod dim;
mod element;
mod infer;
mod op;
mod scope;

pub use dim::{Dim, Shape};
pub use element::ElementType;
pub(crate) use infer::infer;
pub use op::{Arithmetic, Conv, Extent, Op, Role};
pub(crate) use scope::Scope;

use crate::tensor::{Constant, Tensor};

/// The result of one node. It belongs to the graph that it was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

impl Value {
    /// Position in the order of evaluation.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// One operation, its operands, and what is known of its result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// Name, by which people and [`Model::with_outputs`](crate::Model::with_outputs) know the result; the module path
    /// for what the contract of names knows.
    pub name: String,
    /// Operation.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<Value>,
    /// Shape of the result.
    pub shape: Shape,
    /// Element type of the result.
    pub element: ElementType,
    /// Element type of the computation.
    pub arithmetic: Arithmetic,
}

impl Node {
    /// Whether the node is computed, rather than given before the graph runs.
    pub fn is_computed(&self) -> bool {
        !matches!(self.op, Op::Input | Op::Param(_) | Op::Constant(_))
    }
}

/// Nodes in evaluation order, and which of them are outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<Output>,
}

/// A value that the caller of the graph gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What the caller asks for.
    pub name: String,
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
    pub fn output(&mut self, name: impl Into<String>, value: Value) {
        self.outputs.push(Output { name: name.into(), value });
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
        self.push_with(Arithmetic::default(), name.into(), op, inputs)
    }

    /// Appends a node that computes as `node` does, which may be another graph's, and has its name followed by
    /// `.suffix`: a part of what stands for `node`.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), if the operands do not fit.
    pub fn push_beside(&mut self, node: &Node, suffix: &str, op: Op, inputs: &[Value]) -> Value {
        self.push_with(node.arithmetic, format!("{}.{suffix}", node.name), op, inputs)
    }

    /// Appends a node that stands for `node`, which may be another graph's: it computes in the same type and has the
    /// same name.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), if the operands do not fit.
    pub fn push_for(&mut self, node: &Node, op: Op, inputs: &[Value]) -> Value {
        self.push_with(node.arithmetic, node.name.clone(), op, inputs)
    }

    fn push_with(&mut self, arithmetic: Arithmetic, name: String, op: Op, inputs: &[Value]) -> Value {
        let operands: Vec<_> = inputs.iter().map(|&v| self.node(v)).collect();
        let (shape, element) = infer(&op, &operands).unwrap_or_else(|e| {
            panic!("{name}: {op:?} of {:?}: {e}", operands.iter().map(|n| &n.shape).collect::<Vec<_>>())
        });
        self.append(Node { name, op, inputs: inputs.to_vec(), shape, element, arithmetic })
    }

    /// Appends an input, whose values the caller gives at every run.
    pub fn input(&mut self, name: impl Into<String>, shape: Shape, element: ElementType) -> Value {
        self.declare(name.into(), Op::Input, shape, element)
    }

    /// Appends a trained tensor, whose values are to be bound.
    pub fn param(&mut self, name: impl Into<String>, role: Role, shape: &[usize]) -> Value {
        let shape = shape.iter().copied().map(Dim::fixed).collect();
        self.declare(name.into(), Op::Param(role), shape, ElementType::Float32)
    }

    fn declare(&mut self, name: String, op: Op, shape: Shape, element: ElementType) -> Value {
        self.append(Node { name, op, inputs: vec![], shape, element, arithmetic: Arithmetic::default() })
    }

    /// Appends a constant.
    pub fn constant(&mut self, name: impl Into<String>, values: impl Into<Constant>) -> Value {
        self.push(name, Op::Constant(values.into()), &[])
    }

    /// The values of a float32 constant; `None` where `value` is computed or of another type.
    pub fn constant_of(&self, value: Value) -> Option<&Tensor> {
        match &self.node(value).op {
            Op::Constant(Constant::Float32(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// Appends a copy of `node`, which may be another graph's, with other operands.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), if the operands do not fit.
    pub fn copy(&mut self, node: &Node, inputs: &[Value]) -> Value {
        if node.is_computed() { self.push_for(node, node.op.clone(), inputs) } else { self.append(node.clone()) }
    }

    fn append(&mut self, node: Node) -> Value {
        self.nodes.push(node);
        Value(self.nodes.len() - 1)
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
            new.output(&output.name, stands_for[output.value.0]);
        }
        new.without_dead_nodes()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(graph: &mut Graph) -> Value {
        graph.input("image", [1, 2, 4, 4].map(Dim::fixed).to_vec(), ElementType::Float32)
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.nodes().iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn rewriting_leaves_out_what_no_output_needs_but_never_the_input() {
        let mut graph = Graph::default();
        picture(&mut graph);
        let a = graph.constant("a", Tensor::from_fn([1], |_| 1.0));
        let b = graph.constant("b", Tensor::from_fn([1], |_| 2.0));
        graph.push("dead", Op::Relu, &[a]);
        let sum = graph.push("sum", Op::Add, &[b, b]);
        graph.output("out", sum);
        let same = graph.rewrite(|new, value, inputs| new.copy(graph.node(value), inputs));
        assert_eq!(names(&same), ["image", "b", "sum"]);
        let [output] = same.outputs() else { panic!("{same:?}") };
        assert_eq!((output.name.as_str(), &same.node(output.value).name), ("out", &"sum".to_owned()));
        assert_eq!(same.node(output.value).inputs, [Value(1), Value(1)]);
    }

    #[test]
    fn nodes_that_stand_for_others_keep_name_and_arithmetic() {
        let mut graph = Graph::default();
        let x = picture(&mut graph);
        let exact = graph.push_with(Arithmetic::Float32, "exact".into(), Op::Relu, &[x]);
        let exact = graph.node(exact).clone();
        let beside = graph.push_beside(&exact, "part", Op::Sqrt, &[x]);
        let instead = graph.push_for(&exact, Op::Sqrt, &[beside]);
        let copy = graph.copy(&exact, &[instead]);
        let free = graph.push("free", Op::Relu, &[copy]);
        let found = [beside, instead, copy, free].map(|v| (graph.node(v).name.as_str(), graph.node(v).arithmetic));
        let exact = Arithmetic::Float32;
        assert_eq!(found, [("exact.part", exact), ("exact", exact), ("exact", exact), ("free", Arithmetic::AsModel)]);
        assert_eq!(graph.node(copy).inputs, [instead]);
    }

    #[test]
    fn only_float32_constants_have_float32_values() {
        let mut graph = Graph::default();
        let x = picture(&mut graph);
        let floats = graph.constant("floats", Tensor::from_fn([2], |i| i as f32));
        let bytes = graph.constant("bytes", Tensor::from_fn([2], |i| i as i8));
        assert_eq!(graph.constant_of(floats), Some(&Tensor::from_fn([2], |i| i as f32)));
        assert_eq!((graph.constant_of(bytes), graph.constant_of(x)), (None, None));
        let typed = [x, floats, bytes].map(|v| (graph.node(v).element, graph.node(v).is_computed()));
        assert_eq!(typed, [(ElementType::Float32, false), (ElementType::Float32, false), (ElementType::Int8, false)]);
    }
}
