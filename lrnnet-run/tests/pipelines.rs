//! The pipeline under stress: stages of every pace that fail, end or stop anywhere. Longer where it is asked for:
//!
//!     LRNNET_STRESS_ROUNDS=20000 cargo test --test pipelines
#![allow(missing_docs)]

use std::ops::ControlFlow;
use std::time::Duration;

use lrnnet_run::stream::{Options, pipeline};

/// A frame that was lost, came twice or out of its order shows. A pipeline that waits for itself does as well: the test then
/// does not end.
#[test]
fn pipelines_keep_every_frame_in_its_order() {
    let rounds =
        std::env::var("LRNNET_STRESS_ROUNDS").map_or(2_000, |rounds| rounds.parse().expect("a number of rounds"));
    let mut seed = 7u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..rounds {
        let [total, fails, ends, stops] = [random(40), random(80), random(80), random(80)];
        let (paces, networks) = ([random(4), random(4), random(4)], 1 + random(4) as usize);
        let work = |pace: u64| match pace {
            0 => {}
            1 => std::thread::yield_now(),
            2 => (0..200).for_each(|_| std::hint::spin_loop()),
            _ => std::thread::sleep(Duration::from_micros(20)),
        };
        let options = Options { live: random(4) == 0, ..Options::default() };
        let (stop, live) = (options.stop.clone(), options.live);
        let (mut next, mut written) = (0, vec![]);
        let (summary, failed) = pipeline::run(
            vec![0u64; 1 + random(6) as usize],
            &options,
            |slot| {
                work(paces[0]);
                if next == stops {
                    stop.set();
                }
                (*slot, next) = (next, next + 1);
                Ok(*slot < total)
            },
            vec![
                |slot: &mut u64| {
                    work(paces[1]);
                    if *slot == fails { Err("network") } else { Ok(()) }
                };
                networks
            ],
            |number, slot| {
                work(paces[2]);
                assert_eq!(number, *slot, "round {round}");
                written.push(*slot);
                Ok(if *slot == ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            },
        );
        assert!(written.is_sorted_by(|a, b| a < b), "round {round}: {written:?}");
        // The frame at which no more are wanted is written and not counted.
        let uncounted = u64::from(written.last() == Some(&ends));
        assert_eq!(summary.frames + uncounted, written.len() as u64, "round {round}");
        let complete = written.iter().copied().eq(0..written.len() as u64);
        assert!(complete || live, "round {round}: {written:?}");
        let undisturbed = !live && fails >= total && ends >= total && stops > total;
        assert!(!undisturbed || (written.len() as u64 == total && failed.is_none()), "round {round}: {written:?}");
        if let Some(failed) = failed {
            assert!(failed.frame == fails && written.iter().all(|frame| *frame < fails), "round {round}: {failed:?}");
        }
    }
}
