//! From the plain form to the deploy form: small rewritings, none of which changes the function.

mod absorb_shuffles;
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
