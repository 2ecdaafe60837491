//! A network together with weights that fit it.

use std::collections::BTreeMap;

use half::f16;

use crate::bind::{BindError, Param, bind};
use crate::config::Config;
use crate::error_kind::ErrorKind;
use crate::form::{Form, Precision, RewriteError};
use crate::graph::{Graph, Op};
use crate::metadata::{Metadata, SelfTest};
use crate::network;
use crate::onnx::{self, Opset};
use crate::passes::{self, Range};
use crate::tensor::{Constant, Weights};

/// A network without weights: the graph of a [`Config`].
#[derive(Clone, Debug)]
pub struct Network {
    config: Config,
    graph: Graph,
}

impl Network {
    /// Builds the graph of `config`; the same config always gives the same graph.
    pub fn new(config: Config) -> Self {
        let graph = network::build(&config);
        Self { config, graph }
    }

    /// What was built.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The graph, with unbound parameters.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Every trained tensor, in evaluation order.
    pub fn params(&self) -> impl Iterator<Item = Param<'_>> {
        self.graph.nodes().iter().filter_map(Param::of)
    }

    /// Fills the graph with weights; the only way to a [`Model`].
    ///
    /// # Errors
    ///
    /// Every tensor that is missing, unexpected, misshapen or not finite, and every negative variance, at once.
    pub fn bind(self, weights: Weights) -> Result<Model, BindError> {
        let graph = bind(&self.graph, weights)?;
        Ok(Model { config: self.config, graph, form: Form::PLAIN, precision: Precision::Fp32, selftest: None })
    }
}

/// A network and weights that fit it exactly, which is why writing one cannot fail.
#[derive(Clone, Debug)]
pub struct Model {
    config: Config,
    graph: Graph,
    form: Form,
    precision: Precision,
    selftest: Option<SelfTest>,
}

impl Model {
    /// What was built.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The graph, all of whose parameters are constants.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The form that the graph is in.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The element type of weights and of what is computed from them.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same function in another form: all passes of `form`, in order.
    ///
    /// # Errors
    ///
    /// If the model is in another form than [`Form::PLAIN`] or no longer in float32, since forms are made of nothing
    /// else; and if a pass of the caller's does not keep inputs, outputs and weights.
    pub fn rewrite(&self, form: Form) -> Result<Self, RewriteError> {
        if self.form != Form::PLAIN || self.precision != Precision::Fp32 {
            return Err(RewriteError::Order { form: self.form, precision: self.precision, asked: form });
        }
        let graph = form.apply(&self.graph)?;
        Ok(Self { graph, form, selftest: None, ..self.clone() })
    }

    /// The same network with float16 weights, computed in float16.
    ///
    /// The context module's norms and products stay float32, since squares of float16 leave its range; so does the
    /// head, whose interpolation would make ties of near ties. Every form can be converted, once; none can be made of
    /// what was converted.
    ///
    /// # Errors
    ///
    /// The first weight that is too large for float16, and a model that is in float16 already.
    pub fn to_half(&self) -> Result<Self, HalfError> {
        if self.precision != Precision::Fp32 {
            return Err(HalfError::Precision(self.precision));
        }
        for node in self.graph.nodes() {
            let Op::Constant(Constant::Float32(tensor)) = &node.op else { continue };
            if let Some(&value) = tensor.data().iter().find(|v| !f16::from_f32(**v).is_finite()) {
                return Err(HalfError::Range { name: node.name.clone(), value });
            }
        }
        let graph = passes::to_half(&self.graph);
        Ok(Self { graph, precision: Precision::Fp16, selftest: None, ..self.clone() })
    }

    /// The names of the nodes between whose least and largest value [`to_int8`](Self::to_int8) has to know, in order of
    /// evaluation. They are nodes of this form.
    pub fn calibration_points(&self) -> Vec<&str> {
        let points = passes::calibration_points(&self.graph).into_iter().map(|value| self.graph.node(value));
        points.filter(|node| node.is_computed()).map(|node| node.name.as_str()).collect()
    }

    /// The same network with weights of 8 bits and, between convolutions, values of 8 bits: ONNX's QDQ form, which
    /// engines without integer arithmetic compute as well.
    ///
    /// `ranges` says between what the values of each of the [`calibration_points`](Self::calibration_points) lie; what
    /// leaves that is cut off. The context module and the last layer stay float32. [`Form::DENSE`] is meant for this, and
    /// every form but the plain one can be converted, once; none can be made of what was converted. The file is written in
    /// opset 13 at least, the first that has a scale for each output of a weight.
    ///
    /// # Errors
    ///
    /// The first point that has no range, or one that is none; the plain form; a model that is not in float32.
    pub fn to_int8(&self, ranges: &Ranges) -> Result<Self, Int8Error> {
        if self.form == Form::PLAIN || self.precision != Precision::Fp32 {
            return Err(Int8Error::Order { form: self.form, precision: self.precision });
        }
        for name in self.calibration_points() {
            let &[low, high] = ranges.get(name).ok_or_else(|| Int8Error::Missing { name: name.to_owned() })?;
            if !(low <= high && (high - low).is_finite()) {
                return Err(Int8Error::Range { name: name.to_owned(), low, high });
            }
        }
        let graph = passes::to_int8(&self.graph, |value| {
            let node = self.graph.node(value);
            if node.op == Op::Input { self.config.normalization.range() } else { ranges[&node.name] }
        });
        Ok(Self { graph, precision: Precision::Int8, selftest: None, ..self.clone() })
    }

    /// The same model with inner values as further outputs: for each pair, what the node of the second name computes,
    /// under the first. Such a value has the element type and the layout that this form gives it.
    ///
    /// ```
    /// # use lrnnet_graph::{Config, Network, Settings, synthetic};
    /// # let network = Network::new(Config::new(Settings::camvid())?);
    /// # let weights = synthetic::weights(&network);
    /// let model = network.bind(weights)?.with_outputs([("features", "encoder.15.shuffle")])?;
    /// let names: Vec<_> = model.graph().outputs().iter().map(|output| output.name.as_str()).collect();
    /// assert_eq!(names, ["class_map", "features"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first node that the graph does not have, and the first name that is empty or taken.
    pub fn with_outputs<'a>(&self, inner: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, OutputError> {
        let mut graph = self.graph.clone();
        for (name, node) in inner {
            let found = graph.values().find(|&v| graph.node(v).name == node);
            let value = found.ok_or_else(|| OutputError::NoSuchNode { node: node.to_owned() })?;
            let inputs = graph.nodes().iter().filter(|node| node.op == Op::Input).map(|node| &node.name);
            let mut taken = inputs.chain(graph.outputs().iter().map(|output| &output.name));
            if name.is_empty() || taken.any(|taken| taken == name) {
                return Err(OutputError::NameTaken { name: name.to_owned() });
            }
            graph.output(name, value);
        }
        Ok(Self { graph, ..self.clone() })
    }

    /// The same model with a record of what it makes of a generated picture, for the metadata.
    pub fn with_selftest(self, selftest: SelfTest) -> Self {
        Self { selftest: Some(selftest), ..self }
    }

    /// What the file says of itself.
    pub fn metadata(&self, origin: &Origin) -> Metadata {
        let metadata = Metadata::new(&self.config, self.form, self.precision, origin);
        Metadata { selftest: self.selftest.clone(), ..metadata }
    }

    /// The model as the bytes of an ONNX file; the same model and origin always give the same bytes.
    pub fn to_onnx(&self, opset: Opset, origin: &Origin) -> Vec<u8> {
        let opset = if self.precision == Precision::Int8 { opset.max(Opset::FOR_INT8) } else { opset };
        onnx::encode(&passes::lower_shuffles(&self.graph), opset, &self.metadata(origin))
    }
}

/// Where a model comes from, for its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// SHA-256 of the weight file, in hexadecimal.
    pub weights_sha256: String,
    /// Name and version of the exporting program.
    pub exporter: String,
}

/// Why an inner value does not become an output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// No node of that name.
    #[error("no node is called `{node}` in this form of the network")]
    NoSuchNode {
        /// Name that was asked for.
        node: String,
    },
    /// A name that cannot be an output's.
    #[error("no output can be called `{name}`; expected a name that neither the input nor another output has")]
    NameTaken {
        /// Name that was asked for.
        name: String,
    },
}

impl OutputError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// The least and the largest value of nodes, by name.
pub type Ranges = BTreeMap<String, Range>;

/// Why a model does not become int8.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Int8Error {
    /// A form or a precision that is not converted.
    #[error(
        "a model in the form `{form}` and {precision} cannot be converted to int8; convert one in fp32 and another form \
         than `plain`"
    )]
    Order {
        /// The form it is in.
        form: Form,
        /// The precision it is in.
        precision: Precision,
    },
    /// A node without a range.
    #[error("the range of `{name}` is not known; calibrate the model in the form that is to be converted")]
    Missing {
        /// Name of the node.
        name: String,
    },
    /// A range that values cannot have.
    #[error("values of `{name}` cannot lie between {low} and {high}; expected two numbers in order")]
    Range {
        /// Name of the node.
        name: String,
        /// Its least value.
        low: f32,
        /// Its largest value.
        high: f32,
    },
}

impl Int8Error {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// Why a model does not become float16.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HalfError {
    /// A weight that float16 cannot hold.
    #[error("`{name}` holds {value}, which is beyond float16's range of 65504")]
    Range {
        /// Name of the constant.
        name: String,
        /// The value.
        value: f32,
    },
    /// Another precision than float32.
    #[error("a model in {0} cannot be converted to float16; convert the one in fp32")]
    Precision(Precision),
}

impl HalfError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}
