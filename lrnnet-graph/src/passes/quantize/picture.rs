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
        let affine_of: Vec<_> = self.affine.chunks(inputs_per_group).collect();
        for (out, (row, bias)) in rows.iter_mut().zip(bias).enumerate() {
            let taps = row.len() / inputs_per_group;
            for (taps, [factor, offset]) in row.chunks_mut(taps).zip(affine_of[out / outputs_per_group]) {
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

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use crate::graph::{Conv, Dim, ElementType, Graph, Op, Role, Value};
    use crate::tensor::Tensor;

    const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const STD: [f32; 3] = [0.229, 0.224, 0.225];

    /// A graph that normalises a picture of bytes, with as many factors and offsets as are given, and what `read` makes
    /// of it.
    fn normalised(factors: &[f32], offsets: &[f32], read: impl FnOnce(&mut Graph, Value) -> Value) -> Graph {
        let mut graph = Graph::default();
        let shape = vec![Dim::fixed(1), Dim::fixed(4), Dim::fixed(8), Dim::fixed(3)];
        let bytes = graph.input("image", shape, ElementType::Uint8);
        let planes = graph.push("planes", Op::Transpose(vec![0, 3, 1, 2]), &[bytes]);
        let float = graph.push("float", Op::Cast(ElementType::Float32), &[planes]);
        let constant = |graph: &mut Graph, name: &str, values: &[f32]| {
            graph.constant(name, Tensor::from_fn([1, values.len(), 1, 1], |i| values[i]))
        };
        let (factor, offset) = (constant(&mut graph, "factor", factors), constant(&mut graph, "offset", offsets));
        let scaled = graph.push("scaled", Op::Mul, &[float, factor]);
        let picture = graph.push("normalised", Op::Add, &[scaled, offset]);
        let result = read(&mut graph, picture);
        graph.output("result", result);
        graph
    }

    fn conv(graph: &mut Graph, x: Value) -> Value {
        let weight = graph.constant("weight", Tensor::from_fn([2, 3, 1, 1], |i| i as f32));
        graph.push("conv", Op::Conv(Conv::new([1, 1])), &[x, weight])
    }

    fn factors() -> [f32; 3] {
        STD.map(|std| 1.0 / (255.0 * std))
    }

    fn offsets() -> [f32; 3] {
        std::array::from_fn(|channel| -MEAN[channel] / STD[channel])
    }

    #[test]
    fn zero_is_the_byte_of_the_mean_colour() {
        let graph = normalised(&factors(), &offsets(), conv);
        let plan = Plan::of(&graph);
        let picture = plan.picture.as_ref().expect("the graph normalises bytes");
        // 255 (0.485 + 0.456 + 0.406) / 3 = 114.5, and a little less by rounding of the constants.
        assert_eq!(picture.scale.zero, 114);
        for (channel, [factor, offset]) in picture.affine.iter().enumerate() {
            let normal = |byte: f64| (byte / 255.0 - f64::from(MEAN[channel])) / f64::from(STD[channel]);
            for byte in [0.0, 114.0, 255.0] {
                let found = factor * (byte - 114.0) + offset;
                assert!((found - normal(byte)).abs() < 1e-6, "{channel} {byte}: {found}, {}", normal(byte));
            }
        }
    }

    #[test]
    fn a_picture_stays_bytes_only_where_all_that_reads_it_can_take_them() {
        let pooled = |graph: &mut Graph, x: Value| {
            let pool = graph.push("pool", Op::MaxPool, &[x]);
            conv(graph, pool)
        };
        let activated = |graph: &mut Graph, x: Value| graph.push("relu", Op::Relu, &[x]);
        let pooled_and_activated = |graph: &mut Graph, x: Value| {
            let pool = graph.push("pool", Op::MaxPool, &[x]);
            graph.push("relu", Op::Relu, &[pool])
        };
        let unbound = |graph: &mut Graph, x: Value| {
            let weight = graph.param("weight", Role::Weight, &[2, 3, 1, 1]);
            graph.push("conv", Op::Conv(Conv::new([1, 1])), &[x, weight])
        };
        let (factors, offsets) = (factors(), offsets());
        let all = |read: fn(&mut Graph, Value) -> Value| normalised(&factors, &offsets, read);
        let cases = [
            ("a convolution", all(conv), true),
            ("a pooling before it", all(pooled), true),
            ("one factor for all channels", normalised(&factors[..1], &offsets, conv), false),
            ("one offset for all channels", normalised(&factors, &offsets[..1], conv), false),
            ("a ReLU", all(activated), false),
            ("a ReLU behind a pooling", all(pooled_and_activated), false),
            ("weights that are not known", all(unbound), false),
        ];
        for (name, graph, stays) in cases {
            assert_eq!(Plan::of(&graph).picture.is_some(), stays, "{name}");
        }
    }
}
