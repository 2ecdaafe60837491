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
        let mut num = self.num;
        for (value, power) in [batch, height, width].into_iter().zip(self.powers) {
            num = num.checked_mul(value.checked_pow(u32::try_from(power).ok()?)?)?;
        }
        num.is_multiple_of(self.den).then_some(num / self.den)
    }

    fn reduced(num: usize, den: usize, powers: [i8; 3]) -> Self {
        let (mut a, mut b) = (num, den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { num: num / a.max(1), den: den / a.max(1), powers }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Self::fixed(n)
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
        assert_eq!(rows * 8, Dim::HEIGHT);
        assert_eq!(region / (Dim::WIDTH / 64), Dim::HEIGHT / 64);
        assert_eq!((Dim::fixed(45) * 60 / 30).as_fixed(), Some(90));
        assert_eq!(Dim::BATCH.as_fixed(), None);
        assert_eq!(region.at(1, 128, 192), Some(6));
        assert_eq!(rows.at(1, 100, 8), None);
    }
}
