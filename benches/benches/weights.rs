//! The bounded readers, from file to float32 tensors.
#![allow(missing_docs)]

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use lrnnet_export::weights::read_weights;

fn weights(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // The shipped model's 2.7 MB, and a file of torch.save that is small enough to time the reader and not the disk.
    for (name, path) in [("safetensors", "models/lrnnet-c-camvid.safetensors"), ("pth", "fixtures/pth/state_dict.pth")]
    {
        let path = root.join(path);
        c.bench_function(&format!("weights/{name}"), |b| b.iter(|| read_weights(&path).unwrap()));
    }
}

criterion_group!(benches, weights);
criterion_main!(benches);
