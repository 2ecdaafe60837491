//! One picture through the shipped model: each stage, and all of them, on both backends of the CPU.
//!
//! Stages are timed by the segmenter itself: `pre` is resizing (and normalising where the graph does not), `infer` the
//! run of the network with its copies, `post` everything from its output to the mask at the picture's size.
#![allow(missing_docs)]

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use image::RgbImage;
use lrnnet_run::{Device, Segmenter, Timings};

/// The time of one stage.
type Stage = fn(&Timings) -> Duration;

/// A camera's picture, larger than the network's input.
fn camera_picture() -> RgbImage {
    let street = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/street.png");
    let street = lrnnet_run::picture::open(&street).unwrap();
    image::imageops::resize(&street, 1280, 720, image::imageops::FilterType::Triangle)
}

fn pipeline(c: &mut Criterion) {
    let picture = camera_picture();
    let mut group = c.benchmark_group("pipeline");
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    for device in [Device::TRACT, Device::CPU] {
        let mut segmenter = match Segmenter::builder().device(device).build() {
            Ok(segmenter) => segmenter,
            Err(error) => panic!("{device}: {error:?}\nrun `cargo run --release -p lrnnet-run -- setup`"),
        };
        let stages: [(&str, Stage); 4] = [
            ("pre", |t| t.pre),
            ("infer", |t| t.infer),
            ("post", |t| t.post),
            ("end-to-end", |t| t.pre + t.infer + t.post),
        ];
        for (stage, time) in stages {
            group.bench_function(format!("{device}/{stage}"), |b| {
                b.iter_custom(|runs| (0..runs).map(|_| time(&segmenter.segment(&picture).unwrap().timings)).sum());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
