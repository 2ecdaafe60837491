//! Streams of frames: the pipeline alone, and from y4m and raw frames to masks with an engine of the test's own.
#![allow(missing_docs)]

mod red;

use std::ops::ControlFlow;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use lrnnet_run::stream::pipeline::{self, Failed, slots};
use lrnnet_run::stream::y4m::{Header, HeaderError};
use lrnnet_run::stream::{
    self, FrameBuffer, FrameProblem, Look, Options, Painter, Range, RawSink, RawSource, Source, Stage, Stop,
    StreamError, Summary, Y4mSink, Y4mSource,
};
use lrnnet_run::{ErrorKind, Segmenter, Size};
use red::{INPUT, RedEngine, class_of, model};

const LAST: u64 = 40;

/// Runs numbers through the pipeline with so many networks; `fail` says at which stage and frame something goes wrong.
fn numbers(
    networks: usize,
    options: &Options,
    pause: [u64; 3],
    fail: Option<(Stage, u64)>,
) -> (Summary, Vec<u64>, Option<Failed<u64>>) {
    let (mut next, mut written) = (0, vec![]);
    let check = |stage: Stage, number: u64| {
        // Every third frame takes a network longer, so that the next ones overtake it.
        let longer = if stage == Stage::Network && networks > 1 && number.is_multiple_of(3) { 4 } else { 1 };
        sleep(Duration::from_micros(longer * pause[stage as usize]));
        if fail == Some((stage, number)) { Err(number) } else { Ok(()) }
    };
    let (summary, failed) = pipeline::run(
        vec![0; slots(networks)],
        options,
        |slot| {
            *slot = next;
            next += 1;
            check(Stage::Decode, *slot).map(|()| *slot < LAST)
        },
        vec![|slot: &mut u64| check(Stage::Network, *slot); networks],
        |number, slot| {
            assert_eq!(number, *slot, "the slot is that of the frame");
            check(Stage::Write, *slot)?;
            written.push(number);
            Ok(ControlFlow::Continue(()))
        },
    );
    (summary, written, failed)
}

#[test]
fn frames_come_out_in_order_and_none_is_left_out() {
    for networks in [1, 2, 5] {
        for pause in [[0, 0, 0], [900, 0, 0], [0, 900, 0], [0, 0, 900]] {
            let (summary, written, failed) = numbers(networks, &Options::default(), pause, None);
            assert!(failed.is_none());
            assert!(written.iter().copied().eq(0..LAST), "{networks}: {written:?}");
            assert_eq!((summary.frames, summary.dropped, summary.networks), (LAST, 0, networks));
            let slowest = Stage::ALL.into_iter().max_by_key(|stage| pause[*stage as usize]);
            assert!(pause == [0; 3] || summary.limit() == slowest, "{networks}: {summary:?}");
            assert!(summary.p50 <= summary.p99 && summary.p50.is_some());
            assert!(summary.frames_per_second.is_some_and(|rate| rate > 0.0));
        }
    }
}

#[test]
fn networks_side_by_side_work_at_the_same_time() {
    // Each of three networks waits until all of them have a frame.
    let together = Barrier::new(3);
    let mut left = 9;
    let (summary, failed) = pipeline::run(
        vec![(); slots(3)],
        &Options::default(),
        |()| {
            left -= 1;
            Ok::<_, ()>(left >= 0)
        },
        vec![
            |_: &mut ()| {
                together.wait();
                Ok(())
            };
            3
        ],
        |_, ()| Ok(ControlFlow::Continue(())),
    );
    assert!(failed.is_none() && summary.frames == 9);
}

#[test]
fn a_slow_stage_holds_up_those_before_it() {
    let (decoded, ahead) = (AtomicU64::new(0), AtomicU64::new(0));
    let (summary, failed) = pipeline::run(
        vec![(); slots(1)],
        &Options::default(),
        |()| Ok::<_, ()>(decoded.fetch_add(1, Ordering::SeqCst) < LAST),
        vec![|_: &mut ()| Ok(())],
        |number, ()| {
            sleep(Duration::from_millis(1));
            ahead.fetch_max(decoded.load(Ordering::SeqCst) - number, Ordering::SeqCst);
            Ok(ControlFlow::Continue(()))
        },
    );
    assert!(failed.is_none() && summary.frames == LAST);
    let ahead = ahead.load(Ordering::SeqCst);
    assert!((2..=slots(1) as u64 + 1).contains(&ahead), "{ahead} frames ahead");
}

#[test]
fn a_live_source_waits_for_nobody_and_its_newest_frame_is_kept() {
    let options = Options { live: true, ..Options::default() };
    for pause in [[300, 4000, 0], [300, 0, 4000]] {
        let (summary, written, failed) = numbers(1, &options, pause, None);
        assert!(failed.is_none());
        assert_eq!(summary.frames + summary.dropped, LAST, "{summary:?}");
        assert!(summary.dropped > LAST / 4, "{summary:?}");
        assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
        // While the stage is at work some 13 frames come; a frame that waited longer than that would lag.
        assert!(written.windows(2).any(|pair| pair[1] - pair[0] > 2), "{written:?}");
    }
    let (summary, written, _) = numbers(1, &options, [300, 4000, 0], None);
    assert_eq!(written.last(), Some(&(LAST - 1)), "the newest frame replaces those that wait: {summary:?}");
}

#[test]
fn the_failure_of_a_stage_is_named_and_what_was_done_stays() {
    let frames = [0, 1, 17, LAST - 1];
    let cases = Stage::ALL.into_iter().flat_map(|stage| frames.map(|frame| (stage, frame)));
    for (stage, frame) in cases {
        for networks in [1, 2, 5] {
            let (summary, written, failed) = numbers(networks, &Options::default(), [0, 200, 0], Some((stage, frame)));
            let failed = failed.unwrap_or_else(|| panic!("{stage} of frame {frame} failed, and nobody says so"));
            assert_eq!((failed.stage, failed.frame, failed.error), (stage, frame, frame));
            assert!(written.iter().copied().eq(0..frame), "{stage} {frame} {networks}: {written:?}");
            assert_eq!(summary.frames, frame);
        }
    }
}

#[test]
fn a_stop_finishes_what_is_under_way() {
    for by_sink in [false, true] {
        let options = Options::default();
        let (mut decoded, mut written) = (0, 0);
        let (summary, failed) = pipeline::run(
            vec![(); slots(1)],
            &options,
            |()| {
                decoded += 1;
                Ok::<_, ()>(true)
            },
            vec![|_: &mut ()| Ok(())],
            |number, ()| {
                written = number + 1;
                if number == 9 && by_sink {
                    return Ok(ControlFlow::Break(()));
                }
                if number == 9 {
                    options.stop.set();
                }
                Ok(ControlFlow::Continue(()))
            },
        );
        assert!(failed.is_none());
        if by_sink {
            assert_eq!(written, 10, "a sink that wants no more gets no more");
        } else {
            assert_eq!((summary.frames, written), (decoded, decoded), "every frame that was read is written");
        }
    }
}

#[test]
fn a_panic_in_a_stage_ends_the_pipeline() {
    for (stage, networks) in Stage::ALL.into_iter().flat_map(|stage| [(stage, 1), (stage, 2), (stage, 5)]) {
        // Of several networks one panics.
        let at = |own: Stage, frame: u64| assert!(own != stage || frame != 3, "as the test wants");
        let run = || {
            let mut next = 0;
            pipeline::run(
                vec![0; slots(networks)],
                &Options::default(),
                |slot| {
                    *slot = next;
                    next += 1;
                    at(Stage::Decode, *slot);
                    Ok::<_, ()>(true)
                },
                vec![
                    |slot: &mut u64| {
                        at(Stage::Network, *slot);
                        Ok(())
                    };
                    networks
                ],
                |frame, _| {
                    at(Stage::Write, frame);
                    Ok(ControlFlow::Continue(()))
                },
            )
        };
        assert!(std::panic::catch_unwind(run).is_err(), "{stage} {networks}");
    }
}

/// Two frames of 5 x 3 pixels.
fn small(chroma: &str, planes: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W5 H3 F30000:1001 Ip A4:3 C{chroma} Xanything\n").into_bytes();
    for (frame, parameters) in ["", " Ip Xmore"].into_iter().enumerate() {
        bytes.extend(format!("FRAME{parameters}\n").bytes());
        bytes.extend((0..planes).map(|i| (40 + 30 * frame + 9 * i) as u8));
    }
    bytes
}

/// The frames before the end or the first error.
fn read_all(mut source: impl Source) -> (Vec<FrameBuffer>, Option<FrameProblem>) {
    let (mut frames, mut frame) = (vec![], FrameBuffer::default());
    loop {
        match source.read(&mut frame) {
            Ok(true) => frames.push(frame.clone()),
            Ok(false) => return (frames, None),
            Err(problem) => return (frames, Some(problem)),
        }
    }
}

#[test]
fn every_kind_of_planes_is_read() {
    // Chroma planes of 2 x 3, 3 x 3 and 3 x 5 values.
    for (chroma, planes) in
        [("420jpeg", 27), ("420mpeg2", 27), ("420paldv", 27), ("420", 27), ("422", 33), ("444", 45), ("mono", 15)]
    {
        let bytes = small(chroma, planes);
        let source = Y4mSource::new(&bytes[..]).unwrap();
        let (header, info) = (*source.header(), source.info());
        assert_eq!((header.size, header.frame_bytes()), (Size::new(3, 5), planes), "{chroma}");
        assert_eq!(info.rate.map(|rate| rate.parts()), Some((30_000, 1001)));
        assert_eq!(info.aspect.map(|aspect| aspect.parts()), Some((4, 3)));
        let (frames, problem) = read_all(source);
        assert!(problem.is_none(), "{chroma}: {problem:?}");
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|frame| frame.rgb().len() == 45 && frame.size() == header.size));
        assert_ne!(frames[0].rgb(), frames[1].rgb());
    }
    // Of grey pixels, all kinds give the same.
    let grey = |chroma: &str, more: usize| {
        let mut bytes = format!("YUV4MPEG2 W5 H3 C{chroma}\nFRAME\n").into_bytes();
        bytes.extend((0..15).map(|i| 16 + 14 * i));
        bytes.extend(vec![128; more]);
        read_all(Y4mSource::new(&bytes[..]).unwrap()).0[0].rgb().to_vec()
    };
    let expected: Vec<u8> = (0..15).flat_map(|i| [(f64::from(14 * i) * 255.0 / 219.0).round() as u8; 3]).collect();
    for (chroma, more) in [("420jpeg", 12), ("422", 18), ("444", 30), ("mono", 0)] {
        assert_eq!(grey(chroma, more), expected, "{chroma}");
    }
}

/// Stripes of colour, each as high as a row of chroma serves; YUV and RGB as ffmpeg has them.
#[test]
fn every_row_has_its_own_chroma() {
    let stripes = [([81, 90, 240], [254, 0, 0]), ([145, 54, 34], [0, 255, 1]), ([41, 240, 110], [0, 0, 255])];
    for (chroma, rows, columns) in [("420", 2, 2), ("422", 1, 2), ("444", 1, 4)] {
        let plane = |part: usize, rows: usize, columns: usize| {
            stripes.iter().flat_map(move |(yuv, _)| vec![yuv[part]; rows * columns]).collect::<Vec<u8>>()
        };
        let header = format!("YUV4MPEG2 W4 H{} C{chroma}\nFRAME\n", 3 * rows).into_bytes();
        let bytes = [header, plane(0, rows, 4), plane(1, 1, columns), plane(2, 1, columns)].concat();
        let (frames, problem) = read_all(Y4mSource::new(&bytes[..]).unwrap());
        assert!(problem.is_none(), "{chroma}: {problem:?}");
        let expected: Vec<u8> = stripes.iter().flat_map(|(_, rgb)| rgb.repeat(4 * rows)).collect();
        assert_eq!(frames[0].rgb(), expected, "{chroma}");
    }
}

#[test]
fn every_prefix_of_a_stream_gives_its_whole_frames_and_says_where_it_is_cut() {
    let bytes = small("420jpeg", 27);
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let ends = [header, header + 6 + 27, bytes.len()];
    for length in 0..=bytes.len() {
        let Ok(source) = Y4mSource::new(&bytes[..length]) else {
            assert!(length < header, "{length}");
            continue;
        };
        assert!(length >= header, "{length}");
        let (frames, problem) = read_all(source);
        let whole = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(frames.len(), whole, "{length}");
        let cut = matches!(
            problem,
            Some(FrameProblem::Truncated { needed: 27, .. } | FrameProblem::Header(HeaderError::Cut))
        );
        assert_eq!(cut, !ends.contains(&length), "{length}: {problem:?}");
    }
}

#[test]
fn headers_are_taken_up_to_their_limits_or_refused_with_why() {
    let field = |text: &str| HeaderError::Field(text.to_owned());
    let cases = [
        ("", HeaderError::Magic),
        ("YUV4MPEG", HeaderError::Magic),
        ("YUV4MPEG2W4 H4", HeaderError::Magic),
        ("RIFF W4 H4", HeaderError::Magic),
        ("YUV4MPEG2", HeaderError::NoSize),
        ("YUV4MPEG2 W4", HeaderError::NoSize),
        ("YUV4MPEG2 W4 H0", HeaderError::NoSize),
        ("YUV4MPEG2 W-4 H4", field("W-4")),
        ("YUV4MPEG2 W4 Hx", field("Hx")),
        ("YUV4MPEG2 W99999999999 H4", field("W99999999999")),
        ("YUV4MPEG2 W4 H4 F30", field("F30")),
        ("YUV4MPEG2 W4 H4 F30:0", field("F30:0")),
        ("YUV4MPEG2 W4 H4 A1:x", field("A1:x")),
        ("YUV4MPEG2 W4 H4 \u{e9}", field("\u{e9}")),
        ("YUV4MPEG2 W4 H4 C420p10", HeaderError::Chroma("420p10".into())),
        ("YUV4MPEG2 W4 H4 C411", HeaderError::Chroma("411".into())),
        ("YUV4MPEG2 W16385 H1", HeaderError::TooLarge { height: 1, width: 16_385 }),
        ("YUV4MPEG2 W16384 H16384", HeaderError::TooLarge { height: 16_384, width: 16_384 }),
        ("YUV4MPEG2 W10001 H10000", HeaderError::TooLarge { height: 10_000, width: 10_001 }),
    ];
    for (line, expected) in cases {
        assert_eq!(Header::parse(line.as_bytes()), Err(expected), "{line:?}");
    }
    for (line, size, range) in [
        ("YUV4MPEG2 W16384 H1", Size::new(1, 16_384), Range::Limited),
        ("YUV4MPEG2 W10000 H10000 XCOLORRANGE=LIMITED", Size::new(10_000, 10_000), Range::Limited),
        ("YUV4MPEG2 W4 H4 XCOLORRANGE=FULL XYSCSS=420", Size::new(4, 4), Range::Full),
    ] {
        let header = Header::parse(line.as_bytes()).unwrap();
        assert_eq!((header.size, header.range), (size, range), "{line:?}");
    }
    let unknown = Header::parse(b"YUV4MPEG2 W4 H2 F0:0 A0:0 Ib Q9").unwrap();
    assert_eq!((unknown.size, unknown.rate, unknown.aspect), (Size::new(2, 4), None, None));
    let endless = [b"YUV4MPEG2 ".to_vec(), vec![b'x'; 5000]].concat();
    assert!(matches!(Y4mSource::new(&endless[..]).err(), Some(FrameProblem::Header(HeaderError::Line))));
    let mut no_frame = small("mono", 15);
    let at = no_frame.windows(5).position(|word| word == b"FRAME").unwrap();
    no_frame[at] = b'G';
    let (_, problem) = read_all(Y4mSource::new(&no_frame[..]).unwrap());
    assert!(matches!(problem, Some(FrameProblem::Header(HeaderError::Frame))), "{problem:?}");
}

/// What one header promises costs no memory until it comes: 300 MB here.
#[test]
fn a_header_alone_fills_no_memory() {
    let bytes = b"YUV4MPEG2 W10000 H10000 C444\nFRAME\nonly a few bytes";
    let run = allocation_counter::measure(|| {
        let (frames, problem) = read_all(Y4mSource::new(&bytes[..]).unwrap());
        assert!(frames.is_empty());
        assert!(matches!(problem, Some(FrameProblem::Truncated { found: 16, needed: 300_000_000 })), "{problem:?}");
    });
    assert!(run.bytes_max < 4 << 20, "{run:?}");
}

fn segment(source: &mut dyn Source, options: &Options) -> (Vec<u8>, Summary, Option<StreamError>) {
    let mut segmenter = Segmenter::new(model(lrnnet_graph::Head::ClassMap), RedEngine::new());
    let palette = segmenter.metadata().classes.palette.clone();
    let mut out = vec![];
    let mut sink = RawSink::new(&mut out, Painter::new(Look::Ids, &palette));
    let (summary, error) = stream::run(&mut segmenter, source, &mut sink, options);
    (out, summary, error)
}

/// Frames of the network's size, each of one red.
fn raw(reds: &[u8]) -> Vec<u8> {
    reds.iter().flat_map(|&red| [red, 0, 0].repeat(INPUT.area())).collect()
}

#[test]
fn raw_frames_become_masks_in_order() {
    let reds: Vec<u8> = (0..20).map(|i| i * 13).collect();
    let bytes = raw(&reds);
    let (out, summary, error) = segment(&mut RawSource::new(&bytes[..], INPUT, None), &Options::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(summary.frames, 20);
    let expected: Vec<u8> = reds.iter().flat_map(|&red| vec![class_of(red); INPUT.area()]).collect();
    assert!(out == expected);
}

#[test]
fn a_stream_that_ends_early_keeps_what_was_done() {
    let bytes = raw(&[10, 200, 30]);
    let cut = &bytes[..bytes.len() - 1];
    let (out, summary, error) = segment(&mut RawSource::new(cut, INPUT, None), &Options::default());
    let error = error.unwrap();
    assert_eq!((error.stage, error.frame, error.kind()), (Stage::Decode, 2, ErrorKind::Picture));
    assert_eq!(error.to_string(), "cannot decode frame 2");
    assert!(error.problem.to_string().contains("in the middle of a frame"), "{}", error.problem);
    assert_eq!((summary.frames, out.len()), (2, 2 * INPUT.area()));
}

#[test]
fn a_change_of_size_is_named() {
    let frame = |height: usize| {
        let mut bytes = format!("YUV4MPEG2 W6 H{height} Cmono\nFRAME\n").into_bytes();
        bytes.extend(vec![90; 6 * height]);
        bytes
    };
    let same = [frame(4), frame(4)].concat();
    let (_, summary, error) = segment(&mut Y4mSource::new(&same[..]).unwrap(), &Options::default());
    assert!(error.is_none() && summary.frames == 2, "streams of one size may follow each other: {error:?}");
    let other = [frame(4), frame(8)].concat();
    let (_, summary, error) = segment(&mut Y4mSource::new(&other[..]).unwrap(), &Options::default());
    let error = error.unwrap();
    assert!(matches!(error.problem, FrameProblem::SizeChanged { from, to } if (from.height, to.height) == (4, 8)));
    assert_eq!((error.frame, summary.frames), (1, 1));
}

#[test]
fn a_source_that_stalls_is_named_and_a_stop_calls_it_back() {
    use std::io::Write;
    for stopped in [false, true] {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        let stop = Stop::default();
        let timeout = if stopped { Duration::from_secs(600) } else { Duration::from_secs(1) };
        let reader = std::io::BufReader::new(stream::Patient::new(pipe, timeout, stop.clone()));
        let feeding = std::thread::spawn({
            let stop = stop.clone();
            move || {
                writer.write_all(&raw(&[99])).unwrap();
                if stopped {
                    sleep(Duration::from_millis(300));
                    stop.set();
                }
                writer
            }
        });
        let (out, summary, error) =
            segment(&mut RawSource::new(reader, INPUT, None), &Options { live: false, stop: stop.clone() });
        drop(feeding.join().unwrap());
        assert_eq!((summary.frames, out.len()), (1, INPUT.area()), "{error:?}");
        match error {
            None => assert!(stopped),
            Some(error) => {
                assert!(!stopped && matches!(error.problem, FrameProblem::Stalled { seconds: 1 }), "{error:?}");
                assert_eq!(error.frame, 1);
            }
        }
    }
}

#[test]
fn results_are_written_as_their_look_says() {
    let bytes = raw(&[130]);
    let mut segmenter = Segmenter::new(model(lrnnet_graph::Head::ClassMap), RedEngine::new());
    let palette = segmenter.metadata().classes.palette.clone();
    let id = class_of(130);
    let color = palette[usize::from(id)];
    let mixed: [u8; 3] =
        std::array::from_fn(|c| ((u32::from([130u8, 0, 0][c]) * 64 + u32::from(color[c]) * 192 + 128) >> 8) as u8);
    let cases: [(Look, &[u8]); 3] = [(Look::Ids, &[id]), (Look::Colors, &color), (Look::Overlay(0.75), &mixed)];
    for (look, expected) in cases {
        let mut source = RawSource::new(&bytes[..], INPUT, None);
        let mut out = vec![];
        let mut sink = RawSink::new(&mut out, Painter::new(look, &palette));
        let (_, error) = stream::run(&mut segmenter, &mut source, &mut sink, &Options::default());
        assert!(error.is_none(), "{error:?}");
        assert!(out == expected.repeat(INPUT.area()), "{look:?}: {:?}", &out[..3]);

        // As y4m, ids come back as they are and colours nearly so.
        let (mut source, mut out) = (RawSource::new(&bytes[..], INPUT, "25".parse().ok()), vec![]);
        let info = source.info();
        let mut sink = Y4mSink::new(&mut out, Painter::new(look, &palette), info);
        let (_, error) = stream::run(&mut segmenter, &mut source, &mut sink, &Options::default());
        assert!(error.is_none(), "{error:?}");
        let end = out.iter().position(|byte| *byte == b'\n').unwrap();
        let kind = if look == Look::Ids { "mono" } else { "444" };
        assert_eq!(out[..end], *format!("YUV4MPEG2 W128 H64 F25:1 Ip A0:0 C{kind}").as_bytes());
        if look == Look::Ids {
            assert!(out[end + 1 + b"FRAME\n".len()..] == vec![id; INPUT.area()]);
        } else {
            let (frames, _) = read_all(Y4mSource::new(&out[..]).unwrap());
            let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 2;
            assert!(frames[0].rgb()[..3].iter().zip(expected).all(near), "{:?} {expected:?}", &frames[0].rgb()[..3]);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_stream_without_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut segmenter = Segmenter::new(model(lrnnet_graph::Head::ClassMap), RedEngine::new());
    let out = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    let mut sink = RawSink::new(out, Painter::new(Look::Ids, &[]));
    let bytes = raw(&[1; 50]);
    let mut source = RawSource::new(&bytes[..], INPUT, None);
    let (summary, error) = stream::run(&mut segmenter, &mut source, &mut sink, &Options::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(summary.frames, 0);
}
