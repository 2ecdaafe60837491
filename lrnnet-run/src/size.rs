//! Height and width in pixels.

use crate::ErrorKind;
use std::fmt;
use std::str::FromStr;

/// Height and width of a picture, mask or network input, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// Pairs rows with columns.
    pub const fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.height * self.width
    }

    /// Both extents brought to the nearest multiples of `multiple`, never zero.
    #[must_use]
    pub fn rounded_to(self, multiple: usize) -> Self {
        let round = |extent: usize| ((extent + multiple / 2) / multiple).max(1) * multiple;
        Self::new(round(self.height), round(self.width))
    }
}

/// `HEIGHTxWIDTH`, as in `360x480`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

/// Words that are no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no size; expected HEIGHTxWIDTH with 1 to 16384 pixels each, as in 360x480")]
pub struct SizeError(String);

impl SizeError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let extent = |digits: &str| digits.parse().ok().filter(|n| (1..=16_384).contains(n));
        let parsed = text.split_once('x').and_then(|(h, w)| Some(Self::new(extent(h)?, extent(w)?)));
        parsed.ok_or_else(|| SizeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_print() {
        assert_eq!("360x480".parse(), Ok(Size::new(360, 480)));
        assert_eq!(Size::new(360, 480).to_string(), "360x480");
        for bad in ["", "x", "360", "360x", "x480", "0x8", "360x480x3", "-8x8", "360 x 480", "99999x8"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rounding_goes_to_the_nearest_multiple_and_never_to_zero() {
        assert_eq!(Size::new(95, 96).rounded_to(64), Size::new(64, 128));
        assert_eq!(Size::new(1, 1000).rounded_to(64), Size::new(64, 1024));
    }
}
