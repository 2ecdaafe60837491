//! Files from people who mean harm, or from disks that fail: what every reader of this project makes of them.
#![allow(missing_docs)]

mod attacks;
#[allow(dead_code, reason = "weights.rs makes more kinds")]
#[path = "../files/mod.rs"]
mod files;
mod flips;
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
mod mutations;
mod parameters;
mod seeds;
#[path = "../../../fuzz/src/targets.rs"]
mod targets;

/// What the targets read with.
mod readers {
    pub use lrnnet_export::classes_from_bytes;
    pub use lrnnet_export::weights::weights_from_bytes;
}
