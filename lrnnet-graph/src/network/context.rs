//! The reduced non-local module (section 3.4, Eq. 4, Algorithm 1) and its ablations.

use crate::config::Context;
use crate::graph::Extent::{Fixed, Keep, Rest};
use crate::graph::{Conv, Op, Role, Scope, Value};
use crate::tensor::Tensor;

/// Width of the bottleneck: `32 x 64 x 128` at 512 x 1024 (section 3.4).
const BOTTLENECK: usize = 32;

/// Added under the root of a norm, so that an all-zero region gives a zero vector and never NaN.
const NORM_EPSILON: f32 = 1e-12;

/// `x + bn(expand(o))` with `o[p] = sum_j (q[p] . K_j) V_j` (Eq. 4: no softmax, no 1/S): `[n, c, h, w] -> [n, c, h, w]`.
///
/// The queries `q` are `bn(reduce(x))`. Keys and values are the same S vectors, which `context` chooses.
pub fn attend(at: &mut Scope<'_>, context: &Context, x: Value) -> Value {
    if *context == Context::None {
        return x;
    }
    let c = at.channels(x);
    let q = at.at("reduce").conv(x, BOTTLENECK, Conv::new([1, 1]));
    let q = at.at("reduce_bn").batch_norm(q);
    let o = attended(&mut at.in_float32(), context, q);
    let o = at.at("expand").conv(o, c, Conv::new([1, 1]));
    let o = at.at("expand_bn").batch_norm(o);
    at.at("add").add(x, o)
}

/// `o` of the queries `q`: `[n, 32, h, w] -> [n, 32, h, w]`. Norms and sums over positions leave float16's range.
fn attended(at: &mut Scope<'_>, context: &Context, q: Value) -> Value {
    let (keys, values) = keys_and_values(at, context, q);
    let queries = at.at("queries").transpose(q, &[0, 2, 3, 1]);
    let scores = at.at("scores").push(Op::MatMul, &[queries, keys]);
    let o = at.at("attended").push(Op::MatMul, &[scores, values]);
    at.at("attended_planes").transpose(o, &[0, 3, 1, 2])
}

/// Keys `[n, 1, 32, S]` and values `[n, 1, S, 32]`.
fn keys_and_values(at: &mut Scope<'_>, context: &Context, q: Value) -> (Value, Value) {
    if *context == Context::NonLocal {
        let keys = at.at("keys").reshape(q, &[Keep, Fixed(1), Fixed(BOTTLENECK), Rest]);
        return (keys, at.at("values").transpose(keys, &[0, 1, 3, 2]));
    }
    let start = matches!(context, Context::SingularVectors { .. }).then(|| {
        let u0 = at.param("u0", Role::Start, &[BOTTLENECK]);
        at.at("start").reshape(u0, &[Fixed(1), Fixed(BOTTLENECK), Fixed(1), Fixed(1)])
    });
    let mut per_scale = Vec::new();
    for &scale in context.scales() {
        let at = &mut at.at(format_args!("scale{scale}"));
        per_scale.push(match (context, start) {
            (Context::SingularVectors { iterations, .. }, Some(u0)) => {
                let (regions, _) = cut(at, q, scale, 0.0);
                singular_vectors(at, regions, u0, *iterations)
            }
            (Context::MaxPool { .. }, _) => max_of_regions(at, q, scale),
            _ => mean_of_regions(at, q, scale),
        });
    }
    let vectors = at.at("vectors").push(Op::Concat(2), &per_scale);
    let keys = at.at("keys").transpose(vectors, &[0, 3, 1, 2]);
    (keys, at.at("values").transpose(vectors, &[0, 3, 2, 1]))
}

/// Cuts `q` into `k x k` regions: `[n, 32, h, w] -> [n, 32, k k, P]`, and the real positions of each region.
///
/// Where `k` does not divide `h` or `w`, a region is `ceil(h/k) x ceil(w/k)` and `fill` stands right and below.
/// Four axes and no extent but `k` suffice: first the rows are cut, then the columns. So the same nodes serve a
/// dynamic graph, whose sizes are multiples of `8 k` and need no fill.
fn cut(at: &mut Scope<'_>, q: Value, k: usize, fill: f32) -> (Value, Option<Vec<usize>>) {
    let fixed = |axis: usize| at.shape(q)[axis].as_fixed();
    let extents = fixed(2).zip(fixed(3));
    let region = extents.map(|(h, w)| (h.div_ceil(k), w.div_ceil(k)));
    let mut padded = q;
    if let (Some((h, w)), Some((rows, columns))) = (extents, region) {
        let (bottom, right) = (rows * k - h, columns * k - w);
        if bottom + right > 0 {
            padded = at.at("pad").push(Op::Pad { bottom, right, fill }, &[q]);
        }
    }
    let columns_first = at.at("columns_first").transpose(padded, &[0, 3, 1, 2]);
    let rows_cut = at.at("rows_cut").reshape(columns_first, &[Keep, Keep, Fixed(BOTTLENECK * k), Rest]);
    let rows_first = at.at("rows_first").transpose(rows_cut, &[0, 2, 1, 3]);
    let regions = at.at("regions").reshape(rows_first, &[Keep, Fixed(BOTTLENECK), Fixed(k * k), Rest]);
    let counts = extents.zip(region).map(|((h, w), (rows, columns))| {
        let real = |extent: usize, size: usize, i: usize| extent.saturating_sub(i * size).min(size);
        (0..k * k).map(|r| real(h, rows, r / k) * real(w, columns, r % k)).collect()
    });
    (regions, counts)
}

/// The dominant left singular vector of each region's matrix A `[32, P]` by power iteration (Algorithm 1),
/// unrolled: `[n, 32, R, P] -> [n, 32, R, 1]`.
fn singular_vectors(at: &mut Scope<'_>, regions: Value, u0: Value, iterations: usize) -> Value {
    let mut u = u0;
    for t in 0..iterations {
        let at = &mut at.at(format_args!("step{t}"));
        u = normalized(&mut at.at("u"), u, 1);
        let v = weighted_sum(&mut at.at("v_sum"), regions, u, 1);
        let v = normalized(&mut at.at("v"), v, 3);
        u = weighted_sum(&mut at.at("u_sum"), regions, v, 3);
    }
    normalized(&mut at.at("u"), u, 1)
}

/// `A^T u` along the channels, or `A v` along the positions: a product and a sum, which needs no transposed copy.
fn weighted_sum(at: &mut Scope<'_>, regions: Value, vector: Value, axis: usize) -> Value {
    let products = at.at("products").push(Op::Mul, &[regions, vector]);
    at.push(Op::ReduceSum(axis), &[products])
}

/// `x / sqrt(sum(x^2) + 1e-12)` along `axis`.
fn normalized(at: &mut Scope<'_>, x: Value, axis: usize) -> Value {
    let squares = at.at("squares").push(Op::Mul, &[x, x]);
    let sum = at.at("sum").push(Op::ReduceSum(axis), &[squares]);
    let epsilon = at.at("epsilon").constant(Tensor::from_fn([1], |_| NORM_EPSILON));
    let sum = at.at("sum_eps").add(sum, epsilon);
    let norm = at.at("norm").push(Op::Sqrt, &[sum]);
    at.push(Op::Div, &[x, norm])
}

/// The maximum over each region's real positions, zero where it has none: `[n, 32, h, w] -> [n, 32, k k, 1]`.
fn max_of_regions(at: &mut Scope<'_>, q: Value, k: usize) -> Value {
    let (regions, counts) = cut(at, q, k, f32::MIN);
    let max = at.at("max").push(Op::ReduceMax(3), &[regions]);
    match counts {
        Some(counts) if counts.contains(&0) => {
            let mask = Tensor::from_fn([1, 1, k * k, 1], |r| if counts[r] == 0 { 0.0 } else { 1.0 });
            let mask = at.at("mask").constant(mask);
            at.at("masked").push(Op::Mul, &[max, mask])
        }
        _ => max,
    }
}

/// The mean over each region's real positions, zero where it has none: `[n, 32, h, w] -> [n, 32, k k, 1]`.
fn mean_of_regions(at: &mut Scope<'_>, q: Value, k: usize) -> Value {
    let (regions, counts) = cut(at, q, k, 0.0);
    let Some(counts) = counts else {
        return at.at("mean").push(Op::ReduceMean(3), &[regions]);
    };
    let sum = at.at("sum").push(Op::ReduceSum(3), &[regions]);
    let reciprocal = Tensor::from_fn([1, 1, k * k, 1], |r| if counts[r] == 0 { 0.0 } else { 1.0 / counts[r] as f32 });
    let reciprocal = at.at("reciprocal").constant(reciprocal);
    at.at("mean").push(Op::Mul, &[sum, reciprocal])
}
