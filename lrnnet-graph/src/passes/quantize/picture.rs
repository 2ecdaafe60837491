//! The picture, which is bytes before it is normalised.

use super::scale::Scale;
use crate::graph::{ElementType, Graph, Op, Value};

/// The normalised picture of a graph that is given bytes.
pub struct Picture {
    /// The normalised picture.
    pub value: Value,
    /// The bytes in planes: `[n, 3, h, w]`.
    pub planes: Value,
    /// What a byte stands for: itself less that of the mean colour.
    pub scale: Scale,
    /// What the normalised picture is of that, by channel: `factor x + offset`.
    affine: Vec<[f64; 2]>,
}

impl Picture {
    /// Finds `Cast(Transpose(input)) factor + offset`, which is how this crate normalises; `None` where it is read by
    /// something else than convolutions of constants, with or without a pooling before them.
    pub fn of(graph: &Graph, readers: &[Vec<Value>]) -> Option<Self> {
        let input = graph.values().find(|&value| graph.node(value).op == Op::Input)?;
        let only_reader = |value: Value| match readers[value.index()][..] {
            [reader] => Some(reader),
            _ => None,
        };
        let planes = only_reader(input).filter(|&v| matches!(graph.node(v).op, Op::Transpose(_)))?;
        let float = only_reader(planes).filter(|&v| graph.node(v).op == Op::Cast(ElementType::Float32))?;
        let scaled = only_reader(float).filter(|&v| graph.node(v).op == Op::Mul)?;
        let value = only_reader(scaled).filter(|&v| graph.node(v).op == Op::Add)?;
        let constant = |v: Value| graph.constant_of(*graph.node(v).inputs.get(1)?).map(|tensor| tensor.data());
        let (factors, offsets) = (constant(scaled)?, constant(value)?);
        let all = readers[value.index()].iter().all(|&reader| reads_bytes(graph, readers, value, reader));
        if !all || factors.len() != 3 || offsets.len() != 3 {
            return None;
        }
        // The byte of the mean colour, which stands in for the zeros that surround a normalised picture.
        let means = factors.iter().zip(offsets).map(|(factor, offset)| -f64::from(*offset) / f64::from(*factor));
        let zero = (means.sum::<f64>() / 3.0).round_ties_even().clamp(0.0, 255.0) as u8;
        let affine = factors.iter().zip(offsets).map(|(&factor, &offset)| {
            let factor = f64::from(factor);
            [factor, f64::from(offset) + factor * f64::from(zero)]
        });
        Some(Self { value, planes, scale: Scale { step: 1.0, zero }, affine: affine.collect() })
    }

    /// A convolution's weight and bias for bytes instead of the normalised picture: `weight[out, in, kh, kw]` in
    /// `groups`, as rows of one output each.
    pub fn fold(&self, rows: &mut [Vec<f64>], bias: &mut [f64], inputs_per_group: usize, outputs_per_group: usize) {
        for (out, (row, bias)) in rows.iter_mut().zip(bias).enumerate() {
            let taps = row.len() / inputs_per_group;
            let first = out / outputs_per_group * inputs_per_group;
            for (channel, taps) in row.chunks_mut(taps).enumerate() {
                let [factor, offset] = self.affine[first + channel];
                *bias += offset * taps.iter().sum::<f64>();
                taps.iter_mut().for_each(|weight| *weight *= factor);
            }
        }
    }
}

fn reads_bytes(graph: &Graph, readers: &[Vec<Value>], value: Value, reader: Value) -> bool {
    let node = graph.node(reader);
    match node.op {
        Op::Conv(_) => node.inputs[0] == value && node.inputs[1..].iter().all(|&v| graph.constant_of(v).is_some()),
        Op::MaxPool => readers[reader.index()].iter().all(|&next| reads_bytes(graph, readers, reader, next)),
        _ => false,
    }
}
