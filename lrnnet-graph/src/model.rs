//! A network together with weights that fit it.

use std::fmt;

use half::f16;

use crate::config::{Config, InputKind};
use crate::graph::{Graph, Node, Op, Role};
use crate::metadata::{Metadata, RESIZE_RULE, SelfTest};
use crate::network;
use crate::onnx::{self, Opset};
use crate::passes;
use crate::tensor::{Constant, Tensor, Weights};

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
        let mut weights = weights;
        let mut problems = Vec::new();
        let graph = self.graph.rewrite(|new, value, inputs| {
            let node = self.graph.node(value);
            let Some(param) = Param::of(node) else { return new.copy(node, inputs) };
            match weights.remove(param.name) {
                Some(tensor) if tensor.shape() == param.shape => {
                    problems.extend(bad_value(&param, &tensor));
                    new.constant(param.name, tensor)
                }
                found => {
                    problems.push(Problem::of_shape(&param, found));
                    new.copy(node, inputs)
                }
            }
        });
        let unexpected = weights.into_iter().map(|(name, t)| Problem::Unexpected { name, shape: t.shape().to_vec() });
        problems.extend(unexpected);
        if problems.is_empty() {
            Ok(Model { config: self.config, graph, form: Form::Plain, precision: Precision::Fp32, selftest: None })
        } else {
            Err(BindError { problems })
        }
    }
}

/// A trained tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Param<'n> {
    /// Name by the contract of names.
    pub name: &'n str,
    /// What it is to the network.
    pub role: Role,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
}

impl<'n> Param<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        let Op::Param(role) = node.op else { return None };
        let shape = node.shape.iter().map(|d| d.as_fixed().expect("parameters are declared with numbers")).collect();
        Some(Self { name: &node.name, role, shape })
    }
}

/// The first value that no trained network holds.
fn bad_value(param: &Param<'_>, tensor: &Tensor) -> Option<Problem> {
    let bad = |v: f32| !v.is_finite() || (param.role == Role::Variance && v < 0.0);
    let index = tensor.data().iter().position(|&v| bad(v))?;
    Some(Problem::Value { name: param.name.to_owned(), index, value: tensor.data()[index] })
}

/// One way in which weights do not fit a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A tensor the network needs and the weights lack.
    #[error("`{name}` {expected:?} is missing")]
    Missing {
        /// Name.
        name: String,
        /// Shape the network needs.
        expected: Vec<usize>,
    },
    /// A tensor of another shape than the network's.
    #[error("`{name}` has shape {found:?}, the network needs {expected:?}")]
    Shape {
        /// Name.
        name: String,
        /// Shape the network needs.
        expected: Vec<usize>,
        /// Shape in the weights.
        found: Vec<usize>,
    },
    /// A tensor the network has no place for.
    #[error("`{name}` {shape:?} is not a tensor of this network")]
    Unexpected {
        /// Name.
        name: String,
        /// Shape in the weights.
        shape: Vec<usize>,
    },
    /// NaN, an infinity, or a negative variance.
    #[error("`{name}` holds {value} at index {index}")]
    Value {
        /// Name.
        name: String,
        /// Flat row-major index of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
}

impl Problem {
    fn of_shape(param: &Param<'_>, found: Option<Tensor>) -> Self {
        let (name, expected) = (param.name.to_owned(), param.shape.clone());
        match found {
            Some(found) => Self::Shape { name, expected, found: found.shape().to_vec() },
            None => Self::Missing { name, expected },
        }
    }
}

/// Weights do not fit a network.
#[derive(Clone, Debug, PartialEq)]
pub struct BindError {
    problems: Vec<Problem>,
}

impl BindError {
    /// Everything that does not fit; at least one entry.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for BindError {}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        write!(f, "the weights do not fit the network in {} places:", self.problems.len())?;
        for problem in self.problems.iter().take(SHOWN) {
            write!(f, "\n  {problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// How a model is written down; the function it computes is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Node for node the paper.
    Plain,
    /// What [`Model::deploy`] makes of it.
    Deploy,
    /// What [`Model::basic`] makes of it.
    Basic,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Deploy => "deploy",
            Self::Basic => "basic",
        })
    }
}

/// Element type of weights and of what is computed from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// float32 throughout.
    Fp32,
    /// float16, but for the context module's norms and products and the head.
    Fp16,
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

    /// The same function in fewer and cheaper nodes: all passes of [`passes`], in order.
    pub fn deploy(&self) -> Self {
        let graph = passes::DEPLOY.iter().fold(self.graph.clone(), |graph, pass| (pass.run)(&graph));
        Self { graph, form: Form::Deploy, ..self.clone() }
    }

    /// The same function in operators that older importers know, OpenCV 4.6 among them: all passes of
    /// [`passes::BASIC`], in order. That importer also needs opset 11 and a fixed size.
    pub fn basic(&self) -> Self {
        let graph = passes::BASIC.iter().fold(self.graph.clone(), |graph, pass| (pass.run)(&graph));
        Self { graph, form: Form::Basic, ..self.clone() }
    }

    /// The same network with float16 weights, computed in float16.
    ///
    /// The context module's norms and products stay float32, since squares of float16 leave its range; so does the
    /// head, whose interpolation would make ties of near ties.
    ///
    /// # Errors
    ///
    /// The first weight that is too large for float16.
    pub fn to_half(&self) -> Result<Self, HalfRangeError> {
        for node in self.graph.nodes() {
            let Op::Constant(Constant::Float32(tensor)) = &node.op else { continue };
            if let Some(&value) = tensor.data().iter().find(|v| !f16::from_f32(**v).is_finite()) {
                return Err(HalfRangeError { name: node.name.clone(), value });
            }
        }
        Ok(Self { graph: passes::to_half(&self.graph), precision: Precision::Fp16, ..self.clone() })
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
        let c = &self.config;
        let power_iterations = match c.context {
            crate::Context::SingularVectors { iterations, .. } => Some(iterations),
            _ => None,
        };
        Metadata {
            task: "semantic-segmentation".into(),
            classes: c.classes.clone(),
            mean: c.normalization.mean,
            std: c.normalization.std,
            color_order: "RGB".into(),
            input: c.input.to_string(),
            layout: if c.input == InputKind::U8Nhwc { "NHWC" } else { "NCHW" }.into(),
            resize: RESIZE_RULE.into(),
            trained_size: c.trained_size,
            size_multiple: c.size_multiple(),
            head: c.head.to_string(),
            variant: c.variant().map(|v| v.to_string()),
            block: c.block.to_string(),
            context: c.context.to_string(),
            power_iterations,
            form: self.form.to_string(),
            precision: if self.precision == Precision::Fp16 { "fp16" } else { "fp32" }.into(),
            weights_sha256: origin.weights_sha256.clone(),
            exporter: origin.exporter.clone(),
            selftest: self.selftest.clone(),
        }
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

/// A weight that float16 cannot hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{name}` holds {value}, which is beyond float16's range of 65504; export without --half")]
pub struct HalfRangeError {
    name: String,
    value: f32,
}
