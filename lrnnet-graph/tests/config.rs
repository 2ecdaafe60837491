//! Settings are checked before a graph is built.
#![allow(missing_docs)]

use lrnnet_graph::{Block, Classes, Config, Context, Head, InputKind, InputSize, Settings, Variant};

fn error(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings::camvid();
    change(&mut settings);
    Config::new(settings).map_or_else(|e| e.to_string(), |_| "no error".into())
}

fn size(height: usize, width: usize) -> InputSize {
    InputSize::Static { batch: 1, height, width }
}

#[test]
fn impossible_settings_are_refused_with_what_to_do() {
    let names = |n: &[&str]| Classes::named(n.iter().map(|s| (*s).to_owned()).collect());
    let cases = [
        (error(|s| s.size = size(100, 480)), "height 100 is not a multiple of 8; the nearest sizes are 96 and 104"),
        (error(|s| s.size = size(360, 3)), "width 3 is not a multiple of 8; the nearest sizes are 8 and 8"),
        (error(|s| s.size = size(0, 480)), "height 0 is out of range; expected 1 to 16384"),
        (error(|s| s.size = size(360, usize::MAX)), "expected 1 to 16384"),
        (error(|s| s.size = InputSize::Static { batch: 0, height: 8, width: 8 }), "batch size 0"),
        (error(|s| s.size = InputSize::FreeBatch { height: 100, width: 480 }), "height 100 is not a multiple of 8"),
        (error(|s| s.size = InputSize::FreeBatch { height: 360, width: 0 }), "width 0 is out of range"),
        (error(|s| s.context = Context::MaxPool { scales: vec![] }), "scales [] do not make a context module"),
        (error(|s| s.context = Context::MeanPool { scales: vec![8, 8] }), "scales [8, 8]"),
        (error(|s| s.context = Context::MeanPool { scales: vec![0] }), "scale 0 is out of range"),
        (error(|s| s.context = Context::SingularVectors { scales: vec![8], iterations: 0 }), "power iterations 0"),
        (error(|s| s.classes = names(&["only"])), "1 classes; expected 2 to 256"),
        (error(|s| s.classes = names(&["road", "road"])), "class 1 is called \"road\""),
        (error(|s| s.classes = names(&["road", " "])), "class 1 is called \" \""),
        (error(|s| s.classes.palette.truncate(3)), "3 colours for 11 classes"),
        (error(|s| s.classes.ignore_index = Some(3)), "ignored label 3 is the id of a class"),
        (error(|s| s.normalization.std[1] = 0.0), "do not normalise"),
        (error(|s| s.normalization.mean[1] = f32::NAN), "do not normalise"),
    ];
    let wrong: Vec<_> = cases.iter().filter(|(found, expected)| !found.contains(expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_largest_and_smallest_settings_are_networks() {
    let named = |n: usize| Classes::named((0..n).map(|i| format!("class {i}")).collect());
    let with = |change: fn(&mut Settings, &dyn Fn(usize) -> Classes)| {
        let mut settings = Settings::camvid();
        change(&mut settings, &named);
        settings
    };
    let cases = [
        with(|s, _| s.size = size(16_384, 8)),
        with(|s, _| s.trained_size = [8, 16_384]),
        with(|s, _| s.size = InputSize::Static { batch: 256, height: 8, width: 8 }),
        with(|s, _| s.context = Context::SingularVectors { scales: vec![64, 1], iterations: 32 }),
        with(|s, _| s.context = Context::SingularVectors { scales: vec![1], iterations: 1 }),
        with(|s, named| s.classes = named(2)),
        with(|s, named| s.classes = Classes { ignore_index: None, ..named(256) }),
        with(|s, _| s.normalization.std = [f32::MIN_POSITIVE, 1.0, f32::MAX]),
        with(|s, _| s.normalization.mean = [-1.0, 0.0, 300.0]),
    ];
    for settings in cases {
        assert!(Config::new(settings.clone()).is_ok(), "{:?}", Config::new(settings).unwrap_err());
    }
    let beyond = [
        (error(|s| s.size = size(16_392, 8)), "height 16392 is out of range"),
        (error(|s| s.trained_size = [8, 0]), "trained width 0"),
        (error(|s| s.trained_size = [12, 8]), "trained height 12 is not a multiple of 8"),
        (error(|s| s.size = InputSize::Static { batch: 257, height: 8, width: 8 }), "batch size 257"),
        (error(|s| s.context = Context::MaxPool { scales: vec![65] }), "scale 65"),
        (
            error(|s| s.context = Context::SingularVectors { scales: vec![8], iterations: 33 }),
            "power iterations 33 is out of range; expected 1 to 32",
        ),
        (error(|s| s.classes = Classes::named(vec!["x".into(); 257])), "257 classes"),
        (error(|s| s.classes.ignore_index = Some(10)), "ignored label 10"),
        (error(|s| s.normalization.std[2] = f32::INFINITY), "do not normalise"),
        (error(|s| s.normalization.std[2] = -1.0), "do not normalise"),
        (error(|s| s.normalization.std[0] = f32::NAN), "do not normalise"),
        (error(|s| s.normalization.mean[2] = f32::INFINITY), "do not normalise"),
    ];
    let wrong: Vec<_> = beyond.iter().filter(|(found, expected)| !found.contains(expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn networks_of_the_paper_have_its_names() {
    let variant = |block, context: &str| {
        Settings { block, context: context.parse().unwrap(), ..Settings::cityscapes() }.variant()
    };
    let cases = [
        (Block::Fcb, "none", Some(Variant::A)),
        (Block::Fcb, "svn:8", Some(Variant::B)),
        (Block::Fcb, "svn:8,4", Some(Variant::C)),
        (Block::Fcb, "svn:4,8", None),
        (Block::Fcb, "svn:16", None),
        (Block::Fcb, "max:8", None),
        (Block::Fcb, "nonlocal", None),
        (Block::SsNbt, "none", None),
        (Block::NonBt1d, "svn:8,4", None),
    ];
    for (block, context, expected) in cases {
        assert_eq!(variant(block, context), expected, "{block} {context}");
    }
}

#[test]
fn dynamic_sizes_are_multiples_of_whole_regions() {
    let multiple = |context: &str| {
        let context = context.parse().unwrap();
        Settings { context, size: InputSize::Dynamic, ..Settings::camvid() }.size_multiple()
    };
    let cases = [("none", 8), ("svn:8,4", 64), ("svn:16", 128), ("svn:8,3", 192), ("nonlocal", 8)];
    for (context, expected) in cases {
        assert_eq!(multiple(context), expected, "{context}");
    }
    assert_eq!(Settings::camvid().size_multiple(), 8);
}

#[test]
fn words_are_read_as_they_are_printed() {
    for word in ["none", "svn:8,4", "svn:8", "max:8", "mean:16,2", "nonlocal"] {
        assert_eq!(word.parse::<Context>().unwrap().to_string(), word);
    }
    for word in ["", "svn", "svn:", "svn:a", "none:8", "nonlocal:1", "svn:8;4"] {
        assert!(word.parse::<Context>().is_err(), "{word}");
    }
    for variant in [Variant::A, Variant::B, Variant::C] {
        assert_eq!(variant.to_string().parse(), Ok(variant));
        let settings = Settings { context: variant.context(), ..Settings::camvid() };
        assert_eq!(settings.variant(), Some(variant));
    }
    assert_eq!("ss-nbt".parse(), Ok(Block::SsNbt));
    assert_eq!("logits-8".parse(), Ok(Head::Logits8));
    let message = "png".parse::<InputKind>().unwrap_err().to_string();
    assert_eq!(message, "`png` is not a kind of input; expected f32-nchw or u8-nhwc");
}

#[test]
fn no_scales_are_too_many_to_be_judged() {
    let every: Vec<usize> = (1..=64).collect();
    for (scales, expected) in [
        (every.clone(), "size multiple of a dynamic graph 18446744073709551615 is out of range"),
        (vec![0, 0], "scale 0 is out of range"),
        (vec![usize::MAX, 2], "scale 18446744073709551615 is out of range"),
    ] {
        let settings =
            Settings { context: Context::MaxPool { scales }, size: InputSize::Dynamic, ..Settings::camvid() };
        settings.size_multiple();
        let error = Config::new(settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A static graph has no use for a common multiple.
    let settings = Settings { context: Context::MaxPool { scales: every }, ..Settings::camvid() };
    assert!(Config::new(settings).is_ok());
}
