//! Shapes and element types of results.

use super::{Conv, Dim, ElementType, Extent, Node, Op, Shape};

/// Shape and element type of what `op` makes of `operands`, or why it makes nothing of them.
pub fn infer(op: &Op, operands: &[&Node]) -> Result<(Shape, ElementType), String> {
    if let Op::Constant(values) = op {
        return Ok((values.shape().iter().copied().map(Dim::fixed).collect(), values.element()));
    }
    let first = operands.first().ok_or("no operands")?;
    let shape = result_shape(op, first, operands)?;
    if let Some(extent) = shape.iter().find(|extent| !extent.is_whole()) {
        return Err(format!("an extent of {extent}"));
    }
    let element = match op {
        Op::Cast(element) => *element,
        Op::ArgMax => ElementType::Int64,
        Op::Quantize => quantized_element(operands)?,
        Op::Dequantize => dequantized_element(operands)?,
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
        Op::Input | Op::Param(_) | Op::Constant(_) => Err("has no operands".into()),
        Op::Relu | Op::Sqrt | Op::Cast(_) | Op::Quantize | Op::Dequantize => Ok(x.clone()),
        Op::BatchNorm { .. } => {
            let [_, channels, ..] = x.as_slice() else { return Err("expected a channel axis".into()) };
            let fits = operands.len() == 5 && operands[1..].iter().all(|p| p.shape == [*channels]);
            if fits { Ok(x.clone()) } else { Err("expected four statistics of as many channels".into()) }
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
        Op::GatherChannels(indices) => {
            let channels = four(x)?[1].as_fixed().ok_or("channels are not fixed")?;
            match indices.iter().find(|&&i| i >= channels) {
                Some(i) => Err(format!("no channel {i}")),
                None => with_axis(x, 1, Dim::fixed(indices.len())),
            }
        }
        Op::Shuffle => match four(x)?[1].as_fixed() {
            Some(c) if c.is_multiple_of(2) => Ok(x.clone()),
            _ => Err("expected an even number of channels".into()),
        },
        Op::Transpose(axes) => {
            let mut each = axes.clone();
            each.sort_unstable();
            let permutes = each.into_iter().eq(0..x.len());
            if permutes { Ok(axes.iter().map(|&a| x[a]).collect()) } else { Err("expected each axis once".into()) }
        }
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

/// The type that floats are rounded to.
fn quantized_element(operands: &[&Node]) -> Result<ElementType, String> {
    let [x, scale, zero] = operands else { return Err("expected a scale and a zero point".into()) };
    let floats = [x.element, scale.element] == [ElementType::Float32; 2];
    let one = scale.shape.is_empty() && zero.shape.is_empty();
    match zero.element {
        ElementType::Uint8 | ElementType::Int8 if floats && one => Ok(zero.element),
        other => Err(format!("scale {:?} and zero point {:?} of {other}", scale.shape, zero.shape)),
    }
}

/// The type of integers that are scaled: floats.
fn dequantized_element(operands: &[&Node]) -> Result<ElementType, String> {
    let [x, scale, zero @ ..] = operands else { return Err("expected a scale".into()) };
    let fits = match scale.shape.as_slice() {
        [] => true,
        [rows] => x.shape.first() == Some(rows),
        _ => false,
    };
    let integers = matches!(x.element, ElementType::Uint8 | ElementType::Int8 | ElementType::Int32);
    let zero_fits = match zero {
        [] => true,
        [zero] => (&zero.shape, zero.element) == (&scale.shape, x.element),
        _ => false,
    };
    if fits && integers && zero_fits && scale.element == ElementType::Float32 {
        Ok(ElementType::Float32)
    } else {
        Err(format!("scale {:?} of {}", scale.shape, x.element))
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
    // An extent that the stride does not divide is no whole number, which no result has.
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

fn reshape(x: &[Dim], target: &[Extent]) -> Result<Shape, String> {
    let product = |dims: &[Dim]| dims.iter().fold(Dim::fixed(1), |p, &d| p * d);
    let mut shape = Vec::with_capacity(target.len());
    for (axis, &extent) in target.iter().enumerate() {
        shape.push(match extent {
            Extent::Keep => *x.get(axis).ok_or("no such axis to keep")?,
            Extent::Rest => Dim::fixed(1),
            Extent::Fixed(0) => return Err("an extent of zero".into()),
            Extent::Fixed(n) => Dim::fixed(n),
        });
    }
    let rest = product(x) / product(&shape);
    let mut open = target.iter().enumerate().filter(|(_, extent)| **extent == Extent::Rest);
    match (open.next(), open.next()) {
        (Some((axis, _)), None) => shape[axis] = rest,
        (Some(_), Some(_)) => return Err("two extents are left open".into()),
        (None, _) if rest == Dim::fixed(1) => {}
        (None, _) => return Err("number of values changes".into()),
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::Extent::{Fixed, Keep, Rest};
    use super::*;

    fn fixed(dims: &[usize]) -> Shape {
        dims.iter().copied().map(Dim::fixed).collect()
    }

    fn dynamic() -> Shape {
        vec![Dim::BATCH, Dim::fixed(32), Dim::HEIGHT / 8, Dim::WIDTH / 8]
    }

    /// The result for operands of these shapes, all float32.
    fn shape(op: Op, operands: &[Shape]) -> Result<Shape, String> {
        typed(op, operands, ElementType::Float32).map(|(shape, _)| shape)
    }

    fn typed(op: Op, operands: &[Shape], element: ElementType) -> Result<(Shape, ElementType), String> {
        let mut graph = super::super::Graph::default();
        let values: Vec<_> = operands.iter().map(|shape| graph.input("x", shape.clone(), element)).collect();
        infer(&op, &values.iter().map(|&v| graph.node(v)).collect::<Vec<_>>())
    }

    #[test]
    fn results_have_the_shape_that_their_operands_give() {
        let f = fixed;
        let conv = Conv::new([3, 1]).stride(2).groups(2);
        let rows_cut = vec![Dim::BATCH, Dim::WIDTH / 8, Dim::fixed(128), Dim::HEIGHT / 32];
        let cases = [
            (Op::Relu, vec![f(&[2, 3])], f(&[2, 3])),
            (Op::Conv(conv), vec![f(&[1, 4, 8, 6]), f(&[10, 2, 3, 1])], f(&[1, 10, 4, 3])),
            (Op::Conv(conv), vec![f(&[1, 4, 8, 6]), f(&[10, 2, 3, 1]), f(&[10])], f(&[1, 10, 4, 3])),
            (Op::BatchNorm { epsilon: 0.0 }, [vec![f(&[1, 4, 8, 6])], vec![f(&[4]); 4]].concat(), f(&[1, 4, 8, 6])),
            (Op::Add, vec![f(&[1, 32, 1, 1]), f(&[2, 32, 64, 30])], f(&[2, 32, 64, 30])),
            (Op::Mul, vec![f(&[32]), f(&[2, 3, 32])], f(&[2, 3, 32])),
            (Op::Div, vec![f(&[2, 3, 32]), f(&[3, 1])], f(&[2, 3, 32])),
            (Op::MaxPool, vec![f(&[1, 3, 8, 6])], f(&[1, 3, 4, 3])),
            (Op::MatMul, vec![f(&[2, 9, 17, 32]), f(&[2, 1, 32, 80])], f(&[2, 9, 17, 80])),
            (Op::ReduceSum(1), vec![f(&[2, 3, 4])], f(&[2, 1, 4])),
            (Op::ReduceMax(2), vec![f(&[2, 3, 4])], f(&[2, 3, 1])),
            (Op::Concat(1), vec![f(&[2, 3]), f(&[2, 5])], f(&[2, 8])),
            (Op::Channels { start: 1, end: 3 }, vec![f(&[1, 3, 2, 2])], f(&[1, 2, 2, 2])),
            (Op::GatherChannels(vec![2, 2, 0, 1]), vec![f(&[1, 3, 2, 2])], f(&[1, 4, 2, 2])),
            (Op::Shuffle, vec![f(&[1, 4, 2, 2])], f(&[1, 4, 2, 2])),
            (Op::Transpose(vec![2, 0, 1]), vec![f(&[2, 3, 4])], f(&[4, 2, 3])),
            (Op::Reshape(vec![Keep, Rest]), vec![f(&[2, 3, 4])], f(&[2, 12])),
            (Op::Reshape(vec![Fixed(6), Fixed(4)]), vec![f(&[2, 3, 4])], f(&[6, 4])),
            (
                Op::Reshape(vec![Keep, Keep, Fixed(128), Rest]),
                vec![vec![Dim::BATCH, Dim::WIDTH / 8, Dim::fixed(32), Dim::HEIGHT / 8]],
                rows_cut,
            ),
            (
                Op::Reshape(vec![Keep, Fixed(32), Fixed(64), Rest]),
                vec![dynamic()],
                vec![Dim::BATCH, Dim::fixed(32), Dim::fixed(64), Dim::HEIGHT * Dim::WIDTH / 4096],
            ),
            (Op::Pad { bottom: 2, right: 1, fill: 0.0 }, vec![f(&[1, 3, 4, 5])], f(&[1, 3, 6, 6])),
            (Op::Upsample(8), vec![f(&[1, 3, 4, 5])], f(&[1, 3, 32, 40])),
            (Op::ArgMax, vec![f(&[1, 3, 4, 5])], f(&[1, 4, 5])),
        ];
        for (op, operands, expected) in cases {
            assert_eq!(shape(op.clone(), &operands), Ok(expected), "{op:?} of {operands:?}");
        }
    }

    #[test]
    fn operands_that_do_not_fit_have_no_result() {
        let f = fixed;
        let picture = || f(&[1, 4, 8, 6]);
        let cases = [
            (Op::Input, vec![picture()]),
            (Op::Relu, vec![]),
            (Op::Conv(Conv::new([3, 3])), vec![picture()]),
            (Op::Conv(Conv::new([3, 3])), vec![picture(), f(&[10, 2, 3, 3])]),
            (Op::Conv(Conv::new([3, 3])), vec![picture(), f(&[10, 4, 3, 1])]),
            (Op::Conv(Conv::new([3, 3])), vec![picture(), f(&[10, 4, 3, 3]), f(&[9])]),
            (Op::Conv(Conv::new([3, 3])), vec![f(&[4, 8, 6]), f(&[10, 4, 3, 3])]),
            (Op::BatchNorm { epsilon: 0.0 }, [vec![picture()], vec![f(&[4]); 3]].concat()),
            (Op::BatchNorm { epsilon: 0.0 }, [vec![picture()], vec![f(&[4]); 3], vec![f(&[5])]].concat()),
            (Op::BatchNorm { epsilon: 0.0 }, [vec![f(&[4])], vec![f(&[4]); 4]].concat()),
            (Op::Add, vec![f(&[3]), f(&[4])]),
            (Op::Add, vec![f(&[3])]),
            (Op::MatMul, vec![f(&[2, 3]), f(&[4, 2])]),
            (Op::MatMul, vec![f(&[2, 3])]),
            (Op::MatMul, vec![f(&[3]), f(&[3])]),
            (Op::MaxPool, vec![f(&[4, 4])]),
            (Op::ReduceSum(2), vec![f(&[2, 3])]),
            (Op::Concat(2), vec![f(&[2, 3])]),
            (Op::Concat(1), vec![f(&[2, 3]), f(&[3, 3])]),
            (Op::Concat(2), vec![dynamic(), dynamic()]),
            (Op::Channels { start: 2, end: 2 }, vec![picture()]),
            (Op::Channels { start: 2, end: 5 }, vec![picture()]),
            (Op::GatherChannels(vec![0, 4]), vec![picture()]),
            (Op::Shuffle, vec![f(&[1, 3, 2, 2])]),
            (Op::Transpose(vec![0, 1]), vec![picture()]),
            (Op::Transpose(vec![0, 1, 2, 2]), vec![picture()]),
            (Op::Transpose(vec![0, 1, 2, 4]), vec![picture()]),
            (Op::Reshape(vec![Fixed(5), Fixed(3)]), vec![f(&[4, 4])]),
            (Op::Reshape(vec![Rest, Rest]), vec![f(&[4, 4])]),
            (Op::Reshape(vec![Fixed(0), Rest]), vec![f(&[4, 4])]),
            (Op::Reshape(vec![Fixed(16), Keep, Keep]), vec![f(&[4, 4])]),
            (Op::Reshape(vec![Fixed(16)]), vec![dynamic()]),
            (Op::Pad { bottom: 1, right: 1, fill: 0.0 }, vec![dynamic()]),
            (Op::Upsample(2), vec![f(&[4, 4])]),
            (Op::ArgMax, vec![f(&[4, 4])]),
            (Op::Reshape(vec![Fixed(3), Rest]), vec![f(&[4, 4])]),
            (Op::MaxPool, vec![f(&[1, 2, 5, 4])]),
            (Op::Conv(Conv::new([1, 1]).stride(2)), vec![f(&[1, 2, 4, 5]), f(&[2, 2, 1, 1])]),
        ];
        for (op, operands) in cases {
            let found = shape(op.clone(), &operands);
            assert!(found.is_err(), "{op:?} of {operands:?} gives {found:?}");
        }
    }

    #[test]
    fn element_types_follow_the_operands() {
        let x = fixed(&[1, 2, 2, 2]);
        let of = |op: Op| typed(op, std::slice::from_ref(&x), ElementType::Float16).map(|(_, element)| element);
        assert_eq!(of(Op::Relu), Ok(ElementType::Float16));
        assert_eq!(of(Op::Cast(ElementType::Int8)), Ok(ElementType::Int8));
        assert_eq!(of(Op::ArgMax), Ok(ElementType::Int64));
        let mut graph = super::super::Graph::default();
        let [a, b] = [ElementType::Float16, ElementType::Float32].map(|e| graph.input("x", x.clone(), e));
        assert!(infer(&Op::Add, &[graph.node(a), graph.node(b)]).is_err());
    }

    #[test]
    fn integers_have_a_scale_for_all_or_one_for_each_row() {
        type Operand<'a> = (&'a [usize], ElementType);
        use ElementType::{Float16, Float32, Int8, Int32, Int64, Uint8};
        let infer_of = |op: Op, operands: &[Operand<'_>]| {
            let mut graph = super::super::Graph::default();
            let values: Vec<_> = operands.iter().map(|(shape, e)| graph.input("x", fixed(shape), *e)).collect();
            infer(&op, &values.iter().map(|&v| graph.node(v)).collect::<Vec<_>>()).map(|(_, element)| element)
        };
        let (x, one, rows): (&[usize], &[usize], &[usize]) = (&[4, 2, 3, 1], &[], &[4]);
        let good: [(Op, Vec<Operand<'_>>, ElementType); 6] = [
            (Op::Quantize, vec![(x, Float32), (one, Float32), (one, Uint8)], Uint8),
            (Op::Quantize, vec![(x, Float32), (one, Float32), (one, Int8)], Int8),
            (Op::Dequantize, vec![(x, Uint8), (one, Float32), (one, Uint8)], Float32),
            (Op::Dequantize, vec![(x, Int8), (rows, Float32)], Float32),
            (Op::Dequantize, vec![(rows, Int32), (rows, Float32)], Float32),
            (Op::Dequantize, vec![(x, Int8), (rows, Float32), (rows, Int8)], Float32),
        ];
        for (op, operands, element) in good {
            assert_eq!(infer_of(op.clone(), &operands), Ok(element), "{op:?} of {operands:?}");
        }
        let bad: [(Op, Vec<Operand<'_>>); 11] = [
            (Op::Quantize, vec![(x, Float32), (one, Float32)]),
            (Op::Quantize, vec![(x, Float32), (rows, Float32), (rows, Uint8)]),
            (Op::Quantize, vec![(x, Float32), (one, Float32), (one, Int32)]),
            (Op::Quantize, vec![(x, Float16), (one, Float32), (one, Uint8)]),
            (Op::Dequantize, vec![(x, Uint8)]),
            (Op::Dequantize, vec![(x, Float32), (one, Float32)]),
            (Op::Dequantize, vec![(x, Int64), (one, Float32)]),
            (Op::Dequantize, vec![(x, Uint8), (one, Float16)]),
            (Op::Dequantize, vec![(x, Uint8), (one, Float32), (one, Int8)]),
            (Op::Dequantize, vec![(x, Int8), (&[2], Float32)]),
            (Op::Dequantize, vec![(x, Int8), (rows, Float32), (one, Int8)]),
        ];
        for (op, operands) in bad {
            let found = infer_of(op.clone(), &operands);
            assert!(found.is_err(), "{op:?} of {operands:?} gives {found:?}");
        }
    }
}
