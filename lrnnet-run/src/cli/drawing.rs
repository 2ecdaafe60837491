//! Figures as pictures.

use anyhow::{Result, anyhow};
use image::RgbImage;
use lrnnet_run::metrics::Confusion;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Pixels of a cell's side, and of the room for names.
const CELL: i32 = 52;
const NAMES: i32 = 150;

/// Makes a font known to the plotting library as `sans-serif`. It is part of the program, since a machine with a GPU
/// seldom has one.
pub fn load_font() -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| anyhow!("the built-in font is broken"))
}

/// A confusion matrix: a row per class of the labels, a column per predicted class, each cell the percentage of its
/// row; darker is more.
pub fn confusion(confusion: &Confusion, names: &[String]) -> Result<RgbImage> {
    load_font()?;
    let side = NAMES + CELL * names.len() as i32 + CELL / 2;
    let size = (side as u32, side as u32);
    let mut pixels = vec![255; (size.0 * size.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        root.fill(&WHITE)?;
        let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
        root.draw_text("label \\ predicted", &text(14), (8, NAMES - 22))?;
        for (row, (counts, name)) in confusion.rows().zip(names).enumerate() {
            let start = NAMES + CELL * row as i32;
            let beside = text(15).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw_text(name, &beside, (NAMES - 8, start + CELL / 2))?;
            let above = text(15).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw_text(name, &above, (start + CELL / 2, NAMES - 8))?;
            let total: u64 = counts.iter().sum();
            for (column, &count) in counts.iter().enumerate() {
                let share = count as f64 / total.max(1) as f64;
                draw_cell(&root, (NAMES + CELL * column as i32, start), share)?;
            }
        }
        root.present()?;
    }
    RgbImage::from_raw(size.0, size.1, pixels).ok_or_else(|| anyhow!("the picture lost its size"))
}

fn draw_cell(root: &DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>, at: (i32, i32), share: f64) -> Result<()> {
    let fade = |channel: u8| (255.0 - share.sqrt() * f64::from(255 - channel)) as u8;
    let fill = RGBColor(fade(8), fade(64), fade(129));
    let corners = [at, (at.0 + CELL - 1, at.1 + CELL - 1)];
    root.draw(&Rectangle::new(corners, fill.filled()))?;
    if share >= 0.0005 {
        let color = if share > 0.3 { WHITE } else { BLACK };
        let style = ("sans-serif", 14).into_font().color(&color).pos(Pos::new(HPos::Center, VPos::Center));
        root.draw_text(&format!("{:.1}", 100.0 * share), &style, (at.0 + CELL / 2, at.1 + CELL / 2))?;
    }
    Ok(())
}
