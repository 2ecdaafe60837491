//! Accuracy, speed and size of several networks in one picture, as in the paper's Fig. 1.

use std::ops::Range;

use anyhow::Result;
use image::RgbImage;
use plotters::prelude::*;

use super::plot::{COLORS, frame, legend, picture};

/// A network on a device.
pub struct Point {
    /// What the legend calls it.
    pub label: String,
    /// Frames a second, above 0.
    pub speed: f64,
    /// Mean IoU, 0 to 1.
    pub miou: f64,
    /// Bytes of the model file.
    pub bytes: usize,
}

/// Draws a disc for each of `points`: mIoU (%) over frames a second, with an area in proportion to the file's size.
///
/// # Errors
///
/// What the plotting library reports.
pub fn draw(points: &[Point], title: &str) -> Result<RgbImage> {
    let speeds = 0.0..1.25 * points.iter().fold(1e-6, |most: f64, point| most.max(point.speed));
    picture(|root| {
        let mut chart = frame(root, title).build_cartesian_2d(speeds, accuracies(points))?;
        chart
            .configure_mesh()
            .x_desc("frames a second")
            .y_desc("mIoU, %")
            .y_label_formatter(&|miou| format!("{miou:.1}"))
            .label_style(("sans-serif", 18))
            .draw()?;
        for (point, color) in points.iter().zip(COLORS.into_iter().cycle()) {
            let disc = Circle::new((point.speed, 100.0 * point.miou), radius(point.bytes), color.mix(0.7).filled());
            let key = move |(x, y)| Circle::new((x + 12, y), 7, color.mix(0.7).filled());
            let label = format!("{}, {:.2} MB", point.label, point.bytes as f64 / 1e6);
            chart.draw_series([disc])?.label(label).legend(key);
        }
        legend(&mut chart)
    })
}

/// All points with a little room, two per cent at least.
fn accuracies(points: &[Point]) -> Range<f64> {
    let least = points.iter().fold(100.0, |least: f64, point| least.min(100.0 * point.miou));
    let most = points.iter().fold(0.0, |most: f64, point| most.max(100.0 * point.miou));
    let room = (0.3 * (most - least)).max(1.0);
    least.min(most) - room..most + room
}

/// In pixels; 20 for a megabyte.
fn radius(bytes: usize) -> i32 {
    (20.0 * (bytes as f64 / 1e6).sqrt()).round().clamp(4.0, 80.0) as i32
}

#[cfg(test)]
mod tests {
    use super::super::plot::SIZE;
    use super::*;

    fn point(speed: f64, miou: f64, bytes: usize) -> Point {
        Point { label: "a network".into(), speed, miou, bytes }
    }

    #[test]
    fn area_is_in_proportion_to_size() {
        assert_eq!([1_000_000, 4_000_000, 10, usize::MAX].map(radius), [20, 40, 4, 80]);
    }

    #[test]
    fn every_disc_is_drawn_in_its_size_and_place() {
        let picture = draw(&[point(40.0, 0.8, 2_700_000), point(60.0, 0.75, 900_000)], "two networks").unwrap();
        let blue = |pixel: &image::Rgb<u8>| pixel.0[2] > 180 && pixel.0[0] < 120;
        let drawn: Vec<_> =
            picture.enumerate_pixels().filter(|(.., pixel)| blue(pixel)).map(|(x, y, _)| (x, y)).collect();
        // The key of the legend is as blue, but small.
        let area = f64::from(radius(2_700_000)).powi(2) * std::f64::consts::PI;
        assert!((drawn.len() as f64 - area).abs() < 0.2 * area + 200.0, "{} pixels", drawn.len());
        let orange = |pixel: &image::Rgb<u8>| pixel.0[0] > 200 && pixel.0[2] < 120;
        let lowest = picture.enumerate_pixels().filter(|(.., pixel)| orange(pixel)).map(|(_, y, _)| y).min().unwrap();
        assert!(drawn.iter().all(|(_, y)| *y < SIZE.1) && drawn[0].1 < lowest, "more accurate is higher");
    }

    #[test]
    fn one_or_equal_points_make_a_plot_too() {
        for points in [vec![point(1.0, 0.0, 0)], vec![point(5.0, 1.0, 9), point(5.0, 1.0, 9)]] {
            assert!(draw(&points, "").is_ok());
        }
    }
}
