//! The finished file against the plain form, both run in tract on a generated picture.
//!
//! The reference is the network node for node as the paper has it, static and in float32, fed with a picture that was
//! normalised outside of the graph. So everything an export adds is under test: the passes, float16, dynamic
//! extents, normalisation in the graph, the head, and the encoding itself, since it is the file's bytes that are run.

use std::fmt;

use image::RgbImage;
use lrnnet_graph::{
    Config, ConfigError, Form, Head, InputKind, InputSize, Model as Bound, Origin, Precision, SelfTest, Weights,
};
use lrnnet_run::engine::{self, EngineError, EngineOptions, Outputs};
use lrnnet_run::{Device, Frame, Model, ModelError as FileError, Output, Preprocessor, Size, selftest};

use crate::export::{ModelError, Plan};

/// Part of the largest logit by which the two best classes of a pixel may lie apart and still be a tie.
const TIE: f32 = 1e-4;

/// What is demanded of a file.
struct Tolerance {
    /// Largest difference of a logit, as a part of the largest logit.
    logits: f32,
    /// Least part of pixels of the same class, ties aside.
    pixels: f64,
}

impl Tolerance {
    fn of(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => Self { logits: 1e-4, pixels: 0.9999 },
            // What float16 needs; a narrower type would not pass with it.
            _ => Self { logits: 2e-2, pixels: 0.995 },
        }
    }
}

/// How well a file agrees with the plain form.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Height and width of the picture.
    pub size: Size,
    /// Largest difference of a logit.
    pub difference: f32,
    /// Largest logit of the plain form, without its sign.
    pub scale: f32,
    /// Pixels that were compared: all but those whose two best classes are as good as equal.
    pub compared: usize,
    /// Those of them with the same class.
    pub same: usize,
}

impl Agreement {
    /// Part of the compared pixels with the same class.
    pub fn pixels(&self) -> f64 {
        if self.compared == 0 { 1.0 } else { self.same as f64 / self.compared as f64 }
    }

    fn holds(&self, tolerance: &Tolerance) -> bool {
        // At 1/8 of a small size there are so few positions that one alone may be more than the part allowed.
        let allowed = ((1.0 - tolerance.pixels) * self.compared as f64).ceil() as usize;
        // A difference of NaN holds nowhere.
        self.difference <= tolerance.logits * self.scale && self.compared - self.same <= allowed
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, difference, scale, compared, .. } = self;
        // Rounded down, so that only full agreement prints as 100 %.
        let percent = (self.pixels() * 1e6).floor() / 1e4;
        write!(
            f,
            "largest logit difference {difference:.2e} at a scale of {scale:.1}, {percent:.4} % of {compared} pixels \
             agree (tract, {size})"
        )
    }
}

/// Why a file does not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It computes something else.
    #[error(
        "it does not agree with the plain form: {agreement}; expected at most {logits:e} of the scale and at least \
         {percent} %. For float16, export without --half; otherwise please report this (--no-verify writes it anyway)",
        percent = pixels * 100.0
    )]
    Disagreement {
        /// What was measured.
        agreement: Agreement,
        /// Largest difference allowed, as a part of the scale.
        logits: f32,
        /// Least part of pixels demanded.
        pixels: f64,
    },
    /// It gives another number of values than the plain form.
    #[error("it gives {found} values where the plain form gives {expected}")]
    Count {
        /// Values expected.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// tract does not run it.
    #[error("it does not run at {size}")]
    Engine {
        /// Height and width.
        size: Size,
        /// What tract says.
        source: EngineError,
    },
    /// The runtime's reader refuses it.
    #[error("the runtime does not read it")]
    File(#[from] FileError),
    /// The network cannot be built for the comparison.
    #[error("the network cannot be built for the comparison")]
    Config(#[from] ConfigError),
    /// The weights do not fit the network of the comparison.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Runs the file `bytes`, which `plan` made of `weights`, and the plain form. Besides the agreement, there is a
/// record of the class map for those who run the file elsewhere.
pub(crate) fn run(plan: &Plan, weights: Weights, bytes: &[u8]) -> Result<(Agreement, SelfTest), VerifyError> {
    let size = picture_size(&plan.config);
    let picture = selftest::picture(size);
    // Logits are compared even where the file keeps them to itself.
    let head = if plan.config.head == Head::Logits8 { Head::Logits8 } else { Head::Logits };
    let file = run_once(bytes.to_vec(), &picture, size)?;
    let classes = plan.config.classes.names.len();
    let ids = selftest::class_ids(&file, classes);
    let logits = if plan.config.head == Head::ClassMap {
        let twin = plan.model(with(&plan.config, |s| s.head = head)?, weights.clone())?;
        scores(&run_once(encode(&twin, plan), &picture, size)?)
    } else {
        scores(&file)
    };
    let plain = Plan { form: Form::PLAIN, precision: Precision::Fp32, ..plan.clone() };
    let config = with(&plan.config, |s| {
        s.head = head;
        s.input = InputKind::F32Nchw;
        s.size = InputSize::Static { batch: 1, height: size.height, width: size.width };
    })?;
    let reference = scores(&run_once(encode(&plain.model(config, weights)?, &plain), &picture, size)?);
    check_count(reference.len(), logits.len())?;
    check_count(reference.len() / classes, ids.len())?;

    let agreement = compare(&reference, &logits, &ids, size);
    let tolerance = Tolerance::of(plan.precision);
    if !agreement.holds(&tolerance) {
        return Err(VerifyError::Disagreement { agreement, logits: tolerance.logits, pixels: tolerance.pixels });
    }
    // Another engine is as far from this one as this one from the plain form, and so may be either of two classes.
    let noise = (2.0 * agreement.difference).max(TIE * agreement.scale);
    let near_ties = (0..ids.len()).filter(|&position| best_class(&logits, ids.len(), position).1 <= noise).count();
    Ok((agreement, selftest::record(size, &ids, classes, near_ties as u64)))
}

/// The size of a static graph; for a dynamic one, that of training as nearly as it can be fed.
fn picture_size(config: &Config) -> Size {
    match config.size {
        InputSize::Static { height, width, .. } => Size::new(height, width),
        InputSize::Dynamic => {
            let [height, width] = config.trained_size;
            Size::new(height, width).rounded_to(config.size_multiple())
        }
    }
}

fn with(config: &Config, change: impl FnOnce(&mut lrnnet_graph::Settings)) -> Result<Config, ConfigError> {
    let mut settings = (**config).clone();
    change(&mut settings);
    Config::new(settings)
}

fn encode(model: &Bound, plan: &Plan) -> Vec<u8> {
    model.to_onnx(plan.opset, &Origin { weights_sha256: String::new(), exporter: String::new() })
}

fn run_once(bytes: Vec<u8>, picture: &RgbImage, size: Size) -> Result<Outputs, VerifyError> {
    let model = Model::from_bytes("made for verification", bytes)?;
    let mut preprocessor = Preprocessor::new(model.input_kind(), model.metadata());
    let batch = model.fixed_batch().unwrap_or(1);
    let frame = Frame::try_from(picture).expect("the picture has pixels");
    let frames = vec![frame; batch];
    let input = preprocessor.prepare_batch(&frames, batch, size);
    let mut outputs = Outputs::default();
    let mut run = || {
        let mut opened = engine::open(&model, Device::TRACT, &EngineOptions::default(), &|_| {})?;
        opened.engine.run(&input, &mut outputs)
    };
    run().map_err(|source| VerifyError::Engine { size, source })?;
    outputs.keep_first(batch);
    Ok(outputs)
}

/// Logits at whatever size the head gives them, `[classes, h, w]`.
fn scores(outputs: &Outputs) -> Vec<f32> {
    let scores = [Output::Logits, Output::Logits8].into_iter().find_map(|output| outputs.floats(output.name()));
    scores.unwrap_or_default().to_vec()
}

fn check_count(expected: usize, found: usize) -> Result<(), VerifyError> {
    if expected == found { Ok(()) } else { Err(VerifyError::Count { expected, found }) }
}

fn compare(reference: &[f32], logits: &[f32], predicted: &[u8], size: Size) -> Agreement {
    let scale = reference.iter().fold(0f32, |scale, v| scale.max(v.abs()));
    // f32::max would drop a NaN.
    let difference = reference
        .iter()
        .zip(logits)
        .map(|(a, b)| (a - b).abs())
        .fold(0f32, |m, d| if d > m || d.is_nan() { d } else { m });
    let (mut compared, mut same) = (0, 0);
    for (pixel, class) in predicted.iter().enumerate() {
        let (best, lead) = best_class(reference, predicted.len(), pixel);
        if lead > TIE * scale {
            compared += 1;
            same += usize::from(best == *class);
        }
    }
    Agreement { size, difference, scale, compared, same }
}

/// The best class of a pixel, the first of equals, and its lead over the second best.
fn best_class(logits: &[f32], area: usize, pixel: usize) -> (u8, f32) {
    let scores = logits.iter().skip(pixel).step_by(area).copied();
    let (mut best, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (class, score) in scores.enumerate() {
        if score > first {
            (best, second, first) = (class as u8, first, score);
        } else {
            second = second.max(score);
        }
    }
    (best, first - second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(1, 4);
    // Two classes, four pixels; the third is a tie.
    const REFERENCE: [f32; 8] = [9.0, 1.0, 5.0, 2.0, 1.0, 10.0, 5.0, 3.0];

    #[test]
    fn differences_and_pixels_are_counted_without_ties() {
        let mut logits = REFERENCE;
        logits[7] = 1.0;
        let agreement = compare(&REFERENCE, &logits, &[0, 1, 0, 0], SIZE);
        assert_eq!((agreement.difference, agreement.scale), (2.0, 10.0));
        assert_eq!((agreement.compared, agreement.same), (3, 2));
        assert!(agreement.to_string().contains("66.6666 % of 3 pixels"), "{agreement}");
    }

    #[test]
    fn what_differs_does_not_pass() {
        let tolerance = Tolerance::of(Precision::Fp32);
        let measure = |logits: &[f32], predicted: &[u8]| compare(&REFERENCE, logits, predicted, SIZE);
        let same = [0, 1, 0, 1];
        assert!(measure(&REFERENCE, &same).holds(&tolerance));
        assert!(measure(&REFERENCE, &[0, 1, 1, 1]).holds(&tolerance), "a tie may fall either way");
        assert!(measure(&REFERENCE, &[1, 1, 0, 1]).holds(&tolerance), "one of three may be the one in ten thousand");
        assert!(!measure(&REFERENCE, &[1, 0, 0, 1]).holds(&tolerance), "two wrong pixels");
        for value in [f32::NAN, f32::INFINITY, 9.1] {
            let mut logits = REFERENCE;
            logits[0] = value;
            assert!(!measure(&logits, &same).holds(&tolerance), "{value}");
        }
    }

    #[test]
    fn a_file_of_other_weights_is_refused() {
        // A head that gives logits shows a small change, one that gives classes only a change of classes.
        for (head, change) in [(Head::Logits, 0.1), (Head::Logits8, 0.1), (Head::ClassMap, 1e3)] {
            let mut settings = lrnnet_graph::Settings::camvid();
            (settings.size, settings.head) = (InputSize::Static { batch: 1, height: 64, width: 128 }, head);
            let plan = Plan::new(Config::new(settings).unwrap());
            let weights = lrnnet_graph::synthetic::weights(&lrnnet_graph::Network::new(plan.config.clone()));
            let mut other = weights.clone();
            other.get_mut("classifier.predict.bias").unwrap().data_mut()[5] += change;
            let bytes_of = |weights: Weights| encode(&plan.model(plan.config.clone(), weights).unwrap(), &plan);
            let (agreement, selftest) = run(&plan, weights.clone(), &bytes_of(weights.clone())).unwrap();
            assert_eq!(agreement.size, Size::new(64, 128));
            let area: u64 = if head == Head::Logits8 { 8 * 16 } else { 64 * 128 };
            assert_eq!(selftest.class_pixels.iter().sum::<u64>(), area);
            let error = run(&plan, weights, &bytes_of(other)).unwrap_err();
            assert!(matches!(error, VerifyError::Disagreement { .. }), "{head}: {error:?}");
        }
    }
}
