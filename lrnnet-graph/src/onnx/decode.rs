//! One node of a file as an operator of this crate: the inverse of what [`encode`](super::encode) writes for it.

use std::ops::RangeInclusive;
use std::slice::Iter;

use half::f16;

use super::encode::{float, int, ints, string};
use super::opset::Opset;
use super::proto::{AttributeProto, DataType, NodeProto, TensorProto};
use super::verdict::NodeProblem;
use crate::graph::{Conv, ElementType, Extent, Op};

/// The longest side of a kernel, and the largest dilation, stride and factor: several times those of this network.
const MAX_STEP: usize = 64;
/// Rows or columns that a fill may add, and one past the last channel of a selection.
const MAX_EXTENT: usize = 1 << 14;

/// Finds a stored constant by its name.
pub type Stored<'f, 'p> = &'f dyn Fn(&str) -> Option<&'p TensorProto>;

/// The operator of `node`, and its operands without the constants that are part of the operator.
pub fn operator<'n>(
    node: &'n NodeProto,
    opset: Opset,
    stored: Stored<'_, '_>,
) -> Result<(Op, &'n [String]), NodeProblem> {
    let (values, inner) = operands(node.op_type(), opset).ok_or(NodeProblem::Operator)?;
    let given = node.input.len();
    if !given.checked_sub(inner).is_some_and(|given| values.contains(&given)) {
        return Err(NodeProblem::OperandCount(given));
    }
    let (values, names) = node.input.split_at(given - inner);
    let mut attributes = Attributes(node.attribute.iter());
    let op = decode(node.op_type(), opset, &mut attributes, &Inner { names, stored })?;
    match attributes.0.next() {
        Some(more) => Err(NodeProblem::attribute(more)),
        None => Ok((op, values)),
    }
}

/// How many operands an operator has that are values, and how many after them that are constants of this crate's
/// operator.
fn operands(op_type: &str, opset: Opset) -> Option<(RangeInclusive<usize>, usize)> {
    Some(match op_type {
        "Relu" | "Sqrt" | "MaxPool" | "Transpose" | "ArgMax" | "Cast" => (1..=1, 0),
        "Add" | "Mul" | "Div" | "MatMul" => (2..=2, 0),
        "Conv" | "DequantizeLinear" => (2..=3, 0),
        "QuantizeLinear" => (3..=3, 0),
        "BatchNormalization" => (5..=5, 0),
        "Concat" => (1..=MAX_EXTENT, 0),
        "ReduceSum" => (1..=1, opset.sums_take_axes().into()),
        "ReduceMean" | "ReduceMax" => (1..=1, opset.reductions_take_axes().into()),
        "Gather" | "Reshape" => (1..=1, 1),
        "Pad" | "Resize" => (1..=1, 2),
        "Slice" => (1..=1, 3),
        _ => return None,
    })
}

fn decode(
    op_type: &str,
    opset: Opset,
    attributes: &mut Attributes<'_>,
    inner: &Inner<'_, '_, '_>,
) -> Result<Op, NodeProblem> {
    Ok(match op_type {
        "Conv" => Op::Conv(conv(attributes)?),
        "BatchNormalization" => Op::BatchNorm { epsilon: attributes.float("epsilon")? },
        "Relu" => Op::Relu,
        "Add" => Op::Add,
        "Mul" => Op::Mul,
        "Div" => Op::Div,
        "Sqrt" => Op::Sqrt,
        "MaxPool" => {
            attributes.exactly(&ints("kernel_shape", [2, 2]))?;
            attributes.exactly(&ints("strides", [2, 2]))?;
            Op::MaxPool
        }
        "MatMul" => Op::MatMul,
        "ReduceSum" => Op::ReduceSum(axis(attributes, inner)?),
        "ReduceMean" => Op::ReduceMean(axis(attributes, inner)?),
        "ReduceMax" => Op::ReduceMax(axis(attributes, inner)?),
        "Concat" => Op::Concat(attributes.int("axis")?),
        "Slice" => {
            match (inner.integers(0)?.as_slice(), inner.integers(1)?.as_slice(), inner.integers(2)?.as_slice()) {
                (&[start], &[end], &[1]) => Op::Channels { start: inner.index(0, start)?, end: inner.index(1, end)? },
                _ => return Err(inner.wrong(2)),
            }
        }
        "Gather" => {
            attributes.exactly(&int("axis", 1))?;
            let indices = inner.integers(0)?.into_iter().map(|i| inner.index(0, i));
            Op::GatherChannels(indices.collect::<Result<_, _>>()?)
        }
        "Transpose" => Op::Transpose(attributes.ints("perm")?),
        "Reshape" => {
            let extents = inner.integers(0)?.into_iter().map(|n| inner.extent(0, n));
            Op::Reshape(extents.collect::<Result<_, _>>()?)
        }
        "Pad" => match inner.integers(0)?.as_slice() {
            &[0, 0, 0, 0, 0, 0, bottom, right] => {
                Op::Pad { bottom: inner.index(0, bottom)?, right: inner.index(0, right)?, fill: inner.scalar(1)? }
            }
            _ => return Err(inner.wrong(0)),
        },
        "Resize" => {
            attributes.exactly(&string("coordinate_transformation_mode", "half_pixel"))?;
            attributes.exactly(&string("mode", "linear"))?;
            Op::Upsample(factor(opset, inner)?)
        }
        "ArgMax" => {
            attributes.exactly(&int("axis", 1))?;
            attributes.exactly(&int("keepdims", 0))?;
            Op::ArgMax
        }
        "QuantizeLinear" => Op::Quantize,
        "DequantizeLinear" => {
            // Whether there is one follows from the scale, whose shape is not known here.
            attributes.optional(&int("axis", 0));
            Op::Dequantize
        }
        "Cast" => Op::Cast(attributes.element("to")?),
        _ => return Err(NodeProblem::Operator),
    })
}

fn conv(attributes: &mut Attributes<'_>) -> Result<Conv, NodeProblem> {
    let dilation = attributes.steps("dilations")?;
    let groups = attributes.int("group")?;
    let kernel = attributes.steps("kernel_shape")?;
    // The padding follows from these, which stands between them and the stride.
    let conv = Conv { kernel, stride: 1, dilation, groups };
    let [bottom, right] = conv.padding();
    attributes.exactly(&ints("pads", [bottom, right, bottom, right]))?;
    let [stride, across] = attributes.steps("strides")?;
    if groups == 0 || groups > MAX_EXTENT || stride != across {
        return Err(NodeProblem::Attribute("group or strides".into()));
    }
    Ok(conv.stride(stride))
}

fn axis(attributes: &mut Attributes<'_>, inner: &Inner<'_, '_, '_>) -> Result<usize, NodeProblem> {
    let axes = match inner.names {
        [] => attributes.ints("axes")?,
        _ => inner.integers(0)?.into_iter().map(|axis| inner.index(0, axis)).collect::<Result<_, _>>()?,
    };
    attributes.exactly(&int("keepdims", 1))?;
    match axes.as_slice() {
        &[axis] => Ok(axis),
        _ => Err(NodeProblem::Attribute("axes".into())),
    }
}

/// Of an upsampling. Its first constant is a region that only cropping uses.
fn factor(opset: Opset, inner: &Inner<'_, '_, '_>) -> Result<usize, NodeProblem> {
    let no_region = match opset.resize_region_is_optional() {
        true => inner.names[0].is_empty(),
        false => inner.floats(0)?.is_empty(),
    };
    let factors = inner.floats(1)?;
    let (Ok([n, c, h, w]), true) = (<[f32; 4]>::try_from(factors), no_region) else { return Err(inner.wrong(1)) };
    let is_factor = h == w && (1.0..=MAX_STEP as f32).contains(&h) && h.fract() == 0.0;
    if [n, c] == [1.0; 2] && is_factor { Ok(h as usize) } else { Err(inner.wrong(1)) }
}

/// The attributes of a node in the order in which they are written, each of which must be just as it is written.
struct Attributes<'n>(Iter<'n, AttributeProto>);

impl<'n> Attributes<'n> {
    fn next(&mut self, name: &str) -> Result<&'n AttributeProto, NodeProblem> {
        self.0.next().ok_or_else(|| NodeProblem::NoAttribute(name.to_owned()))
    }

    fn exactly(&mut self, expected: &AttributeProto) -> Result<(), NodeProblem> {
        let found = self.next(expected.name())?;
        if found == expected { Ok(()) } else { Err(NodeProblem::attribute(found)) }
    }

    fn optional(&mut self, expected: &AttributeProto) {
        if self.0.as_slice().first() == Some(expected) {
            self.0.next();
        }
    }

    fn int(&mut self, name: &str) -> Result<usize, NodeProblem> {
        let found = self.next(name)?;
        let value = found.i.and_then(|i| usize::try_from(i).ok()).filter(|&i| *found == int(name, i));
        value.ok_or_else(|| NodeProblem::attribute(found))
    }

    fn ints(&mut self, name: &str) -> Result<Vec<usize>, NodeProblem> {
        let found = self.next(name)?;
        let values: Option<Vec<_>> = found.ints.iter().map(|&i| usize::try_from(i).ok()).collect();
        let exact = values.filter(|values| *found == ints(name, values.iter().copied()));
        exact.ok_or_else(|| NodeProblem::attribute(found))
    }

    /// A step for rows and one for columns.
    fn steps(&mut self, name: &str) -> Result<[usize; 2], NodeProblem> {
        let steps = <[usize; 2]>::try_from(self.ints(name)?);
        let small = steps.ok().filter(|steps| steps.iter().all(|step| (1..=MAX_STEP).contains(step)));
        small.ok_or_else(|| NodeProblem::Attribute(name.to_owned()))
    }

    fn float(&mut self, name: &str) -> Result<f32, NodeProblem> {
        let found = self.next(name)?;
        let value = found.f.filter(|&f| f.is_finite() && f > 0.0 && *found == float(name, f));
        value.ok_or_else(|| NodeProblem::attribute(found))
    }

    fn element(&mut self, name: &str) -> Result<ElementType, NodeProblem> {
        let number = i32::try_from(self.int(name)?).ok();
        number.and_then(ElementType::of_onnx).ok_or_else(|| NodeProblem::Attribute(name.to_owned()))
    }
}

/// The constants that are part of an operator.
struct Inner<'n, 'f, 'p> {
    names: &'n [String],
    stored: Stored<'f, 'p>,
}

impl Inner<'_, '_, '_> {
    fn wrong(&self, index: usize) -> NodeProblem {
        NodeProblem::Constant(self.names[index].clone())
    }

    /// The bytes of a constant of this type and rank.
    fn bytes(&self, index: usize, element: DataType, rank: usize) -> Result<&[u8], NodeProblem> {
        let tensor = (self.stored)(&self.names[index]).ok_or_else(|| self.wrong(index))?;
        let fits = tensor.data_type == Some(element as i32) && tensor.dims.len() == rank;
        tensor.raw_data.as_deref().filter(|_| fits).ok_or_else(|| self.wrong(index))
    }

    fn integers(&self, index: usize) -> Result<Vec<i64>, NodeProblem> {
        let bytes = self.bytes(index, DataType::Int64, 1)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    fn floats(&self, index: usize) -> Result<Vec<f32>, NodeProblem> {
        let bytes = self.bytes(index, DataType::Float32, 1)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// One float, in the type of the value that it is put beside.
    fn scalar(&self, index: usize) -> Result<f32, NodeProblem> {
        let half = || Some(f16::from_le_bytes(*self.bytes(index, DataType::Float16, 0).ok()?.first_chunk()?).to_f32());
        let single = self.bytes(index, DataType::Float32, 0).ok().and_then(|bytes| bytes.first_chunk());
        single.map(|bytes| f32::from_le_bytes(*bytes)).or_else(half).ok_or_else(|| self.wrong(index))
    }

    fn index(&self, at: usize, value: i64) -> Result<usize, NodeProblem> {
        usize::try_from(value).ok().filter(|&n| n <= MAX_EXTENT).ok_or_else(|| self.wrong(at))
    }

    fn extent(&self, at: usize, value: i64) -> Result<Extent, NodeProblem> {
        match value {
            0 => Ok(Extent::Keep),
            -1 => Ok(Extent::Rest),
            n => usize::try_from(n).ok().filter(|&n| n <= 1 << 31).map(Extent::Fixed).ok_or_else(|| self.wrong(at)),
        }
    }
}
