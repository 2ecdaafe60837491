//! Frame rates and shapes of pixels.

use std::fmt;
use std::str::FromStr;

use crate::ErrorKind;

/// A quotient of whole numbers, both above zero: frames a second, or the width of a pixel by its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    over: u32,
    under: u32,
}

impl Ratio {
    /// Square pixels, or a frame a second.
    pub const ONE: Self = Self { over: 1, under: 1 };

    /// None where one of the numbers is zero.
    pub fn new(over: u32, under: u32) -> Option<Self> {
        (over > 0 && under > 0).then_some(Self { over, under })
    }

    /// The quotient's numbers.
    pub fn parts(self) -> (u32, u32) {
        (self.over, self.under)
    }

    /// One divided by this.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { over: self.under, under: self.over }
    }
}

/// `30000/1001`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.over, self.under)
    }
}

/// Words that are no ratio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate; expected a number above 0, such as 25, 29.97 or 30000/1001")]
pub struct RatioError(String);

impl RatioError {
    /// The sort of the error: always [`ErrorKind::Argument`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// `25`, `29.97` (to a thousandth), `30000/1001` or `30000:1001`.
impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let parsed = match text.split_once(['/', ':']) {
            Some((over, under)) => over.parse().ok().zip(under.parse().ok()),
            None => match text.parse::<u32>() {
                Ok(whole) => Some((whole, 1)),
                Err(_) => text.parse().ok().filter(|rate: &f64| (0.001..1e6).contains(rate)).map(thousandths),
            },
        };
        parsed.and_then(|(over, under)| Self::new(over, under)).ok_or_else(|| RatioError(text.to_owned()))
    }
}

fn thousandths(rate: f64) -> (u32, u32) {
    ((rate * 1e3).round() as u32, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_every_usual_form() {
        for (text, parts) in [
            ("25", (25, 1)),
            ("29.97", (29_970, 1000)),
            ("30000/1001", (30_000, 1001)),
            ("24000:1001", (24_000, 1001)),
            ("0.5", (500, 1000)),
        ] {
            let ratio: Ratio = text.parse().unwrap();
            assert_eq!((ratio.parts(), ratio.to_string()), (parts, format!("{}/{}", parts.0, parts.1)), "{text}");
        }
        for bad in ["", "0", "-1", "1/0", "0/0", "0:1", "nan", "inf", "1e9", "fast", "1/2/3", "99999999999"] {
            assert!(bad.parse::<Ratio>().is_err(), "{bad}");
        }
    }
}
