//! Which values become bytes, which of them share a scale, and whose ranges have to be known for that.

use std::collections::BTreeMap;

use super::picture::Picture;
use super::scale::{Range, Scale};
use crate::graph::{Arithmetic, Graph, Op, Value};

/// What becomes of each value of a graph.
pub struct Plan<'g> {
    graph: &'g Graph,
    /// The picture, where the graph takes it in as this crate writes it.
    pub picture: Option<Picture>,
    /// Which values read each value.
    readers: Vec<Vec<Value>>,
    roles: Vec<Role>,
    /// The first value that has the same scale.
    scale_of: Vec<Value>,
}

/// What becomes of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Role {
    /// It is computed of bytes, as far as the runtime can.
    of_bytes: bool,
    /// It becomes bytes.
    bytes: bool,
    /// Only what is above zero is read of it.
    clipped: bool,
}

impl<'g> Plan<'g> {
    /// Plans for `graph`.
    pub fn of(graph: &'g Graph) -> Self {
        let mut readers = vec![vec![]; graph.nodes().len()];
        for value in graph.values() {
            graph.node(value).inputs.iter().for_each(|operand| readers[operand.index()].push(value));
        }
        let roles = vec![Role::default(); readers.len()];
        let scale_of = graph.values().collect();
        let mut plan = Self { graph, picture: Picture::of(graph, &readers), readers, roles, scale_of };
        graph.values().for_each(|value| plan.assign(value));
        graph.values().for_each(|value| plan.read(value));
        graph.values().collect::<Vec<_>>().into_iter().rev().for_each(|value| plan.clip(value));
        graph.values().for_each(|value| plan.join(value));
        plan
    }

    /// Whether `value` becomes bytes.
    pub fn is_bytes(&self, value: Value) -> bool {
        self.role(value).bytes
    }

    /// Whether `value` is the result of a convolution whose weights become integers.
    pub fn is_integer_conv(&self, value: Value) -> bool {
        let node = self.graph.node(value);
        let Op::Conv(_) = node.op else { return false };
        let constants = node.inputs[1..].iter().all(|&operand| self.graph.constant_of(operand).is_some());
        // The last layer's result, and the context module's, are read by what needs floats.
        let read = !self.graph.is_output(value) && self.readers(value).iter().all(|&reader| self.is_capable(reader));
        constants && read && self.is_capable(value) && self.is_capable(node.inputs[0])
    }

    /// Whether only what is above zero is read of `value`.
    pub fn is_clipped(&self, value: Value) -> bool {
        self.role(value).clipped
    }

    /// Whether `value` is the picture that the graph is given in bytes, or a part of it.
    pub fn is_of_picture(&self, value: Value) -> bool {
        self.picture.as_ref().is_some_and(|picture| self.scale_of(value) == self.scale_of(picture.value))
    }

    /// Whether `value` is bytes because its operands are, and the same.
    pub fn is_moved(&self, value: Value) -> bool {
        self.role(value).of_bytes && moves(&self.graph.node(value).op)
    }

    /// The values whose ranges have to be known.
    pub fn points(&self) -> impl Iterator<Item = Value> {
        self.graph.values().filter(|&value| {
            let role = self.role(value);
            role.bytes && !role.clipped && !self.is_of_picture(value) && !self.is_moved(value)
        })
    }

    /// The scale of each group of values, by the first of the group. `range` gives those of [`Self::points`].
    pub fn scales(&self, range: impl Fn(Value) -> Range) -> BTreeMap<Value, Scale> {
        let mut ranges: BTreeMap<Value, Range> = BTreeMap::new();
        for point in self.points() {
            let found = range(point);
            let joined = ranges.entry(self.scale_of(point)).or_insert(found);
            *joined = [joined[0].min(found[0]), joined[1].max(found[1])];
        }
        let mut scales: BTreeMap<_, _> = ranges.into_iter().map(|(first, range)| (first, Scale::of(range))).collect();
        scales.extend(self.picture.as_ref().map(|picture| (self.scale_of(picture.value), picture.scale)));
        scales
    }

    /// The first value that has the scale of `value`.
    pub fn scale_of(&self, value: Value) -> Value {
        let parent = self.scale_of[value.index()];
        if parent == value { value } else { self.scale_of(parent) }
    }

    fn role(&self, value: Value) -> Role {
        self.roles[value.index()]
    }

    fn readers(&self, value: Value) -> &[Value] {
        &self.readers[value.index()]
    }

    fn is_picture(&self, value: Value) -> bool {
        self.picture.as_ref().is_some_and(|picture| picture.value == value)
    }

    /// Whether there are integer kernels for the operator, or its result comes from outside, and nobody asks for floats.
    fn is_capable(&self, value: Value) -> bool {
        let node = self.graph.node(value);
        let sum = node.op == Op::Add && node.inputs.iter().all(|&operand| self.graph.node(operand).is_computed());
        let op = matches!(node.op, Op::Input | Op::Conv(_) | Op::Relu) || sum || moves(&node.op);
        self.is_picture(value) || (op && node.arithmetic == Arithmetic::AsModel)
    }

    /// Says whether `value` is computed of bytes, after all of its operands.
    fn assign(&mut self, value: Value) {
        let node = self.graph.node(value);
        let of_bytes = |operand: &Value| self.role(*operand).of_bytes;
        let of_bytes = match node.op {
            Op::Input => self.feeds_integers(value),
            Op::Conv(_) => self.is_integer_conv(value),
            // What is added to bytes becomes bytes.
            Op::Add => self.is_capable(value) && node.inputs.iter().any(of_bytes),
            _ => node.is_computed() && self.is_capable(value) && node.inputs.iter().all(of_bytes),
        };
        self.roles[value.index()].of_bytes = of_bytes || self.is_picture(value);
    }

    /// Says whether `value` becomes bytes, because it is computed of bytes or because integers are computed of it.
    fn read(&mut self, value: Value) {
        let is_sum = |reader: Value| self.graph.node(reader).op == Op::Add && !self.is_picture(reader);
        let added = |&reader: &Value| is_sum(reader) && self.role(reader).of_bytes;
        let bytes = self.role(value).of_bytes || self.feeds_integers(value) || self.readers(value).iter().any(added);
        self.roles[value.index()].bytes = bytes;
    }

    /// Whether a convolution of integers reads `value`.
    fn feeds_integers(&self, value: Value) -> bool {
        let reads = |&reader: &Value| self.is_integer_conv(reader) && self.graph.node(reader).inputs[0] == value;
        self.readers(value).iter().any(reads)
    }

    /// Says whether only what is above zero is read of `value`, after all of its readers.
    fn clip(&mut self, value: Value) {
        let clips = |&reader: &Value| match self.graph.node(reader).op {
            Op::Relu => true,
            Op::Concat(_) => self.role(reader).clipped,
            _ => false,
        };
        let readers = self.readers(value);
        let clipped = !readers.is_empty() && !self.graph.is_output(value) && readers.iter().all(clips);
        self.roles[value.index()].clipped = clipped && self.role(value).of_bytes;
    }

    /// Gives `value` the scale of its operands, where its bytes are theirs.
    fn join(&mut self, value: Value) {
        let node = self.graph.node(value);
        let same = match node.op {
            Op::Relu => self.is_clipped(node.inputs[0]),
            _ => self.is_moved(value),
        };
        if !(same && self.role(value).of_bytes) {
            return;
        }
        for &operand in &node.inputs {
            let (a, b) = (self.scale_of(operand), self.scale_of(value));
            self.scale_of[a.max(b).index()] = a.min(b);
        }
    }
}

/// Whether an operator only moves values, which bytes can be as well.
fn moves(op: &Op) -> bool {
    matches!(op, Op::MaxPool | Op::Concat(1) | Op::Channels { .. } | Op::GatherChannels(_) | Op::Shuffle)
}
