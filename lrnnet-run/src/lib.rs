//! Pictures in, masks out.

pub mod atomic;
