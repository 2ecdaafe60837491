//! The finished file against the plain form, both run in tract on a generated picture.
//!
//! The reference is the network node for node as the paper has it, static and in float32, fed with a picture that was
//! normalised outside of the graph. So everything an export adds is under test: the passes, float16, dynamic
//! extents, normalisation in the graph, the head, and the encoding itself, since it is the file's bytes that are run.

use std::fmt;

use image::RgbImage;
use lrnnet_graph::{
    Config, ConfigError, Form, Head, InputKind, InputSize, Model as Bound, Origin, Precision, SelfTestRecord, Weights,
};
use lrnnet_run::engine::{self, EngineError, EngineOptions, Outputs};
use lrnnet_run::scores::{Agreement, Difference, Lead};
use lrnnet_run::tolerance::{NEAR_TIE, Tolerance};
use lrnnet_run::{Device, Frame, Model, ModelError as FileError, Preprocessor, Size, selftest};

use crate::ErrorKind;
use crate::export::{ModelError, Plan};

/// How well a file agrees with the plain form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verification {
    /// Height and width of the picture.
    pub size: Size,
    /// How far the logits lie apart.
    pub logits: Difference,
    /// How many class ids agree where one leads in the plain form.
    pub classes: Agreement,
}

impl Verification {
    fn holds(&self, tolerance: Tolerance) -> bool {
        self.logits.within(tolerance.logits) && self.classes.within(tolerance)
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, logits: Difference { largest, scale }, classes } = self;
        // Rounded down, so that only full agreement prints as 100 %.
        let percent = (classes.part() * 1e6).floor() / 1e4;
        write!(
            f,
            "largest logit difference {largest:.2e} at a scale of {scale:.1}, {percent:.4} % of {} pixels agree (tract, \
             {size})",
            classes.compared
        )
    }
}

/// Why a file does not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It computes something else.
    #[error(
        "it does not agree with the plain form: {found}; expected at most {:e} of the scale and at least {} %",
        expected.logits, 100.0 * expected.pixels
    )]
    Disagreement {
        /// What was measured.
        found: Verification,
        /// What is demanded.
        expected: Tolerance,
        /// Element type of the file.
        precision: Precision,
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

impl VerifyError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Disagreement { .. } | Self::Count { .. } | Self::File(_) => ErrorKind::Verification,
            Self::Engine { .. } => ErrorKind::Run,
            Self::Config(_) => ErrorKind::Argument,
            Self::Model(error) => error.kind(),
        }
    }
}

/// Runs the file `bytes`, which `plan` made of `weights`, and the plain form. Besides the agreement, there is a
/// record of the class map for those who run the file elsewhere, where that proves anything.
pub(crate) fn run(
    plan: &Plan,
    weights: Weights,
    bytes: &[u8],
) -> Result<(Verification, Option<SelfTestRecord>), VerifyError> {
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

    let expected = Tolerance::of(plan.precision);
    let found = compare(&reference, &logits, &ids, size, expected.tie);
    if !found.holds(expected) {
        return Err(VerifyError::Disagreement { found, expected, precision: plan.precision });
    }
    let near = near_tie(plan.precision, &found.logits);
    Ok((found, selftest::record(size, &ids, &leads(&logits, ids.len()), near)))
}

/// The lead below which another engine may give another class: some times the error of the file, or what engines differ by
/// where there is next to none.
///
/// It is as far from this engine as this one from the plain form, and so may be either of two classes. In int8 most of the
/// error is that of weights, which are the same everywhere: ONNX Runtime and OpenVINO changed no class that led by more than
/// 1.03 times the error in three sizes.
fn near_tie(precision: Precision, found: &Difference) -> f32 {
    let times = if precision == Precision::Int8 { 1.5 } else { 2.0 };
    (times * found.largest).max(NEAR_TIE * found.scale)
}

/// The size of a static graph; for a dynamic one, that of training as nearly as it can be fed.
pub(crate) fn picture_size(config: &Config) -> Size {
    match config.size {
        InputSize::Static { height, width, .. } | InputSize::FreeBatch { height, width } => Size::new(height, width),
        InputSize::Dynamic => {
            let [height, width] = config.trained_size;
            Size::new(height, width).rounded_to(config.size_multiple())
        }
    }
}

pub(crate) fn with(config: &Config, change: impl FnOnce(&mut lrnnet_graph::Settings)) -> Result<Config, ConfigError> {
    let mut settings = (**config).clone();
    change(&mut settings);
    Config::new(settings)
}

pub(crate) fn encode(model: &Bound, plan: &Plan) -> Vec<u8> {
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
    outputs.logits().unwrap_or_default().to_vec()
}

fn check_count(expected: usize, found: usize) -> Result<(), VerifyError> {
    if expected == found { Ok(()) } else { Err(VerifyError::Count { expected, found }) }
}

fn compare(reference: &[f32], logits: &[f32], ids: &[u8], size: Size, tie: f32) -> Verification {
    let difference = Difference::of(logits, reference);
    let leads = leads(reference, ids.len());
    let expected: Vec<u8> = leads.iter().map(|lead| lead.class).collect();
    let classes = Agreement::of(ids, &expected, &leads, tie * difference.scale);
    Verification { size, logits: difference, classes }
}

/// The lead at each of `area` positions of logits `[classes, area]`.
fn leads(logits: &[f32], area: usize) -> Vec<Lead> {
    (0..area).map(|position| Lead::of(logits.iter().skip(position).step_by(area).copied())).collect()
}

#[cfg(test)]
mod tests {
    use lrnnet_run::tolerance::TIE;

    use super::*;

    const SIZE: Size = Size::new(1, 4);
    // Two classes, four pixels; the third is a tie.
    const REFERENCE: [f32; 8] = [9.0, 1.0, 5.0, 2.0, 1.0, 10.0, 5.0, 3.0];

    #[test]
    fn differences_and_pixels_are_counted_without_ties() {
        let mut logits = REFERENCE;
        logits[7] = 1.0;
        let found = compare(&REFERENCE, &logits, &[0, 1, 0, 0], SIZE, TIE);
        assert_eq!(found.logits, Difference { largest: 2.0, scale: 10.0 });
        assert_eq!(found.classes, Agreement { compared: 3, same: 2 });
        assert!(found.to_string().contains("66.6666 % of 3 pixels"), "{found}");
        // The fourth leads by 1, a tenth of the scale.
        let found = compare(&REFERENCE, &logits, &[0, 1, 0, 0], SIZE, 0.15);
        assert_eq!(found.classes, Agreement { compared: 2, same: 2 });
    }

    #[test]
    fn near_ties_lead_by_less_than_engines_differ() {
        let cases = [
            (Precision::Fp32, 0.5, 8.0, 1.0),
            (Precision::Fp16, 0.5, 8.0, 1.0),
            (Precision::Int8, 0.5, 8.0, 0.75),
            // Less than engines differ by, which is 5e-3 of the scale.
            (Precision::Fp32, 0.001, 8.0, 0.04),
        ];
        for (precision, largest, scale, expected) in cases {
            let found = near_tie(precision, &Difference { largest, scale });
            assert!((found - expected).abs() < 1e-6, "{precision}: {found}");
        }
    }

    #[test]
    fn other_numbers_of_values_are_refused() {
        assert!(check_count(6, 6).is_ok());
        let error = check_count(6, 7).unwrap_err().to_string();
        assert!(error.contains('6') && error.contains('7'), "{error}");
    }

    #[test]
    fn what_differs_does_not_pass() {
        let measure = |logits: &[f32], ids: &[u8]| compare(&REFERENCE, logits, ids, SIZE, TIE).holds(Tolerance::FP32);
        let same = [0, 1, 0, 1];
        assert!(measure(&REFERENCE, &same));
        assert!(measure(&REFERENCE, &[0, 1, 1, 1]), "a tie may fall either way");
        assert!(measure(&REFERENCE, &[1, 1, 0, 1]), "one of three may be the one in ten thousand");
        assert!(!measure(&REFERENCE, &[1, 0, 0, 1]), "two wrong pixels");
        for value in [f32::NAN, f32::INFINITY, 9.1] {
            let mut logits = REFERENCE;
            logits[0] = value;
            assert!(!measure(&logits, &same), "{value}");
        }
        let (nan, all) = ([f32::NAN; 8], [0; 4]);
        assert!(!measure(&nan, &same) && !measure(&nan, &all), "nothing but NaN");
        for (reference, logits) in [(nan, REFERENCE), (nan, nan)] {
            assert!(!compare(&reference, &logits, &all, SIZE, TIE).holds(Tolerance::FP16), "a reference of NaN");
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
            let (found, selftest) = run(&plan, weights.clone(), &bytes_of(weights.clone())).unwrap();
            assert_eq!(found.size, Size::new(64, 128));
            let area: u64 = if head == Head::Logits8 { 8 * 16 } else { 64 * 128 };
            assert_eq!(selftest.unwrap().near_ties.iter().map(|&run| u64::from(run)).sum::<u64>(), area);
            let error = run(&plan, weights, &bytes_of(other)).unwrap_err();
            assert!(matches!(error, VerifyError::Disagreement { .. }), "{head}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Verification);
            assert!(!error.to_string().contains("--"), "{error}");
        }
    }
}
