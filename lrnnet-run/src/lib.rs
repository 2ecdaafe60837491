//! Pictures in, masks out.
