//! What a graph computes, said as plainly as possible: loops over indices, in double precision. Nothing here is shared
//! with the passes.

use half::f16;

use crate::graph::{Conv, Extent, Graph, Op, Value};
use crate::tensor::Constant;

/// Values by index: row-major, outermost axis first.
#[derive(Clone, Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    pub fn new(shape: &[usize], value: impl FnMut(&[usize]) -> f64) -> Self {
        Self { shape: shape.to_vec(), data: indices(shape).iter().map(|index| index.as_slice()).map(value).collect() }
    }

    /// The value at `index`, where axes of extent one repeat and missing outer axes are left out.
    fn at(&self, index: &[usize]) -> f64 {
        let index = &index[index.len() - self.shape.len()..];
        let flat = |flat: usize, (&i, &extent): (&usize, &usize)| flat * extent + if extent == 1 { 0 } else { i };
        self.data[index.iter().zip(&self.shape).fold(0, flat)]
    }
}

/// All indices of a shape in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |outer, &extent| {
        outer.iter().flat_map(|index| (0..extent).map(move |i| [index.as_slice(), &[i]].concat())).collect()
    })
}

/// The outputs for an input of `picture`, by name.
pub fn outputs(graph: &Graph, picture: &Array) -> Vec<(String, Array)> {
    let arrays = values(graph, picture);
    let array = |value: Value| arrays[value.index()].clone();
    graph.outputs().iter().map(|output| (output.name.clone(), array(output.value))).collect()
}

/// All values for an input of `picture`.
pub fn values(graph: &Graph, picture: &Array) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for value in graph.values() {
        let node = graph.node(value);
        let operands: Vec<&Array> = node.inputs.iter().map(|operand| &arrays[operand.index()]).collect();
        let array = match &node.op {
            Op::Input => picture.clone(),
            op => compute(op, &operands),
        };
        // The shape that the graph promises, for this picture.
        let bytes = graph.nodes().iter().any(|node| node.op == Op::Input && node.element == crate::ElementType::Uint8);
        let (batch, height, width) = match picture.shape[..] {
            [batch, height, width, _] if bytes => (batch, height, width),
            [batch, _, height, width] => (batch, height, width),
            _ => panic!("no picture"),
        };
        let promised: Vec<_> = node.shape.iter().map(|dim| dim.at(batch, height, width).unwrap()).collect();
        assert_eq!(array.shape, promised, "{}", node.name);
        arrays.push(array);
    }
    arrays
}

fn compute(op: &Op, operands: &[&Array]) -> Array {
    if let Op::Constant(constant) = op {
        return constant_array(constant);
    }
    let x = operands[0];
    let binary = |f: fn(f64, f64) -> f64| {
        let y = operands[1];
        Array::new(&broadcast(&x.shape, &y.shape), |i| f(x.at(i), y.at(i)))
    };
    match op {
        Op::Conv(conv) => convolve(conv, x, operands[1], operands.get(2).copied()),
        Op::BatchNorm { epsilon } => Array::new(&x.shape, |i| {
            let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|k| operands[k].data[i[1]]);
            scale * (x.at(i) - mean) / (variance + f64::from(*epsilon)).sqrt() + shift
        }),
        Op::Relu => Array::new(&x.shape, |i| if x.at(i) < 0.0 { 0.0 } else { x.at(i) }),
        Op::Add => binary(|a, b| a + b),
        Op::Mul => binary(|a, b| a * b),
        Op::Div => binary(|a, b| a / b),
        Op::Sqrt => Array::new(&x.shape, |i| x.at(i).sqrt()),
        Op::MaxPool => Array::new(&[x.shape[0], x.shape[1], x.shape[2] / 2, x.shape[3] / 2], |i| {
            let taps = [[0, 0], [0, 1], [1, 0], [1, 1]];
            largest(taps.map(|[r, c]| x.at(&[i[0], i[1], 2 * i[2] + r, 2 * i[3] + c])))
        }),
        Op::MatMul => multiply(x, operands[1]),
        Op::ReduceSum(axis) => along(x, *axis, |values| values.iter().sum()),
        Op::ReduceMean(axis) => along(x, *axis, |values| values.iter().sum::<f64>() / values.len() as f64),
        Op::ReduceMax(axis) => along(x, *axis, |values| largest(values.iter().copied())),
        Op::Concat(axis) => {
            let mut shape = x.shape.clone();
            shape[*axis] = operands.iter().map(|operand| operand.shape[*axis]).sum();
            Array::new(&shape, |i| {
                let mut index = i.to_vec();
                let mut parts = operands.iter();
                let mut part = parts.next().unwrap();
                while index[*axis] >= part.shape[*axis] {
                    index[*axis] -= part.shape[*axis];
                    part = parts.next().unwrap();
                }
                part.at(&index)
            })
        }
        Op::Channels { start, end } => select(x, &(*start..*end).collect::<Vec<_>>()),
        Op::GatherChannels(channels) => select(x, channels),
        Op::Shuffle => {
            // As PyTorch's channel_shuffle: two rows of channels, read by column.
            let half = x.shape[1] / 2;
            let channels: Vec<_> = (0..half).flat_map(|column| [column, half + column]).collect();
            select(x, &channels)
        }
        Op::Transpose(axes) => {
            let shape: Vec<_> = axes.iter().map(|&axis| x.shape[axis]).collect();
            Array::new(&shape, |i| {
                let mut source = vec![0; axes.len()];
                for (position, &axis) in axes.iter().enumerate() {
                    source[axis] = i[position];
                }
                x.at(&source)
            })
        }
        Op::Reshape(target) => reshape(x, target),
        Op::Cast(crate::ElementType::Float32) => x.clone(),
        Op::Cast(element) if element.is_float() => {
            let narrow = *element == crate::ElementType::Float16;
            Array::new(&x.shape, |i| if narrow { f16::from_f64(x.at(i)).to_f64() } else { x.at(i) })
        }
        Op::Quantize => {
            let (step, zero) = (operands[1].data[0], operands[2].data[0]);
            // Only bytes without sign are made.
            Array::new(&x.shape, |i| ((x.at(i) / step).round_ties_even() + zero).clamp(0.0, 255.0))
        }
        Op::Dequantize => {
            let of_row = |operand: &Array, i: &[usize]| operand.data[if operand.data.len() == 1 { 0 } else { i[0] }];
            Array::new(&x.shape, |i| {
                (x.at(i) - operands.get(2).map_or(0.0, |zero| of_row(zero, i))) * of_row(operands[1], i)
            })
        }
        other => panic!("no test evaluates {other:?}"),
    }
}

fn constant_array(constant: &Constant) -> Array {
    let data = match constant {
        Constant::Float32(tensor) => tensor.data().iter().map(|&v| f64::from(v)).collect(),
        Constant::Float16(tensor) => tensor.data().iter().map(|v| v.to_f64()).collect(),
        Constant::Uint8(tensor) => tensor.data().iter().map(|&v| f64::from(v)).collect(),
        Constant::Int8(tensor) => tensor.data().iter().map(|&v| f64::from(v)).collect(),
        Constant::Int32(tensor) => tensor.data().iter().map(|&v| f64::from(v)).collect(),
        other => panic!("no test evaluates {:?}", other.element()),
    };
    Array { shape: constant.shape().to_vec(), data }
}

/// The largest, or NaN where one is NaN.
fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, |most, v| if v > most || v.is_nan() { v } else { most })
}

fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let padded = |shape: &[usize]| [vec![1; rank - shape.len()], shape.to_vec()].concat();
    padded(a).into_iter().zip(padded(b)).map(|(a, b)| a.max(b)).collect()
}

fn select(x: &Array, channels: &[usize]) -> Array {
    let mut shape = x.shape.clone();
    shape[1] = channels.len();
    Array::new(&shape, |i| {
        let mut index = i.to_vec();
        index[1] = channels[i[1]];
        x.at(&index)
    })
}

fn along(x: &Array, axis: usize, reduce: impl Fn(&[f64]) -> f64) -> Array {
    let mut shape = x.shape.clone();
    shape[axis] = 1;
    Array::new(&shape, |i| {
        let mut index = i.to_vec();
        let mut value = |k: usize| {
            index[axis] = k;
            x.at(&index)
        };
        reduce(&(0..x.shape[axis]).map(&mut value).collect::<Vec<_>>())
    })
}

fn multiply(a: &Array, b: &Array) -> Array {
    let (outer_a, [m, k]) = a.shape.split_last_chunk().unwrap();
    let (outer_b, [_, n]) = b.shape.split_last_chunk().unwrap();
    let shape = [broadcast(outer_a, outer_b), vec![*m, *n]].concat();
    Array::new(&shape, |i| {
        let (outer, [row, column]) = i.split_last_chunk().unwrap();
        (0..*k).map(|j| a.at(&[outer, &[*row, j]].concat()) * b.at(&[outer, &[j, *column]].concat())).sum()
    })
}

fn reshape(x: &Array, target: &[Extent]) -> Array {
    let mut shape: Vec<usize> = Vec::new();
    for (axis, extent) in target.iter().enumerate() {
        shape.push(match extent {
            Extent::Keep => x.shape[axis],
            Extent::Rest => 1,
            Extent::Fixed(n) => *n,
        });
    }
    if let Some(open) = target.iter().position(|extent| *extent == Extent::Rest) {
        shape[open] = x.data.len() / shape.iter().product::<usize>();
    }
    Array { shape, data: x.data.clone() }
}

fn convolve(conv: &Conv, x: &Array, weight: &Array, bias: Option<&Array>) -> Array {
    let ([n, _, h, w], [out, inputs, kh, kw]) = (four(x), four(weight));
    let outputs_per_group = out / conv.groups;
    // "Same" padding, by which the middle tap of an odd kernel lies on the output's own position.
    let pad = [conv.dilation[0] * (kh - 1) / 2, conv.dilation[1] * (kw - 1) / 2];
    Array::new(&[n, out, h / conv.stride, w / conv.stride], |i| {
        let mut sum = bias.map_or(0.0, |bias| bias.data[i[1]]);
        let first = i[1] / outputs_per_group * inputs;
        for c in 0..inputs {
            for r in 0..kh {
                for s in 0..kw {
                    let y = (i[2] * conv.stride + r * conv.dilation[0]).wrapping_sub(pad[0]);
                    let z = (i[3] * conv.stride + s * conv.dilation[1]).wrapping_sub(pad[1]);
                    if y < h && z < w {
                        sum += x.at(&[i[0], first + c, y, z]) * weight.at(&[i[1], c, r, s]);
                    }
                }
            }
        }
        sum
    })
}

fn four(x: &Array) -> [usize; 4] {
    x.shape.as_slice().try_into().unwrap()
}
