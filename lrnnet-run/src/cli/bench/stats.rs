//! Medians and percentiles.

use std::time::Duration;

/// The smallest of `values` that at least `percent` percent of them do not exceed: the nearest-rank method, which
/// only ever gives a value that was measured. None of no values.
///
/// `percent` is 1 to 100; `values` need not be sorted.
pub fn percentile(values: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (percent * sorted.len()).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The 50th [`percentile`].
pub fn median(values: &[Duration]) -> Option<Duration> {
    percentile(values, 50)
}

/// Milliseconds, with all digits.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_the_nearest_rank_method() {
        // The second list and its ranks are the worked example of the method's usual description.
        let cases: [(&[u64], usize, Option<u64>); 14] = [
            (&[], 50, None),
            (&[7], 1, Some(7)),
            (&[7], 50, Some(7)),
            (&[7], 100, Some(7)),
            (&[15, 20, 35, 40, 50], 5, Some(15)),
            (&[15, 20, 35, 40, 50], 30, Some(20)),
            (&[15, 20, 35, 40, 50], 40, Some(20)),
            (&[15, 20, 35, 40, 50], 50, Some(35)),
            (&[15, 20, 35, 40, 50], 100, Some(50)),
            (&[50, 15, 40, 20, 35], 50, Some(35)),
            (&[1, 2], 50, Some(1)),
            (&[1, 2], 51, Some(2)),
            (&[3, 3, 3, 9], 75, Some(3)),
            (&[3, 3, 3, 9], 99, Some(9)),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(values, percent, expected)| {
                let times: Vec<_> = values.iter().copied().map(Duration::from_millis).collect();
                let found = percentile(&times, *percent).map(|time| time.as_millis() as u64);
                (values, percent, expected, found)
            })
            .filter(|(_, _, expected, found)| *expected != found)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn of_a_hundred_values_each_percentile_is_its_own() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let wrong: Vec<_> = (1..=100).filter(|&p| percentile(&times, p) != Some(times[p - 1])).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
