//! A network together with weights that fit it.

use half::f16;

use crate::bind::{BindError, Param, bind};
use crate::config::Config;
use crate::error_kind::ErrorKind;
use crate::form::{Form, Precision, RewriteError};
use crate::graph::{Graph, Op};
use crate::metadata::{Metadata, SelfTest};
use crate::network;
use crate::onnx::{self, Opset};
use crate::passes;
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
