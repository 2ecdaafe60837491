//! LRNNet for C: RGB bytes in, class ids out. `include/lrnnet.h`, which cbindgen makes of `api.rs`, is the documentation.
//!
//! Nothing is computed here. `api` turns C's arguments into Rust's, which is the only place with `unsafe`; `handle` calls
//! [`lrnnet_run`] and keeps what is told about the last call, so that no error and no panic crosses the border.

mod api;
mod handle;

pub use api::*;
pub use handle::{LrnnetSegmenter, LrnnetStatus};
