//! From weights to the bytes of a checked ONNX file.

use std::path::PathBuf;

use lrnnet_graph::onnx::Opset;
use lrnnet_graph::{
    BindError, Config, Context, Form, HalfError, Int8Error, Model, Network, Origin, Precision, Ranges, RewriteError,
    SelfTest, Weights,
};

use crate::ErrorKind;
use crate::verify::{self, Verification, VerifyError};
use crate::weights::{WeightFile, WeightsError};

const EXPORTER: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// What to make of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Network, input and output.
    pub config: Config,
    /// How the graph is written down.
    pub form: Form,
    /// Element type of weights and of what is computed from them.
    pub precision: Precision,
    /// What [`calibrate`](crate::calibrate) found for this form, which int8 needs and nothing else.
    pub ranges: Ranges,
    /// Version of ONNX's operators.
    pub opset: Opset,
    /// Whether the model is run against the plain form.
    pub verify: bool,
}

impl Plan {
    /// The deploy form in float32, verified.
    pub fn new(config: Config) -> Self {
        Self::in_precision(config, Precision::Fp32)
    }

    /// The form that suits `precision`, verified: the deploy form, and for int8, whose [`ranges`](Self::ranges) are then
    /// still to be measured, the dense one.
    pub fn in_precision(config: Config, precision: Precision) -> Self {
        let form = if precision == Precision::Int8 { Form::DENSE } else { Form::DEPLOY };
        Self { config, form, precision, ranges: Ranges::new(), opset: Opset::default(), verify: true }
    }

    /// The weights in `file`, as far as this network has them.
    pub(crate) fn weights(&self, file: WeightFile) -> Result<Weights, WeightsError> {
        let mut weights = file.into_weights()?;
        if !matches!(self.config.context, Context::SingularVectors { .. }) {
            // Of all contexts only this one starts an iteration, but the contract names the vector for all of them.
            weights.remove("svn.u0");
        }
        Ok(weights)
    }

    /// The model that this plan makes of `weights`.
    pub(crate) fn model(&self, config: Config, weights: Weights) -> Result<Model, ModelError> {
        let model = Network::new(config).bind(weights)?.rewrite(self.form)?;
        match self.precision {
            Precision::Fp16 => Ok(model.to_half()?),
            Precision::Int8 if self.opset < Opset::FOR_INT8 => Err(ModelError::Opset(self.opset)),
            Precision::Int8 => Ok(model.to_int8(&self.ranges)?),
            _ => Ok(model),
        }
    }
}

/// A finished model.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Content of the `.onnx` file.
    pub bytes: Vec<u8>,
    /// How well it agrees with the plain form, where the plan asks for that.
    pub verification: Option<Verification>,
    /// Whether its metadata hold a self-test. A verified file has none where more than half of its class map are near
    /// ties, as with weights that were never trained.
    pub has_selftest: bool,
}

/// Makes the model that `plan` asks for, runs it against the plain form, and records its class map of a generated
/// picture in its metadata.
///
/// # Errors
///
/// Weights of a wrong type or that do not fit the network, and a model that does not agree with the plain form.
pub fn export(file: WeightFile, plan: &Plan) -> Result<Exported, ExportError> {
    let path = file.path().to_owned();
    let origin = Origin { weights_sha256: file.sha256().to_owned(), exporter: EXPORTER.to_owned() };
    let weights = plan.weights(file)?;
    let model =
        plan.model(plan.config.clone(), weights.clone()).map_err(|source| ExportError::Model { path, source })?;
    let bytes = model.to_onnx(plan.opset, &origin);
    if !plan.verify {
        return Ok(Exported { bytes, verification: None, has_selftest: false });
    }
    let (verification, selftest) = verify::run(plan, weights, &bytes)?;
    let has_selftest = selftest.is_some();
    let bytes = match selftest {
        Some(record) => model.with_selftest(SelfTest::Known(record)).to_onnx(plan.opset, &origin),
        None => bytes,
    };
    Ok(Exported { bytes, verification: Some(verification), has_selftest })
}

/// Why weights make no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// They do not fit the network.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The form is none that a model can be in.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// One is too large for float16.
    #[error(transparent)]
    Half(#[from] HalfError),
    /// Ranges are missing or wrong.
    #[error(transparent)]
    Int8(#[from] Int8Error),
    /// Operators that have no scale for each output of a weight.
    #[error("int8 needs opset {} or later; opset {} has one scale for a whole weight", Opset::FOR_INT8.version(), .0.version())]
    Opset(Opset),
}

impl ModelError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Bind(_) => ErrorKind::Weights,
            Self::Rewrite(_) | Self::Half(_) | Self::Int8(_) | Self::Opset(_) => ErrorKind::Argument,
        }
    }
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Tensors of a type that weights do not have.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Weights that do not fit the network.
    #[error("cannot make a model of `{}`", path.display())]
    Model {
        /// The weight file.
        path: PathBuf,
        /// What does not fit.
        source: ModelError,
    },
    /// A model that does not agree with the plain form, or does not run.
    #[error("the model failed its verification and was not written")]
    Verify(#[from] VerifyError),
}

impl ExportError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Weights(error) => error.kind(),
            Self::Model { source, .. } => source.kind(),
            Self::Verify(error) => error.kind(),
        }
    }
}
