//! Scores held against each other: how far they lie apart, which class leads at each position and by how much, and how
//! many class ids agree where one leads.
//!
//! Every comparison of this project is made of these. A NaN passes none of them: it is the largest of all differences,
//! its position is no tie, and no class id agrees there.

use crate::resize::{Tap, between};
use crate::segmenter::Logits;
use crate::size::Size;
use crate::tolerance::Tolerance;

/// How far values lie from those expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Largest difference; NaN where a difference is, infinite where there are more or fewer values than expected.
    pub largest: f32,
    /// Largest value expected, without its sign; NaN where one is.
    pub scale: f32,
}

impl Difference {
    /// Of `found` from `expected`.
    pub fn of(found: &[f32], expected: &[f32]) -> Self {
        let largest = match found.len() == expected.len() {
            true => found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, larger),
            false => f32::INFINITY,
        };
        Self { largest, scale: expected.iter().map(|value| value.abs()).fold(0.0, larger) }
    }

    /// Of everything that either was measured on.
    pub fn and(self, other: Self) -> Self {
        Self { largest: larger(self.largest, other.largest), scale: larger(self.scale, other.scale) }
    }

    /// Whether the largest difference is no more than this part of the scale, and both are numbers.
    pub fn within(self, part: f32) -> bool {
        self.scale.is_finite() && self.largest <= part * self.scale
    }
}

/// The larger of two values, or NaN where one is, which `f32::max` would drop.
fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

/// The class that leads at a position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// Its id; the smallest where classes are equal.
    pub class: u8,
    /// How much its score is above the second best; NaN where a score is.
    pub by: f32,
}

impl Lead {
    /// Among the scores of one position, by class id.
    pub fn of(scores: impl IntoIterator<Item = f32>) -> Self {
        let (mut class, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
        for (id, score) in scores.into_iter().enumerate() {
            if score.is_nan() {
                return Self { class, by: f32::NAN };
            }
            if score > first {
                (class, second, first) = (id as u8, first, score);
            } else if score > second {
                second = score;
            }
        }
        Self { class, by: first - second }
    }

    /// Whether the two best classes are within `margin` of each other, so that either may be named.
    pub fn is_tie(self, margin: f32) -> bool {
        self.by <= margin
    }
}

/// The lead at each pixel of an input of size `input`, by bilinear interpolation of `logits`.
pub fn leads(logits: Logits<'_>, input: Size) -> Vec<Lead> {
    let Size { height, width } = logits.size;
    let columns: Vec<_> = (0..input.width).map(|x| Tap::new(x, input.width, width)).collect();
    let mut leads = Vec::with_capacity(input.area());
    for y in 0..input.height {
        let row = Tap::new(y, input.height, height);
        leads.extend(columns.iter().map(|&column| {
            Lead::of(logits.values.chunks_exact(logits.size.area()).map(|plane| between(plane, width, row, column)))
        }));
    }
    leads
}

/// How many class ids are those expected, ties aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Positions that were compared: all but ties.
    pub compared: usize,
    /// Those of them with the id expected.
    pub same: usize,
}

impl Agreement {
    /// Of `found` with `expected`, where `leads` of the reference are no tie within `margin`. No id agrees where there
    /// are more or fewer of them than leads.
    pub fn of(found: &[u8], expected: &[u8], leads: &[Lead], margin: f32) -> Self {
        let whole = found.len() == leads.len() && expected.len() == leads.len();
        let clear = leads.iter().enumerate().filter(|(_, lead)| !lead.is_tie(margin));
        clear.fold(Self::default(), |counted, (i, lead)| {
            let same = whole && !lead.by.is_nan() && found[i] == expected[i];
            Self { compared: counted.compared + 1, same: counted.same + usize::from(same) }
        })
    }

    /// Part of the compared positions with the id expected, 0 to 1; 1 where nothing was compared.
    pub fn part(self) -> f64 {
        if self.compared == 0 { 1.0 } else { self.same as f64 / self.compared as f64 }
    }

    /// Whether no more positions differ than `tolerance` allows, or just one.
    pub fn within(self, tolerance: Tolerance) -> bool {
        // At 1/8 of a small size there are so few positions that one alone may be more than the part allowed.
        self.compared - self.same <= 1 || self.part() >= tolerance.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;

    #[test]
    fn differences_are_parts_of_the_largest_value_expected() {
        let found = Difference::of(&[1.0, -4.5, 2.0], &[1.0, -4.0, 2.25]);
        assert_eq!(found, Difference { largest: 0.5, scale: 4.0 });
        assert!(found.within(0.125) && !found.within(0.124));
        let both = found.and(Difference { largest: 0.25, scale: 8.0 });
        assert_eq!(both, Difference { largest: 0.5, scale: 8.0 });
        assert!(Difference::of(&[0.0], &[0.0]).within(0.0));
    }

    #[test]
    fn nan_and_what_is_no_number_is_within_nothing() {
        let cases: [(&str, &[f32], &[f32]); 9] = [
            ("NaN first", &[NAN, 1.0], &[1.0, 1.0]),
            ("NaN last", &[1.0, NAN], &[1.0, 1.0]),
            ("NaN in the reference", &[1.0, 1.0], &[NAN, 1.0]),
            ("NaN last in the reference", &[1.0, 1.0], &[1.0, NAN]),
            ("NaN in both", &[NAN, 1.0], &[NAN, 1.0]),
            ("nothing but NaN", &[NAN, NAN], &[NAN, NAN]),
            ("infinite", &[INF, 1.0], &[1.0, 1.0]),
            ("infinite in the reference", &[1.0, 1.0], &[INF, 1.0]),
            ("a value too few", &[1.0], &[1.0, 1.0]),
        ];
        let fine = Difference::of(&[1.0], &[1.0]);
        for (case, found, expected) in cases {
            let bad = Difference::of(found, expected);
            for difference in [bad, bad.and(fine), fine.and(bad)] {
                assert!(!difference.within(1e30), "{case}: {difference:?}");
            }
        }
    }

    #[test]
    fn the_first_of_the_best_classes_leads_by_its_distance_from_the_second() {
        let cases: [(&[f32], u8, f32); 6] = [
            (&[1.0, 4.0, 3.5], 1, 0.5),
            (&[3.5, 1.0, 4.0], 2, 0.5),
            (&[4.0, 1.0, 3.5], 0, 0.5),
            (&[2.0, 5.0, 5.0], 1, 0.0),
            (&[-3.0, -1.0, -2.0], 1, 1.0),
            (&[-7.0], 0, INF),
        ];
        for (scores, class, by) in cases {
            assert_eq!(Lead::of(scores.iter().copied()), Lead { class, by }, "{scores:?}");
        }
        for scores in [[NAN, 1.0, 2.0], [1.0, NAN, 2.0], [1.0, 2.0, NAN], [NAN; 3], [INF, INF, 0.0]] {
            let lead = Lead::of(scores);
            assert!(lead.by.is_nan() && !lead.is_tie(INF), "{scores:?}: {lead:?}");
        }
    }

    #[test]
    fn leads_are_interpolated_between_positions() {
        // Two classes whose scores cross in the middle between two positions.
        let values = [1.0, 0.0, 0.0, 1.0];
        let found = leads(Logits { values: &values, classes: 2, size: Size::new(1, 2) }, Size::new(2, 16));
        // By hand: centres lie at 4 and 12, between them the scores change by 1/8 a pixel.
        let by = [1.0, 1.0, 1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0, 1.0, 1.0];
        let row: Vec<_> = by.iter().enumerate().map(|(x, &by)| Lead { class: u8::from(x >= 8), by }).collect();
        assert_eq!((&found[..16], &found[16..]), (&row[..], &row[..]));
        let same = leads(Logits { values: &values, classes: 2, size: Size::new(1, 2) }, Size::new(1, 2));
        assert_eq!(same, [Lead { class: 0, by: 1.0 }, Lead { class: 1, by: 1.0 }]);
    }

    #[test]
    fn ids_are_counted_where_a_class_leads() {
        let lead = |by| Lead { class: 0, by };
        let leads = [lead(2.0), lead(0.5), lead(2.0), lead(0.6)];
        let of = |found: &[u8]| Agreement::of(found, &[0, 1, 2, 3], &leads, 0.5);
        assert_eq!(of(&[0, 1, 2, 3]), Agreement { compared: 3, same: 3 });
        assert_eq!(of(&[0, 9, 2, 3]), Agreement { compared: 3, same: 3 }, "the second is a tie");
        assert_eq!(of(&[9, 1, 2, 9]), Agreement { compared: 3, same: 1 });
        assert_eq!(of(&[0, 1, 2]), Agreement { compared: 3, same: 0 });
        assert_eq!(of(&[0, 1, 2, 3, 4]), Agreement { compared: 3, same: 0 });
        assert_eq!((of(&[9, 1, 2, 9]).part(), Agreement::default().part()), (1.0 / 3.0, 1.0));
        let nan = [lead(NAN), lead(NAN)];
        assert_eq!(Agreement::of(&[0, 0], &[0, 0], &nan, 0.5), Agreement { compared: 2, same: 0 });
    }

    #[test]
    fn one_position_of_few_may_differ_and_a_part_of_many() {
        let within = |compared, differing| {
            Agreement { compared, same: compared - differing }.within(Tolerance { pixels: 0.995, ..Tolerance::FP32 })
        };
        assert!(within(10, 1) && !within(10, 2));
        assert!(within(1000, 5) && !within(1000, 6));
        assert!(within(0, 0));
    }
}
