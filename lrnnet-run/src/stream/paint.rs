//! What of a result is written.

use lrnnet_graph::Color;

use super::Segmented;
use crate::mask;
use crate::size::Size;

/// How a result looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    /// Class ids, a byte each.
    Ids,
    /// The classes' colours, RGB.
    Colors,
    /// The classes' colours over the frame, RGB. The weight of the colours is 0 to 1.
    Overlay(f32),
}

/// Draws results, one after the other in the same memory.
#[derive(Clone, Debug)]
pub struct Painter {
    look: Look,
    palette: Vec<Color>,
    pixels: Vec<u8>,
}

/// A result as it is written: `[height, width, channels]` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Painted<'a> {
    /// Values, row by row.
    pub bytes: &'a [u8],
    /// Height and width.
    pub size: Size,
    /// Whether a pixel has three bytes, RGB; otherwise it has one, its class id.
    pub rgb: bool,
}

impl Painter {
    /// Draws with the colours of `palette`, by class id.
    pub fn new(look: Look, palette: &[Color]) -> Self {
        Self { look, palette: palette.to_owned(), pixels: vec![] }
    }

    /// Draws `result`.
    pub fn paint<'a>(&'a mut self, result: &Segmented<'a>) -> Painted<'a> {
        let size = result.frame.size();
        match self.look {
            Look::Ids => return Painted { bytes: result.mask, size, rgb: false },
            Look::Colors => mask::colors_into(result.mask, &self.palette, &mut self.pixels),
            Look::Overlay(opacity) => {
                mask::overlay_into(result.frame.rgb(), result.mask, &self.palette, opacity, &mut self.pixels);
            }
        }
        Painted { bytes: &self.pixels, size, rgb: true }
    }
}
