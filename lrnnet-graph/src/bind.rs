//! Weights into a network: all of them and no others, or a list of everything that does not fit.

use std::fmt;

use crate::error_kind::ErrorKind;
use crate::graph::{Graph, Node, Op, Role};
use crate::tensor::{Tensor, Weights};

/// A trained tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Param<'n> {
    /// Name by the contract of names.
    pub name: &'n str,
    /// What it is to the network.
    pub role: Role,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
}

impl<'n> Param<'n> {
    pub(crate) fn of(node: &'n Node) -> Option<Self> {
        let Op::Param(role) = node.op else { return None };
        let shape = node.shape.iter().map(|d| d.as_fixed().expect("parameters are declared with numbers")).collect();
        Some(Self { name: &node.name, role, shape })
    }
}

/// `graph` with constants in place of its parameters.
pub(crate) fn bind(graph: &Graph, mut weights: Weights) -> Result<Graph, BindError> {
    let mut problems = Vec::new();
    let bound = graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let Some(param) = Param::of(node) else { return new.copy(node, inputs) };
        match weights.remove(param.name) {
            Some(tensor) if tensor.shape() == param.shape => {
                problems.extend(bad_value(&param, &tensor));
                new.constant(param.name, tensor)
            }
            found => {
                problems.push(Problem::of_shape(&param, found));
                new.copy(node, inputs)
            }
        }
    });
    let unexpected = weights.into_iter().map(|(name, t)| Problem::Unexpected { name, shape: t.shape().to_vec() });
    problems.extend(unexpected);
    if problems.is_empty() { Ok(bound) } else { Err(BindError { problems }) }
}

/// The first value that no trained network holds.
fn bad_value(param: &Param<'_>, tensor: &Tensor) -> Option<Problem> {
    let bad = |v: f32| !v.is_finite() || (param.role == Role::Variance && v < 0.0);
    let index = tensor.data().iter().position(|&v| bad(v))?;
    Some(Problem::Value { name: param.name.to_owned(), index, value: tensor.data()[index] })
}

/// One way in which weights do not fit a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A tensor the network needs and the weights lack.
    #[error("`{name}` {expected:?} is missing")]
    Missing {
        /// Name.
        name: String,
        /// Shape the network needs.
        expected: Vec<usize>,
    },
    /// A tensor of another shape than the network's.
    #[error("`{name}` has shape {found:?}, the network needs {expected:?}")]
    Shape {
        /// Name.
        name: String,
        /// Shape the network needs.
        expected: Vec<usize>,
        /// Shape in the weights.
        found: Vec<usize>,
    },
    /// A tensor the network has no place for.
    #[error("`{name}` {shape:?} is not a tensor of this network")]
    Unexpected {
        /// Name.
        name: String,
        /// Shape in the weights.
        shape: Vec<usize>,
    },
    /// NaN, an infinity, or a negative variance.
    #[error("`{name}` holds {value} at index {index}")]
    Value {
        /// Name.
        name: String,
        /// Flat row-major index of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
}

impl Problem {
    fn of_shape(param: &Param<'_>, found: Option<Tensor>) -> Self {
        let (name, expected) = (param.name.to_owned(), param.shape.clone());
        match found {
            Some(found) => Self::Shape { name, expected, found: found.shape().to_vec() },
            None => Self::Missing { name, expected },
        }
    }
}

/// Weights do not fit a network.
#[derive(Clone, Debug, PartialEq)]
pub struct BindError {
    problems: Vec<Problem>,
}

impl BindError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Weights
    }

    /// Everything that does not fit; at least one entry.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for BindError {}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        write!(f, "the weights do not fit the network in {} places:", self.problems.len())?;
        for problem in self.problems.iter().take(SHOWN) {
            write!(f, "\n  {problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
