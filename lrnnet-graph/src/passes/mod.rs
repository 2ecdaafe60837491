//! From the plain form to the deploy form: small rewritings, none of which changes the function.

mod absorb_shuffles;
mod basic;
mod fold_batch_norm;
mod half;
mod products;
mod shuffle;

pub(crate) use half::to_half;
pub(crate) use shuffle::lower_shuffles;

use crate::graph::Graph;

/// A rewriting that keeps the function.
pub struct Pass {
    /// What it does, in words.
    pub name: &'static str,
    /// Does it.
    pub run: fn(&Graph) -> Graph,
}

/// What makes the deploy form of the plain one, in order.
pub const DEPLOY: [Pass; 4] = [
    Pass { name: "fold batch normalisation into convolutions", run: fold_batch_norm::run },
    Pass { name: "absorb shuffles into weights", run: absorb_shuffles::run },
    Pass { name: "multiply keys and values first", run: products::keys_and_values_first },
    Pass { name: "remove nodes that change nothing", run: products::remove_identities },
];

/// What makes the basic form of the plain one, in order.
pub const BASIC: [Pass; 5] = [
    Pass { name: "fold batch normalisation into convolutions", run: fold_batch_norm::run },
    Pass { name: "multiply keys and values first", run: products::keys_and_values_first },
    Pass { name: "compute constants", run: basic::fold_constants },
    Pass { name: "multiply all positions at once", run: basic::flatten_positions },
    Pass { name: "remove nodes that change nothing", run: products::remove_identities },
];
