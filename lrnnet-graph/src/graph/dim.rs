//! Extents that may depend on the caller's batch, height and width.

use std::fmt;
use std::ops::{Div, Mul};

/// An extent `num / den * batch^a * height^b * width^c`, in lowest terms.
///
/// Everything this network does to a shape is multiplication and exact division, so one monomial is enough to know
/// every shape of a dynamic graph without a single `Shape` node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dim {
    num: usize,
    den: usize,
    powers: [i8; 3],
}

/// Extents, outermost first.
pub type Shape = Vec<Dim>;

const SYMBOLS: [&str; 3] = ["batch", "height", "width"];

impl Dim {
    /// The caller's batch size.
    pub const BATCH: Self = Self { num: 1, den: 1, powers: [1, 0, 0] };
    /// The caller's number of rows.
    pub const HEIGHT: Self = Self { num: 1, den: 1, powers: [0, 1, 0] };
    /// The caller's number of columns.
    pub const WIDTH: Self = Self { num: 1, den: 1, powers: [0, 0, 1] };

    /// An extent known now.
    pub const fn fixed(n: usize) -> Self {
        Self { num: n, den: 1, powers: [0; 3] }
    }

    /// The number, if it does not depend on the caller.
    pub fn as_fixed(self) -> Option<usize> {
        (self.powers == [0; 3] && self.den == 1).then_some(self.num)
    }

    /// The number for a given batch, height and width; `None` where that is no whole number.
    pub fn at(self, batch: usize, height: usize, width: usize) -> Option<usize> {
        if self.den == 0 {
            return None;
        }
        let mut num = self.num;
        for (value, power) in [batch, height, width].into_iter().zip(self.powers) {
            num = num.checked_mul(value.checked_pow(u32::try_from(power).ok()?)?)?;
        }
        num.is_multiple_of(self.den).then_some(num / self.den)
    }

    /// Whether this may be an extent: no quotient of numbers known now, and none by what the caller chooses.
    pub(crate) fn is_whole(self) -> bool {
        let is_fixed = self.powers == [0; 3];
        self.den != 0 && self.powers.iter().all(|&power| power >= 0) && (!is_fixed || self.den == 1)
    }

    /// Whether a value of this shape has a size that can be reckoned with and computed with: at least one element, at
    /// most 2^31 but for what the caller chooses, and of what the caller chooses no high powers.
    pub(crate) fn are_modest(shape: &[Self]) -> bool {
        let product = |part: fn(&Self) -> usize, max: usize| {
            shape.iter().try_fold(1usize, |n, dim| n.checked_mul(part(dim)).filter(|n| (1..=max).contains(n)))
        };
        let power = |axis: usize| shape.iter().map(|dim| i32::from(dim.powers[axis])).sum::<i32>();
        product(|dim| dim.num, 1 << 31).is_some()
            && product(|dim| dim.den, 1 << 24).is_some()
            && (0..3).all(|axis| (0..=4).contains(&power(axis)))
    }

    fn reduced(num: usize, den: usize, powers: [i8; 3]) -> Self {
        let (mut a, mut b) = (num, den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { num: num / a.max(1), den: den / a.max(1), powers }
    }
}

impl Mul for Dim {
    type Output = Self;

    fn mul(self, rhs: Self) -> Self {
        let powers = std::array::from_fn(|i| self.powers[i] + rhs.powers[i]);
        Self::reduced(self.num * rhs.num, self.den * rhs.den, powers)
    }
}

impl Mul<usize> for Dim {
    type Output = Self;

    fn mul(self, rhs: usize) -> Self {
        self * Self::fixed(rhs)
    }
}

impl Div for Dim {
    type Output = Self;

    fn div(self, rhs: Self) -> Self {
        let powers = std::array::from_fn(|i| self.powers[i] - rhs.powers[i]);
        Self::reduced(self.num * rhs.den, self.den * rhs.num, powers)
    }
}

impl Div<usize> for Dim {
    type Output = Self;

    fn div(self, rhs: usize) -> Self {
        self / Self::fixed(rhs)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factors: Vec<String> = Vec::new();
        if self.num != 1 || self.powers == [0; 3] {
            factors.push(self.num.to_string());
        }
        for (symbol, &power) in SYMBOLS.iter().zip(&self.powers) {
            factors.extend((0..power).map(|_| (*symbol).to_owned()));
        }
        f.write_str(&factors.join("*"))?;
        if self.den == 1 { Ok(()) } else { write!(f, "/{}", self.den) }
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monomials_multiply_divide_and_print() {
        let rows = Dim::HEIGHT / 8;
        let region = rows / 8 * (Dim::WIDTH / 64);
        assert_eq!(rows.to_string(), "height/8");
        assert_eq!(region.to_string(), "height*width/4096");
        assert_eq!(format!("{:?}", [rows, Dim::fixed(3)]), "[height/8, 3]");
        assert_eq!(rows * 8, Dim::HEIGHT);
        assert_eq!(region / (Dim::WIDTH / 64), Dim::HEIGHT / 64);
        assert_eq!((Dim::fixed(45) * 60 / 30).as_fixed(), Some(90));
        assert_eq!(Dim::BATCH.as_fixed(), None);
        assert_eq!(region.at(1, 128, 192), Some(6));
        assert_eq!(rows.at(1, 100, 8), None);
        assert_eq!((Dim::BATCH * Dim::HEIGHT * Dim::HEIGHT * 3).to_string(), "3*batch*height*height");
        assert_eq!((Dim::fixed(1).to_string(), Dim::fixed(0).to_string()), ("1".into(), "0".into()));
    }

    #[test]
    fn numbers_that_are_no_extent_are_known() {
        let (half, zero) = (Dim::fixed(1) / 2, Dim::fixed(0));
        for extent in [Dim::fixed(7), zero, Dim::HEIGHT / 8, Dim::BATCH * 3, Dim::WIDTH / Dim::WIDTH] {
            assert!(extent.is_whole(), "{extent}");
        }
        for none in [half, Dim::fixed(3) / Dim::WIDTH, zero / 0, Dim::HEIGHT / 0] {
            assert!(!none.is_whole(), "{none}");
        }
        assert_eq!((half.as_fixed(), (Dim::fixed(3) / Dim::WIDTH).as_fixed()), (None, None));
        let at = [(zero / 0).at(1, 1, 1), (Dim::BATCH / Dim::WIDTH).at(1, 1, 1), Dim::WIDTH.at(1, 1, 0)];
        assert_eq!(at, [None, None, Some(0)]);
        assert_eq!((Dim::HEIGHT * Dim::HEIGHT).at(1, usize::MAX, 1), None);
    }
}
