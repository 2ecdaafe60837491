//! Two models on one picture, counted here a second time.
#![allow(missing_docs)]

use image::Rgb;
use lrnnet_graph::onnx::Opset;
use lrnnet_graph::{Config, Form, Head, InputSize, Network, Origin, Settings, synthetic};
use lrnnet_run::compare::Comparison;
use lrnnet_run::{Device, Segmenter, Size, selftest};

const SIZE: Size = Size::new(64, 128);
const TIE: f32 = 0.02;
/// So much that some pixels change which are no near ties.
const BIAS: f32 = 20.0;

/// A model of synthetic weights whose classifier prefers class 10 by `bias` more than they say.
fn segmenter(bias: f32) -> Segmenter {
    let size = InputSize::Static { batch: 1, height: SIZE.height, width: SIZE.width };
    let network = Network::new(Config::new(Settings { size, head: Head::Logits, ..Settings::camvid() }).unwrap());
    let mut weights = synthetic::weights(&network);
    weights.get_mut("classifier.predict.bias").unwrap().data_mut()[10] += bias;
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    let bytes = network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap().to_onnx(Opset::default(), &origin);
    Segmenter::builder().model_bytes(bytes).device(Device::TRACT).build().unwrap()
}

#[test]
fn differing_pixels_and_near_ties_are_counted_and_drawn() {
    let picture = selftest::picture(SIZE);
    let (mut candidate, mut reference) = (segmenter(BIAS), segmenter(0.0));
    let mut comparison = Comparison::new(11, TIE);
    let drawn = comparison.add(&picture, &mut candidate, &mut reference).unwrap();

    let masks = [&mut candidate, &mut reference].map(|s| s.segment(&picture).unwrap().mask.into_raw());
    let logits = reference.logits(0).unwrap().values;
    let scale = logits.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let is_tie = |pixel: usize| {
        let mut scores: Vec<f32> = logits.iter().skip(pixel).step_by(SIZE.area()).copied().collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores[0] - scores[1] <= TIE * scale
    };
    let differing: Vec<usize> = (0..SIZE.area()).filter(|&pixel| masks[0][pixel] != masks[1][pixel]).collect();
    let ties = differing.iter().filter(|&&pixel| is_tie(pixel)).count();
    assert!(ties > 0 && ties < differing.len(), "{ties} of {} are near ties; expected some", differing.len());

    assert_eq!((comparison.pixels(), comparison.differing()), (SIZE.area() as u64, differing.len() as u64));
    assert_eq!(comparison.near_ties, Some(ties as u64));
    assert_eq!(comparison.agreement(), 1.0 - differing.len() as f64 / SIZE.area() as f64);
    let difference = comparison.logits.unwrap();
    assert!((difference.largest - BIAS).abs() < 1e-3 && difference.scale == scale, "{difference:?}");
    let painted = |color| drawn.pixels().filter(|pixel| **pixel == Rgb(color)).count();
    assert_eq!((painted([255, 220, 0]), painted([255, 40, 40])), (ties, differing.len() - ties));

    // A second picture adds to the first.
    comparison.add(&picture, &mut candidate, &mut reference).unwrap();
    assert_eq!((comparison.pixels(), comparison.near_ties), (2 * SIZE.area() as u64, Some(2 * ties as u64)));
    assert!(comparison.passes(0.5) && !comparison.passes(1.0));
}
