//! The latency distributions as a picture.

use std::io;
use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use image::RgbImage;
use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;

use super::super::drawing::load_font;
use super::stats::milliseconds;

/// Columns and rows of the picture.
pub const SIZE: (u32, u32) = (1280, 720);
/// Colours that differ for the colour-blind too (Okabe and Ito).
pub const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// What is drawn on.
type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// One row's end-to-end times.
pub struct Curve {
    /// What the legend calls it.
    pub label: String,
    /// Times in any order, at least one.
    pub times: Vec<Duration>,
}

/// Draws the share of runs (0 to 100 %) that took no longer than each latency (milliseconds, logarithmic), one step
/// line per row. Percentiles are read off directly: p90 is where a line crosses 90 %.
///
/// # Errors
///
/// What the plotting library reports.
pub fn draw(curves: &[Curve], title: &str) -> Result<RgbImage> {
    let range = range(curves);
    picture(|root| {
        let mut chart = frame(root, title)
            .build_cartesian_2d(range.clone().log_scale().with_key_points(ticks(&range)), 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_label_formatter(&|time| format!("{}", (time * 1e6).round() / 1e6))
            .x_desc("end-to-end latency, ms (logarithmic)")
            .y_desc("runs that took no longer, %")
            .y_label_formatter(&|share| format!("{share:.0}"))
            .y_max_light_lines(0)
            .label_style(("sans-serif", 18))
            .draw()?;
        for (curve, color) in curves.iter().zip(COLORS.into_iter().cycle()) {
            let line = LineSeries::new(steps(&curve.times), color.stroke_width(3));
            let key = move |(x, y)| PathElement::new([(x, y), (x + 24, y)], color.stroke_width(3));
            chart.draw_series(line)?.label(&*curve.label).legend(key);
        }
        legend(&mut chart)
    })
}

/// A picture of [`SIZE`] on white, with the font at hand.
pub fn picture(draw: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<RgbImage> {
    load_font()?;
    let mut pixels = vec![255; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        draw(&root)?;
        root.present()?;
    }
    RgbImage::from_raw(SIZE.0, SIZE.1, pixels).ok_or_else(|| io::Error::other("the picture lost its size").into())
}

/// A chart below `title`, with room for its axes.
pub fn frame<'a, 'b>(root: &'a Canvas<'b>, title: &str) -> ChartBuilder<'a, 'a, BitMapBackend<'b>> {
    let mut chart = ChartBuilder::on(root);
    chart.caption(title, ("sans-serif", 24)).margin(16).x_label_area_size(48).y_label_area_size(64);
    chart
}

/// What the colours stand for.
pub fn legend<'a, 'b: 'a, C: CoordTranslate>(chart: &mut ChartContext<'a, BitMapBackend<'b>, C>) -> Result<()> {
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::LowerRight).label_font(("sans-serif", 18));
    labels.background_style(WHITE.mix(0.9)).border_style(BLACK).draw()?;
    Ok(())
}

/// From a little under the shortest to a little over the longest time.
fn range(curves: &[Curve]) -> Range<f64> {
    let times = || curves.iter().flat_map(|curve| &curve.times).map(|&time| milliseconds(time).max(1e-6));
    let shortest = times().fold(f64::INFINITY, f64::min);
    let longest = times().fold(0.0, f64::max);
    shortest.min(longest) / 1.2..longest.max(1e-6) * 1.2
}

/// Round numbers within `range`: 1, 2 and 5 of each decade, or equal steps where the range is narrow.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let decade = |value: f64| 10f64.powi(value.log10().floor() as i32);
    let candidates: Vec<f64> = if range.end / range.start > 8.0 {
        let decades = std::iter::successors(Some(decade(range.start)), |d| Some(d * 10.0));
        decades.take_while(|d| *d < range.end).flat_map(|d| [d, 2.0 * d, 5.0 * d]).collect()
    } else {
        let smallest = (range.end - range.start) / 10.0;
        let round = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade(smallest));
        let step = round.into_iter().find(|step| *step >= smallest).unwrap_or(smallest);
        (0..20).map(|i| ((range.start / step).floor() + f64::from(i)) * step).collect()
    };
    candidates.into_iter().filter(|tick| range.contains(tick)).collect()
}

/// Corners of the empirical distribution: it rises by an equal step at each time.
fn steps(times: &[Duration]) -> Vec<(f64, f64)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let share = |count: usize| 100.0 * count as f64 / sorted.len() as f64;
    let corners = sorted.iter().enumerate();
    corners.flat_map(|(i, &time)| [i, i + 1].map(|count| (milliseconds(time).max(1e-6), share(count)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, times: &[u64]) -> Curve {
        Curve { label: label.to_owned(), times: times.iter().copied().map(Duration::from_millis).collect() }
    }

    #[test]
    fn steps_rise_from_nothing_to_everything() {
        let found = steps(&curve("", &[20, 10]).times);
        assert_eq!(found, [(10.0, 0.0), (10.0, 50.0), (20.0, 50.0), (20.0, 100.0)]);
    }

    #[test]
    fn ticks_are_round_and_enough_of_them_fit() {
        assert_eq!(ticks(&(0.9..30.0)), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(ticks(&(51.0..88.0)), [55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0]);
        let ranges = [1e-6..2e-6, 0.5..0.6, 99.0..101.0, 1.0..8.0, 1.0..8.1, 3.0..3e6];
        let wrong: Vec<_> = ranges.iter().filter(|range| ticks(range).len() < 3).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn every_line_and_the_labels_are_drawn() {
        let curves = [curve("cpu", &[10, 11, 14]), curve("tract", &[90, 92, 120])];
        let picture = draw(&curves, "two devices").unwrap();
        assert_eq!(picture.dimensions(), SIZE);
        let drawn = |color: RGBColor| picture.pixels().any(|pixel| pixel.0 == [color.0, color.1, color.2]);
        assert!(drawn(COLORS[0]) && drawn(COLORS[1]) && !drawn(COLORS[2]));
        // Text below the axis: some pixels of the lowest rows are dark.
        let below = (SIZE.1 - 30..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
        assert!(below.into_iter().any(|(x, y)| picture.get_pixel(x, y).0[0] < 128));
    }

    #[test]
    fn one_time_or_equal_times_make_a_plot_too() {
        for times in [&[5][..], &[5, 5, 5], &[0]] {
            assert!(draw(&[curve("only", times)], "").is_ok(), "{times:?}");
        }
    }
}
