//! What older importers ask for: no computation on constants, and products of matrices without broadcasting.
//!
//! OpenCV 4.6 takes neither, nor a gather of several channels, so the basic form also keeps shuffles as reshapes.

use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Dim, Graph, Node, Op, Value};
use crate::tensor::Tensor;

/// Computes at export what depends on constants alone: the normalised start of the power iterations.
pub fn fold_constants(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let operands: Option<Vec<_>> = inputs.iter().map(|&x| new.constant_of(x)).collect();
        let shape: Option<Vec<_>> = node.shape.iter().map(|d| d.as_fixed()).collect();
        let folded = operands.zip(shape).and_then(|(operands, shape)| evaluate(&node.op, &operands, shape));
        match folded {
            Some(tensor) => new.constant(node.name.clone(), tensor),
            None => new.copy(node, inputs),
        }
    })
}

/// The value of `op`; `None` for operators and shapes that no constant of this network goes through.
fn evaluate(op: &Op, operands: &[&Tensor], shape: Vec<usize>) -> Option<Tensor> {
    let x = operands.first()?.data();
    let elementwise = |f: fn(f32, f32) -> f32| {
        let y = operands.get(1)?.data();
        let values = match y {
            [y] => x.iter().map(|&x| f(x, *y)).collect(),
            // Of operands that broadcast, these are too few values for the result.
            _ => x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect(),
        };
        Tensor::new(shape.clone(), values)
    };
    match op {
        Op::Reshape(_) => Tensor::new(shape, x.to_vec()),
        Op::Mul => elementwise(|x, y| x * y),
        Op::Div => elementwise(|x, y| x / y),
        Op::Add => elementwise(|x, y| x + y),
        Op::Sqrt => Tensor::new(shape, x.iter().map(|x| x.sqrt()).collect()),
        Op::ReduceSum(_) => Tensor::new(shape, vec![x.iter().sum()]),
        _ => None,
    }
}

/// Applies the context module's `K V` to all positions as one matrix product: `[n, h, w, 32] x [n, 1, 32, 32]`
/// between transpositions becomes `[n, 1, 32, 32] x [n, 1, 32, h w]` between reshapes.
///
/// On the other side the matrix has to be transposed, so this is done only where it is symmetric: where `V` is `K`
/// transposed. A reshape back needs fixed `h` and `w`.
pub fn flatten_positions(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        flattened(new, node, inputs).unwrap_or_else(|| new.copy(node, inputs))
    })
}

fn flattened(graph: &mut Graph, node: &Node, inputs: &[Value]) -> Option<Value> {
    let (Op::Transpose(back), [product]) = (&node.op, inputs) else { return None };
    let product = graph.node(*product).clone();
    let (Op::MatMul, &[queries, matrix]) = (&product.op, product.inputs.as_slice()) else { return None };
    let queries = graph.node(queries).clone();
    let extents: Option<Vec<_>> = node.shape.iter().skip(1).map(|d| d.as_fixed()).collect();
    let [c, h, w] = extents?[..] else { return None };
    let one_matrix = matches!(graph.shape(matrix), [_, one, ..] if *one == Dim::fixed(1));
    let to_last = queries.op == Op::Transpose(vec![0, 2, 3, 1]) && back[..] == [0, 3, 1, 2];
    if !(to_last && one_matrix && is_symmetric(graph, matrix)) {
        return None;
    }
    let x = Op::Reshape(vec![Keep, Fixed(1), Fixed(c), Rest]);
    let x = graph.push_for(&queries, x, &[queries.inputs[0]]);
    let product = graph.push_for(&product, Op::MatMul, &[matrix, x]);
    Some(graph.push_for(node, Op::Reshape(vec![Keep, Fixed(c), Fixed(h), Fixed(w)]), &[product]))
}

/// Whether `x` is a product `A B` where `B` is `A` with its last two axes exchanged.
fn is_symmetric(graph: &Graph, x: Value) -> bool {
    let node = graph.node(x);
    let (Op::MatMul, &[a, b]) = (&node.op, node.inputs.as_slice()) else { return false };
    let ((source_a, mut axes), (source_b, axes_b)) = (untransposed(graph, a), untransposed(graph, b));
    let last = axes.len() - 1;
    axes.swap(last - 1, last);
    source_a == source_b && axes == axes_b
}

/// What `x` is a transposition of, and for each axis of `x` which axis of that it is.
fn untransposed(graph: &Graph, mut x: Value) -> (Value, Vec<usize>) {
    let mut axes: Vec<_> = (0..graph.shape(x).len()).collect();
    while let Op::Transpose(order) = &graph.node(x).op {
        axes.iter_mut().for_each(|axis| *axis = order[*axis]);
        x = graph.node(x).inputs[0];
    }
    (x, axes)
}
