//! The forms that a model can be written down in, and its precision.

use std::fmt;
use std::str::FromStr;

use crate::error_kind::ErrorKind;
use crate::graph::{ElementType, Graph, Node, Op, Shape};
use crate::passes::{self, Pass};
use crate::words::{UnknownWord, words};

/// How a model is written down; the function it computes is the same in every form.
///
/// A form is a name and the passes that make it of the plain form. The ones of this crate are in [`Form::ALL`]; one
/// more is an entry there, or a constant of your own:
///
/// ```
/// use lrnnet_graph::graph::Graph;
/// use lrnnet_graph::passes::{self, Pass};
/// use lrnnet_graph::{Config, Form, Network, Settings, synthetic};
///
/// /// Does nothing, which keeps the function.
/// fn nothing(graph: &Graph) -> Graph {
///     graph.rewrite(|new, value, inputs| new.copy(graph.node(value), inputs))
/// }
///
/// const FOLDED: Form = Form::new("folded", &[passes::FOLD_BATCH_NORM, Pass::new("do nothing", nothing)]);
///
/// let network = Network::new(Config::new(Settings::camvid())?);
/// let weights = synthetic::weights(&network);
/// let model = network.bind(weights)?.rewrite(FOLDED)?;
/// assert_eq!(model.form().to_string(), "folded");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Form {
    name: &'static str,
    passes: &'static [Pass],
}

impl Form {
    /// Node for node the paper.
    pub const PLAIN: Self = Self::new("plain", &[]);
    /// Fewer and cheaper nodes, for every current engine.
    pub const DEPLOY: Self = Self::new(
        "deploy",
        &[passes::FOLD_BATCH_NORM, passes::ABSORB_SHUFFLES, passes::KEYS_AND_VALUES_FIRST, passes::REMOVE_IDENTITIES],
    );
    /// Operators that older importers know, OpenCV 4.6 among them. That one also needs opset 11 and a fixed size.
    pub const BASIC: Self = Self::new(
        "basic",
        &[
            passes::FOLD_BATCH_NORM,
            passes::KEYS_AND_VALUES_FIRST,
            passes::FOLD_CONSTANTS,
            passes::FLATTEN_POSITIONS,
            passes::REMOVE_IDENTITIES,
        ],
    );
    /// The deploy form without slices and gathers, for engines that keep channels in blocks: ONNX Runtime and OpenVINO on
    /// CPUs. It costs more products, so that others can be slower with it.
    pub const BLOCKED: Self = Self::new(
        "blocked",
        &[
            passes::FOLD_BATCH_NORM,
            passes::ABSORB_SHUFFLES,
            passes::KEYS_AND_VALUES_FIRST,
            passes::FLATTEN_POSITIONS,
            passes::WIDEN_JOINS,
            passes::RELU_BEFORE_JOIN,
            passes::DEPTHWISE_BEFORE_JOIN,
            passes::SUM_PARTS,
            passes::GATHER_IN_ORDER,
            passes::TAKE_PARTS,
            passes::SELECT_BY_CONVOLUTION,
            passes::REMOVE_IDENTITIES,
        ],
    );
    /// As [`Self::DEPLOY`], but nothing splits channels: a convolution reads all of them, with weights of zero for those
    /// of the other half. Of this form int8 models are made: integers are multiplied faster than bytes are gathered.
    pub const DENSE: Self = Self::new(
        "dense",
        &[
            passes::FOLD_BATCH_NORM,
            passes::ABSORB_SHUFFLES,
            passes::ABSORB_SPLITS,
            passes::MOVE_BIASES,
            passes::KEYS_AND_VALUES_FIRST,
            passes::REMOVE_IDENTITIES,
        ],
    );
    /// Every form of this crate.
    pub const ALL: &'static [Self] = &[Self::PLAIN, Self::DEPLOY, Self::BASIC, Self::BLOCKED, Self::DENSE];

    /// The form `name`, which `passes` make of the plain form, in order. The name stands in the files' metadata.
    pub const fn new(name: &'static str, passes: &'static [Pass]) -> Self {
        Self { name, passes }
    }

    /// Name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What makes this form of the plain one, in order.
    pub fn passes(&self) -> &'static [Pass] {
        self.passes
    }

    pub(crate) fn apply(&self, graph: &Graph) -> Result<Graph, RewriteError> {
        if self.name.is_empty() || Self::ALL.iter().any(|form| form.name == self.name && form != self) {
            return Err(RewriteError::Name(self.name));
        }
        let expected = Contract::of(graph);
        self.passes.iter().try_fold(graph.clone(), |graph, pass| {
            let graph = pass.run(&graph);
            if Contract::of(&graph) == expected { Ok(graph) } else { Err(RewriteError::Pass(pass.name())) }
        })
    }
}

/// What a pass has to leave as it is: the sides that the caller sees, and whether weights are still to be bound.
#[derive(PartialEq)]
struct Contract {
    inputs: Vec<(String, Shape, ElementType)>,
    outputs: Vec<(String, Shape, ElementType)>,
    has_params: bool,
}

impl Contract {
    fn of(graph: &Graph) -> Self {
        let inputs = graph.nodes().iter().filter(|node| node.op == Op::Input);
        let port = |name: &String, node: &Node| (name.clone(), node.shape.clone(), node.element);
        Self {
            inputs: inputs.map(|node| port(&node.name, node)).collect(),
            outputs: graph.outputs().iter().map(|o| port(&o.name, graph.node(o.value))).collect(),
            has_params: graph.nodes().iter().any(|node| matches!(node.op, Op::Param(_))),
        }
    }
}

/// Forms are the same if they and their passes are called the same.
impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.passes.iter().map(Pass::name).eq(other.passes.iter().map(Pass::name))
    }
}

impl Eq for Form {}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passes = self.passes.iter().map(Pass::name);
        f.debug_struct("Form").field("name", &self.name).field("passes", &passes.collect::<Vec<_>>()).finish()
    }
}

/// Finds a form of this crate by its name.
impl FromStr for Form {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.iter().find(|form| form.name == word);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(Self::name).collect();
            let (last, first) = names.split_last().expect("there are forms");
            let expected = format!("{} or {last}", first.join(", "));
            UnknownWord { what: "form", found: word.to_owned(), expected: expected.into() }
        })
    }
}

/// Why a model cannot be rewritten.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// It is not what forms are made of.
    #[error(
        "a model in the form `{form}` and {precision} cannot be rewritten to the form `{asked}`; forms are made of the \
         plain form in fp32"
    )]
    Order {
        /// The form it is in.
        form: Form,
        /// The precision it is in.
        precision: Precision,
        /// The form that was asked for.
        asked: Form,
    },
    /// A name that would say nothing in a file, or the wrong thing.
    #[error("a form cannot be called `{0}`; expected a name that is not empty and that no form of this crate has")]
    Name(&'static str),
    /// A pass that does not keep what it has to.
    #[error("the pass `{0}` does not keep the inputs, the outputs, or that all weights are bound")]
    Pass(&'static str),
}

impl RewriteError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// Element type of weights and of what is computed from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// float32 throughout.
    Fp32,
    /// float16, but for the context module's norms and products and the head.
    Fp16,
    /// Weights of 8 bits and activations of 8 bits, but for the context module and the last layer, which are float32.
    Int8,
}

words!(Precision, "precision", "fp32, fp16 or int8", { Fp32 = "fp32", Fp16 = "fp16", Int8 = "int8" });
