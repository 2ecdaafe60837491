//! Shapes and element types of results.

use crate::dim::{Dim, Shape};
use crate::graph::{Conv, Node, Op};
use crate::onnx::proto::ElementType;

/// Shape and element type of what `op` makes of `operands`, or why it makes nothing of them.
pub fn infer(op: &Op, operands: &[&Node]) -> Result<(Shape, ElementType), String> {
    if let Op::Constant(tensor) = op {
        return Ok((tensor.shape().iter().copied().map(Dim::fixed).collect(), ElementType::Float32));
    }
    let first = operands.first().ok_or("no operands")?;
    let shape = result_shape(op, first, operands)?;
    let element = match op {
        Op::Cast(element) => *element,
        Op::ArgMax => ElementType::Int64,
        _ => match operands.iter().find(|o| o.element != first.element) {
            Some(other) => return Err(format!("element types {:?} and {:?}", first.element, other.element)),
            None => first.element,
        },
    };
    Ok((shape, element))
}

fn result_shape(op: &Op, first: &Node, operands: &[&Node]) -> Result<Shape, String> {
    let x = &first.shape;
    match op {
        Op::Input | Op::Param | Op::Constant(_) => Err("has no operands".into()),
        Op::Relu | Op::Sqrt | Op::Cast(_) => Ok(x.clone()),
        Op::BatchNorm { .. } => {
            let fits = operands.len() == 5 && operands[1..].iter().all(|p| p.shape == x[1..2]);
            if fits { Ok(x.clone()) } else { Err("statistics of other channels".into()) }
        }
        Op::Conv(conv) => conv_shape(conv, x, operands),
        Op::Add | Op::Mul | Op::Div => match operands {
            [a, b] => broadcast(&a.shape, &b.shape),
            _ => Err("expected two operands".into()),
        },
        Op::MaxPool => {
            let [n, c, h, w] = four(x)?;
            Ok(vec![n, c, h / 2, w / 2])
        }
        Op::MatMul => match operands {
            [a, b] => matmul_shape(&a.shape, &b.shape),
            _ => Err("expected two operands".into()),
        },
        Op::ReduceSum(axis) | Op::ReduceMean(axis) | Op::ReduceMax(axis) => with_axis(x, *axis, Dim::fixed(1)),
        Op::Concat(axis) => {
            let mut total = 0;
            for operand in operands {
                let extent = operand.shape.get(*axis).and_then(|d| d.as_fixed()).ok_or("no fixed extent to join")?;
                if with_axis(&operand.shape, *axis, Dim::fixed(0))? != with_axis(x, *axis, Dim::fixed(0))? {
                    return Err("shapes differ off the axis".into());
                }
                total += extent;
            }
            with_axis(x, *axis, Dim::fixed(total))
        }
        Op::Channels { start, end } => {
            let channels = four(x)?[1].as_fixed().ok_or("channels are not fixed")?;
            if start >= end || *end > channels {
                return Err(format!("no channels {start}..{end}"));
            }
            with_axis(x, 1, Dim::fixed(end - start))
        }
        Op::GatherChannels(indices) => with_axis(x, 1, Dim::fixed(indices.len())),
        Op::Shuffle => match four(x)?[1].as_fixed() {
            Some(c) if c.is_multiple_of(2) => Ok(x.clone()),
            _ => Err("expected an even number of channels".into()),
        },
        Op::Transpose(axes) if axes.len() == x.len() => Ok(axes.iter().map(|&a| x[a]).collect()),
        Op::Transpose(_) => Err("expected one axis for each".into()),
        Op::Reshape(target) => reshape(x, target),
        Op::Pad { bottom, right, .. } => {
            let [n, c, h, w] = four(x)?;
            let fixed = |d: Dim| d.as_fixed().ok_or("padding needs fixed extents");
            Ok(vec![n, c, Dim::fixed(fixed(h)? + bottom), Dim::fixed(fixed(w)? + right)])
        }
        Op::Upsample(factor) => {
            let [n, c, h, w] = four(x)?;
            Ok(vec![n, c, h * *factor, w * *factor])
        }
        Op::ArgMax => {
            let [n, _, h, w] = four(x)?;
            Ok(vec![n, h, w])
        }
    }
}

fn four(shape: &[Dim]) -> Result<[Dim; 4], String> {
    shape.try_into().map_err(|_| "expected four axes".to_owned())
}

fn with_axis(shape: &[Dim], axis: usize, extent: Dim) -> Result<Shape, String> {
    let mut shape = shape.to_vec();
    *shape.get_mut(axis).ok_or("no such axis")? = extent;
    Ok(shape)
}

fn conv_shape(conv: &Conv, x: &[Dim], operands: &[&Node]) -> Result<Shape, String> {
    let [n, c, h, w] = four(x)?;
    let weight = operands.get(1).ok_or("no weight")?;
    let [out, inputs_per_group, kh, kw] = four(&weight.shape)?;
    let fits = inputs_per_group * conv.groups == c
        && [kh, kw] == conv.kernel.map(Dim::fixed)
        && operands.get(2).is_none_or(|bias| bias.shape == [out]);
    if !fits {
        return Err(format!("weight {:?} does not fit", weight.shape));
    }
    // All extents are even where the stride is two, so division is exact.
    Ok(vec![n, out, h / conv.stride, w / conv.stride])
}

/// Broadcasting from the innermost axis outwards.
fn broadcast(a: &[Dim], b: &[Dim]) -> Result<Shape, String> {
    let one = Dim::fixed(1);
    let rank = a.len().max(b.len());
    let extent = |shape: &[Dim], i: usize| (i + shape.len()).checked_sub(rank).map_or(one, |j| shape[j]);
    let pair = |i| match (extent(a, i), extent(b, i)) {
        (x, y) if x == y || y == one => Ok(x),
        (x, y) if x == one => Ok(y),
        (x, y) => Err(format!("extents {x} and {y}")),
    };
    (0..rank).map(pair).collect()
}

fn matmul_shape(a: &[Dim], b: &[Dim]) -> Result<Shape, String> {
    match (a, b) {
        ([outer_a @ .., m, k], [outer_b @ .., l, n]) if k == l => {
            let mut shape = broadcast(outer_a, outer_b)?;
            shape.extend([*m, *n]);
            Ok(shape)
        }
        _ => Err("inner extents differ".into()),
    }
}

fn reshape(x: &[Dim], target: &[i64]) -> Result<Shape, String> {
    let product = |dims: &[Dim]| dims.iter().fold(Dim::fixed(1), |p, &d| p * d);
    let mut shape = Vec::with_capacity(target.len());
    for (axis, &extent) in target.iter().enumerate() {
        shape.push(match extent {
            0 => *x.get(axis).ok_or("no such axis to keep")?,
            -1 => Dim::fixed(1),
            n => Dim::fixed(usize::try_from(n).map_err(|_| "negative extent")?),
        });
    }
    let rest = product(x) / product(&shape);
    match target.iter().position(|&extent| extent == -1) {
        Some(axis) => shape[axis] = rest,
        None if rest == Dim::fixed(1) => {}
        None => return Err("number of values changes".into()),
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_products_and_reshapes() {
        let f = |dims: &[usize]| dims.iter().copied().map(Dim::fixed).collect::<Vec<_>>();
        assert_eq!(broadcast(&f(&[1, 32, 1, 1]), &f(&[2, 32, 64, 30])), Ok(f(&[2, 32, 64, 30])));
        assert_eq!(broadcast(&f(&[32]), &f(&[2, 3, 32])), Ok(f(&[2, 3, 32])));
        assert!(broadcast(&f(&[3]), &f(&[4])).is_err());
        assert_eq!(matmul_shape(&f(&[2, 9, 17, 32]), &f(&[2, 1, 32, 80])), Ok(f(&[2, 9, 17, 80])));
        assert!(matmul_shape(&f(&[2, 3]), &f(&[4, 2])).is_err());
        let dynamic = [Dim::BATCH, Dim::fixed(32) * 8, Dim::WIDTH / 8, Dim::HEIGHT / 64];
        let regions = reshape(&dynamic, &[0, 32, 64, -1]).unwrap();
        assert_eq!(regions[3], Dim::HEIGHT * Dim::WIDTH / 4096);
        assert!(reshape(&f(&[4, 4]), &[5, 3]).is_err());
    }
}
