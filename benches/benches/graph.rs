//! What an export does in memory: build the graph, bind weights, rewrite for deployment, encode.
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::{Config, Form, Network, Origin, Settings, synthetic};

fn graph(c: &mut Criterion) {
    let config = Config::new(Settings::cityscapes()).unwrap();
    let network = Network::new(config.clone());
    let weights = synthetic::weights(&network);
    let plain = network.clone().bind(weights.clone()).unwrap();
    let deploy = plain.rewrite(Form::DEPLOY).unwrap();
    let origin = Origin { weights_sha256: String::new(), exporter: "bench".into() };
    let bytes = deploy.to_onnx(Opset::default(), &origin);

    c.bench_function("graph/build", |b| b.iter(|| Network::new(config.clone())));
    c.bench_function("graph/bind", |b| b.iter(|| network.clone().bind(weights.clone())));
    c.bench_function("graph/deploy", |b| b.iter(|| plain.rewrite(Form::DEPLOY).unwrap()));
    c.bench_function("graph/encode", |b| b.iter(|| deploy.to_onnx(Opset::default(), &origin)));
    c.bench_function("graph/parse", |b| b.iter(|| ModelFile::parse(&bytes)));
}

criterion_group!(benches, graph);
criterion_main!(benches);
