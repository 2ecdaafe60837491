//! What older importers ask for: no computation on constants, and products of matrices without broadcasting.
//!
//! OpenCV 4.6 takes neither, nor a gather of several channels, so the basic form also keeps shuffles as reshapes.

use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Graph, Op};
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
            _ if y.len() == x.len() => x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect(),
            _ => return None,
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
/// between transpositions becomes `[n, 1, 32, 32] x [n, 1, 32, h w]` between reshapes. `V` is `K` transposed, so
/// `K V` is symmetric and may stand on either side. A reshape back needs fixed `h` and `w`.
pub fn flatten_positions(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let flat = (|| {
            let (Op::Transpose(back), [product]) = (&node.op, inputs) else { return None };
            let product = new.node(*product).clone();
            let (Op::MatMul, [queries, gram]) = (&product.op, product.inputs.as_slice()) else { return None };
            let queries = new.node(*queries).clone();
            let last = Op::Transpose(vec![0, 2, 3, 1]);
            let fixed: Option<Vec<_>> = node.shape[1..].iter().map(|d| d.as_fixed()).collect();
            if queries.op != last || back[..] != [0, 3, 1, 2] {
                return None;
            }
            let [c, h, w] = fixed?[..] else { return None };
            let flat = Op::Reshape(vec![Keep, Fixed(1), Fixed(c), Rest]);
            let x = new.push_for(&queries, flat, &[queries.inputs[0]]);
            let product = new.push_for(&product, Op::MatMul, &[*gram, x]);
            Some(new.push_for(node, Op::Reshape(vec![Keep, Fixed(c), Fixed(h), Fixed(w)]), &[product]))
        })();
        flat.unwrap_or_else(|| new.copy(node, inputs))
    })
}
