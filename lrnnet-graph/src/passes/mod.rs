//! Small rewritings of a graph, none of which changes the function. [Forms](crate::Form) are lists of them.
//!
//! Each looks for one pattern, checks that the pattern is what it takes it for, and leaves everything else alone; so
//! passes can stand in any list and any order. Outputs keep their names, shapes and element types.

mod absorb_shuffles;
mod absorb_splits;
mod basic;
mod blocked;
mod convolution;
mod fold_batch_norm;
mod half;
mod move_biases;
mod products;
mod quantize;
mod shuffle;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use half::to_half;
pub use quantize::Range;
pub(crate) use quantize::{calibration_points, to_int8};
pub(crate) use shuffle::lower_shuffles;

use crate::graph::Graph;

/// A rewriting that keeps the function.
#[derive(Clone, Copy)]
pub struct Pass {
    name: &'static str,
    run: fn(&Graph) -> Graph,
}

impl Pass {
    /// The pass that `run` does and `name` says in words.
    pub const fn new(name: &'static str, run: fn(&Graph) -> Graph) -> Self {
        Self { name, run }
    }

    /// What it does, in words.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Rewrites `graph`.
    pub fn run(&self, graph: &Graph) -> Graph {
        (self.run)(graph)
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pass").field(&self.name).finish()
    }
}

/// Batch normalisation with fixed statistics is a scale and a shift per channel, which the convolution before it can do
/// in its weight and bias.
pub const FOLD_BATCH_NORM: Pass = Pass::new("fold batch normalisation into convolutions", fold_batch_norm::run);

/// Convolutions read channels from where a shuffle would have taken them, and put them where a residual sum has them.
pub const ABSORB_SHUFFLES: Pass = Pass::new("absorb shuffles into weights", absorb_shuffles::run);

/// Convolutions read all channels, with weights of zero for those that a split or a gather would have left out.
pub const ABSORB_SPLITS: Pass = Pass::new("absorb splits into weights", absorb_splits::run);

/// Pointwise convolutions have the bias of what they alone read.
pub const MOVE_BIASES: Pass = Pass::new("move biases into pointwise convolutions", move_biases::run);

/// `(q K) V` becomes `q (K V)`.
pub const KEYS_AND_VALUES_FIRST: Pass = Pass::new("multiply keys and values first", products::keys_and_values_first);

/// Nodes that change nothing go.
pub const REMOVE_IDENTITIES: Pass = Pass::new("remove nodes that change nothing", products::remove_identities);

/// What depends on constants alone is computed now.
pub const FOLD_CONSTANTS: Pass = Pass::new("compute constants", basic::fold_constants);

/// A symmetric matrix is applied to all positions in one product without broadcasting.
pub const FLATTEN_POSITIONS: Pass = Pass::new("multiply all positions at once", basic::flatten_positions);

/// A join of parts that are no whole blocks of 16 channels becomes a sum of convolutions.
pub const WIDEN_JOINS: Pass = Pass::new("sum wide convolutions instead of joining narrow ones", blocked::widen_joins);

/// The ReLU of a join is the join of ReLUs.
pub const RELU_BEFORE_JOIN: Pass = Pass::new("apply ReLU before joining", blocked::relu_before_join);

/// A depthwise convolution of a join is the join of depthwise convolutions.
pub const DEPTHWISE_BEFORE_JOIN: Pass = Pass::new("filter channels before joining", blocked::depthwise_before_join);

/// A residual sum with a convolution of a join is a sum with one convolution for each part.
pub const SUM_PARTS: Pass = Pass::new("sum convolutions of joined parts", blocked::sum_parts);

/// Channels for convolutions are taken in the order in which they lie.
pub const GATHER_IN_ORDER: Pass = Pass::new("gather channels in their order", blocked::gather_in_order);

/// Channels that are just one part of a join are that part.
pub const TAKE_PARTS: Pass = Pass::new("take joined parts instead of channels", blocked::take_parts);

/// Blocks of 16 channels are taken by convolutions of zeros and ones.
pub const SELECT_BY_CONVOLUTION: Pass = Pass::new("select channels by convolutions", blocked::select_by_convolution);

/// Every shuffle is written as reshape, transpose, reshape, as it is whenever a file is written.
pub const LOWER_SHUFFLES: Pass = Pass::new("write shuffles as reshapes", lower_shuffles);
