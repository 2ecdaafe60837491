//! In which way a graph is none that this crate writes.

use super::opset::Opset;
use super::proto::AttributeProto;

/// A graph that [`Model::to_onnx`](crate::Model::to_onnx) cannot have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Another set of operators, or more than one.
    #[error(
        "the file asks for the operator sets {0:?}; expected one, ONNX's own of version {min} to {max}",
        min = Opset::MIN, max = Opset::MAX
    )]
    Opsets(Vec<i64>),
    /// A version of the file format that does not go with the operators.
    #[error("the file is of ONNX format {found:?}; expected {expected}, which goes with its operators")]
    Format {
        /// The file's.
        found: Option<i64>,
        /// What is written with its operators.
        expected: i64,
    },
    /// More nodes or constants than any model has.
    #[error("the graph has {found} {what}; expected at most {max}")]
    TooMany {
        /// Nodes or constants.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A name that is missing, too long, or stands for two values.
    #[error("the name {0:?} is missing, longer than any of an LRNNet, or stands for two values")]
    Name(String),
    /// A constant whose bytes are not what its type and shape say, or that is no number.
    #[error("constant `{name}` {problem}")]
    Constant {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: ConstantProblem,
    },
    /// The input's or an output's shape or type.
    #[error("`{0}` has a shape or type that the graph does not give it")]
    Port(String),
    /// A value whose type is not stated, or not as the operators make it.
    #[error("the type that the file states of `{0}` is not the one that its operator makes")]
    Stated(String),
    /// A node.
    #[error("node `{node}` ({operator}) is none that lrnnet-export writes")]
    Node {
        /// Its name, or its result's where it has none.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        #[source]
        problem: NodeProblem,
    },
}

/// What is wrong with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstantProblem {
    /// A type that no model has.
    #[error("is of a type that no LRNNet has")]
    Type,
    /// Too many axes or values, or a negative extent.
    #[error("has a shape that no LRNNet has")]
    Shape,
    /// More or fewer bytes than that.
    #[error("has more or fewer bytes than its shape and type say")]
    Bytes,
    /// NaN or infinite.
    #[error("holds NaN or infinity")]
    NotFinite,
}

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeProblem {
    /// An operator that no model has.
    #[error("no LRNNet has this operator")]
    Operator,
    /// Operands.
    #[error("{0} operands")]
    OperandCount(usize),
    /// An operand that nothing before makes.
    #[error("its operand `{0}` is made by nothing before it")]
    Unknown(String),
    /// No result or more than one.
    #[error("{0} results; expected one")]
    Results(usize),
    /// An attribute that is missing.
    #[error("the attribute `{0}` is missing")]
    NoAttribute(String),
    /// An attribute that is not written, stands elsewhere, or has another value.
    #[error("the attribute `{0}` is not written for it, not there, or not with this value")]
    Attribute(String),
    /// An operand that must be a certain constant.
    #[error("its operand `{0}` is not the constant that belongs there")]
    Constant(String),
    /// Operands that do not fit each other.
    #[error("its operands do not fit: {0}")]
    Shape(String),
    /// A result larger than any of this network.
    #[error("its result is larger than any of an LRNNet")]
    TooLarge,
}

impl NodeProblem {
    pub(super) fn attribute(found: &AttributeProto) -> Self {
        Self::Attribute(found.name().chars().take(60).collect())
    }
}
