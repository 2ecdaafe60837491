//! Parameters and operations by the paper's way of counting.
//!
//! Recovered from the totals of the paper's tables: 1 per multiply-accumulate of a convolution, 2 per output of a batch
//! normalisation, 1 per output of a ReLU; bias, pooling, concatenation, residual and upsampling count nothing. Of the
//! singular-vector module, the products of Eq. 4 and those of the power iteration count 1 per multiply-accumulate,
//! norms nothing. Two rows follow the paper's text (section 4.3) rather than that rule: the products of the full
//! non-local module count in units of 2^30, since its "4.0 G" does, and those of the pooling ablations count nothing,
//! since the paper gives these rows the cost of the bottleneck alone.

use crate::config::{Config, ConfigError, Context, InputSize};
use crate::graph::{Graph, Node, Op, Value};
use crate::model::Network;

/// What a module costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// Path of the module, such as `encoder.3`.
    pub module: String,
    /// Values of its weights, biases, scales and shifts; running statistics are not counted, nor is `u0`.
    pub parameters: usize,
    /// Operations for one picture, in units of 10^9.
    pub gflops: f64,
}

/// The cost of every module in evaluation order, for one picture of `height x width`. A dynamic network is counted as if
/// it were exported for that size.
///
/// # Errors
///
/// A size that the network cannot have.
pub fn per_module(network: &Network, height: usize, width: usize) -> Result<Vec<Cost>, ConfigError> {
    let mut settings = (**network.config()).clone();
    settings.size = InputSize::Static { batch: 1, height, width };
    let counted = Network::new(Config::new(settings)?);
    let mut modules: Vec<Cost> = Vec::new();
    for value in counted.graph().values() {
        let node = counted.graph().node(value);
        let (parameters, gflops) = cost_of(&counted, value);
        if parameters == 0 && gflops == 0.0 {
            continue;
        }
        let module = module_of(&node.name);
        if modules.last().is_none_or(|last| last.module != module) {
            modules.push(Cost { module: module.into(), ..Cost::default() });
        }
        if let Some(last) = modules.last_mut() {
            last.parameters += parameters;
            last.gflops += gflops;
        }
    }
    Ok(modules)
}

/// The sum over all modules, called `total`.
pub fn total(modules: &[Cost]) -> Cost {
    Cost {
        module: "total".into(),
        parameters: modules.iter().map(|m| m.parameters).sum(),
        gflops: modules.iter().map(|m| m.gflops).sum(),
    }
}

/// `encoder.3` of `encoder.3.left.conv1`, `svn` of `svn.reduce`.
fn module_of(name: &str) -> &str {
    let components = if name.starts_with("encoder.") { 2 } else { 1 };
    name.match_indices('.').nth(components - 1).map_or(name, |(end, _)| &name[..end])
}

fn cost_of(network: &Network, value: Value) -> (usize, f64) {
    let graph = network.graph();
    let node = graph.node(value);
    let outputs = values(node) as f64;
    let flops = match &node.op {
        Op::Param(role) if role.is_learned() => return (values(node), 0.0),
        Op::Conv(_) => outputs * operand_extent(graph, node, 1, 1..4),
        Op::BatchNorm { .. } => 2.0 * outputs,
        Op::Relu => outputs,
        Op::MatMul => outputs * operand_extent(graph, node, 1, 2..3) * product_weight(&network.config().context),
        Op::Mul if is_contracted(graph, value) => outputs,
        _ => 0.0,
    };
    (0, flops / 1e9)
}

/// The product of some extents of operand `index`.
fn operand_extent(graph: &Graph, node: &Node, index: usize, axes: std::ops::Range<usize>) -> f64 {
    let shape = &graph.shape(node.inputs[index])[axes];
    shape.iter().filter_map(|d| d.as_fixed()).product::<usize>() as f64
}

fn values(node: &Node) -> usize {
    node.shape.iter().filter_map(|d| d.as_fixed()).product()
}

/// Whether `products` of two values are summed, which makes them a product of matrices; a sum of squares is a norm.
fn is_contracted(graph: &Graph, products: Value) -> bool {
    let factors = &graph.node(products).inputs;
    let is_sum = |node: &Node| matches!(node.op, Op::ReduceSum(_)) && node.inputs == [products];
    factors[0] != factors[1] && graph.nodes().iter().any(is_sum)
}

/// What one multiply-accumulate of Eq. 4 counts.
fn product_weight(context: &Context) -> f64 {
    match context {
        Context::SingularVectors { .. } => 1.0,
        Context::NonLocal => 1e9 / f64::from(1u32 << 30),
        Context::None | Context::MaxPool { .. } | Context::MeanPool { .. } => 0.0,
    }
}
