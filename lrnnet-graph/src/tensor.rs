//! Trained tensors on their way from a weight file to a graph.

use std::collections::BTreeMap;

/// A row-major tensor of `f32` values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Pairs extents with row-major values; `None` unless the extents multiply to the number of values.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Option<Self> {
        let shape = shape.into();
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (len == data.len()).then_some(Self { shape, data })
    }

    /// A tensor whose values `value(flat row-major index)` gives.
    pub fn from_fn(shape: impl Into<Vec<usize>>, value: impl FnMut(usize) -> f32) -> Self {
        let shape = shape.into();
        let data = (0..shape.iter().product()).map(value).collect();
        Self { shape, data }
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Row-major values.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Row-major values, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

/// Trained tensors by the name that the contract of parameter names gives them (`encoder.0.conv.weight`, ...).
pub type Weights = BTreeMap<String, Tensor>;
