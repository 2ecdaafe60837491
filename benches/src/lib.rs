//! Criterion benchmarks of every stage from graph to mask: `cargo bench -p lrnnet-benches`.
//!
//! `graph` times what an export does in memory, `weights` the bounded readers, `pipeline` the stages of one picture
//! and the whole of them on each backend. `gpu.sh` is the comparison on a machine with a GPU.
