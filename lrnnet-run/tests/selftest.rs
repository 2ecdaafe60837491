//! A self-test finds what is wrong with a class map, however small, and lets pass what engines may do.
#![allow(missing_docs)]

use lrnnet_graph::onnx::Opset;
use lrnnet_graph::onnx::proto::ModelProto;
use lrnnet_graph::{Config, Form, Head, InputSize, Network, Origin, SelfTest, SelfTestRecord, Settings, synthetic};
use lrnnet_run::engine::{self, EngineOptions};
use lrnnet_run::selftest::{self, SelfTestError, Verdict, judge};
use lrnnet_run::{Device, Model, Segmenter, Size};
use prost::Message;

const ENGINES: [Device; 2] = [Device::TRACT, Device::CPU];

/// A class map.
#[derive(Clone)]
struct Map {
    ids: Vec<u8>,
    size: Size,
}

impl Map {
    /// The map that takes each position's class from where `source` says.
    fn taken(&self, source: impl Fn(usize, usize) -> (usize, usize)) -> Self {
        let Size { height, width } = self.size;
        let at = |i: usize| {
            let (y, x) = source(i / width, i % width);
            self.ids[y.min(height - 1) * width + x.min(width - 1)]
        };
        Self { ids: (0..self.ids.len()).map(at).collect(), ..*self }
    }

    /// The map with its two most frequent classes exchanged within a rectangle.
    fn swapped(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Self {
        let mut by_count: Vec<u8> = (0..=255).collect();
        by_count.sort_by_key(|class| std::cmp::Reverse(self.ids.iter().filter(|id| *id == class).count()));
        let (a, b) = (by_count[0], by_count[1]);
        let mut map = self.clone();
        for i in rows.flat_map(|y| columns.clone().map(move |x| y * self.size.width + x)) {
            map.ids[i] = if self.ids[i] == a {
                b
            } else if self.ids[i] == b {
                a
            } else {
                self.ids[i]
            };
        }
        map
    }
}

/// What may go wrong with a class map, and a map that it went wrong with.
fn damages(map: &Map) -> Vec<(&'static str, Map)> {
    let Size { height, width } = map.size;
    let (h, w) = (height - 1, width - 1);
    vec![
        ("mirrored left to right", map.taken(|y, x| (y, w - x))),
        ("mirrored top to bottom", map.taken(|y, x| (h - y, x))),
        ("turned upside down", map.taken(|y, x| (h - y, w - x))),
        ("shifted left by one pixel", map.taken(|y, x| (y, x + 1))),
        ("shifted right by one pixel", map.taken(|y, x| (y, x.saturating_sub(1)))),
        ("shifted up by one pixel", map.taken(|y, x| (y + 1, x))),
        ("shifted down by one pixel", map.taken(|y, x| (y.saturating_sub(1), x))),
        ("rolled by one pixel", map.taken(|y, x| (y, (x + 1) % width))),
        ("a row dropped", map.taken(|y, x| (if y > h / 2 { y + 1 } else { y }, x))),
        ("a column dropped", map.taken(|y, x| (y, if x > w / 2 { x + 1 } else { x }))),
        ("a row twice", map.taken(|y, x| (if y == 3 * h / 4 { y - 1 } else { y }, x))),
        (
            "two rows exchanged",
            map.taken(|y, x| {
                (
                    if y == 0 {
                        h
                    } else if y == h {
                        0
                    } else {
                        y
                    },
                    x,
                )
            }),
        ),
        (
            "two columns exchanged",
            map.taken(|y, x| {
                (
                    y,
                    if x == 0 {
                        w
                    } else if x == w {
                        0
                    } else {
                        x
                    },
                )
            }),
        ),
        ("blocks of 8 x 8 transposed", map.taken(|y, x| (y / 8 * 8 + x % 8, x / 8 * 8 + y % 8))),
        ("one class for a block of 8 x 8", map.taken(|y, x| (y / 8 * 8 + 4, x / 8 * 8 + 4))),
        ("upsampled with aligned corners", map.taken(|y, x| (y * (height - 8) / h + 4, x * (width - 8) / w + 4))),
        ("rows read as columns", map.taken(|y, x| ((y * width + x) % height, (y * width + x) / height))),
        ("two classes swapped", map.swapped(0..height, 0..width)),
        ("two classes swapped at the top left", map.swapped(0..height / 8, 0..width / 8)),
        ("two classes swapped at the top right", map.swapped(0..height / 8, width * 7 / 8..width)),
        ("two classes swapped at the bottom left", map.swapped(height * 7 / 8..height, 0..width / 8)),
        ("two classes swapped at the bottom right", map.swapped(height * 7 / 8..height, width * 7 / 8..width)),
        ("every class one too high", Map { ids: map.ids.iter().map(|id| id + 1).collect(), ..*map }),
        ("nothing but class 0", Map { ids: vec![0; map.ids.len()], ..*map }),
        ("a pixel too few", Map { ids: map.ids[1..].to_vec(), ..*map }),
        ("a pixel too many", Map { ids: [&map.ids[..], &[0]].concat(), ..*map }),
        ("no pixel", Map { ids: vec![], ..*map }),
    ]
}

fn record(model: &Model) -> SelfTestRecord {
    match &model.metadata().selftest {
        Some(SelfTest::Known(record)) => record.clone(),
        other => panic!("{other:?}"),
    }
}

/// Whether each position is a near tie.
fn near_ties(record: &SelfTestRecord) -> Vec<bool> {
    let runs = record.near_ties.iter().enumerate();
    runs.flat_map(|(i, &run)| std::iter::repeat_n(i % 2 == 1, run as usize)).collect()
}

fn class_map(device: Device, record: &SelfTestRecord) -> Map {
    let size = Size::new(record.height, record.width);
    let mut segmenter = Segmenter::builder()
        .device(device)
        .build()
        .unwrap_or_else(|e| panic!("{device}: {e:?}\nrun `cargo xtask test`"));
    Map { ids: segmenter.segment(&selftest::picture(size)).unwrap().mask.into_raw(), size }
}

#[test]
fn every_damage_to_the_class_map_is_found() {
    let record = record(&Model::builtin().unwrap());
    let mut passed = vec![];
    for device in ENGINES {
        let map = class_map(device, &record);
        assert!(!matches!(judge(&record, &map.ids), Verdict::Different { .. }), "{device}");
        for (damage, damaged) in damages(&map) {
            assert!(damaged.ids != map.ids, "{damage} changes nothing");
            if !matches!(judge(&record, &damaged.ids), Verdict::Different { .. }) {
                passed.push(format!("{damage} on {device}"));
            }
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn one_pixel_counts_unless_it_is_a_near_tie() {
    let record = record(&Model::builtin().unwrap());
    let map = class_map(Device::TRACT, &record);
    let near_ties = near_ties(&record);
    let positions = map.ids.len() as u64;
    let ties = near_ties.iter().filter(|tie| **tie).count() as u64;
    let at_near_ties = Verdict::AtNearTies { near_ties: ties, positions };
    // All pixels would take minutes; 97 is prime to the width, so that these come from all columns.
    for i in (0..map.ids.len()).step_by(97) {
        let mut ids = map.ids.clone();
        ids[i] ^= 1;
        let expected = if near_ties[i] { at_near_ties } else { Verdict::Different { near_ties: ties, positions } };
        assert_eq!(judge(&record, &ids), expected, "pixel {i}");
    }
    let flip = |(id, tie): (&u8, &bool)| if *tie { id ^ 1 } else { *id };
    let all: Vec<u8> = map.ids.iter().zip(&near_ties).map(flip).collect();
    assert_eq!(judge(&record, &all), at_near_ties, "every near tie the other way");
    assert!((100..positions / 20).contains(&ties), "{ties} near ties: too few for other engines, or too many");
}

/// The shipped model, changed.
fn changed(change: impl FnOnce(&mut ModelProto)) -> Model {
    let mut proto = ModelProto::decode(Model::builtin().unwrap().bytes()).unwrap();
    change(&mut proto);
    Model::from_trusted_bytes("changed", proto.encode_to_vec()).unwrap()
}

/// Changes the bias of class 0.
fn set_bias(proto: &mut ModelProto, change: fn(f32) -> f32) {
    let tensors = &mut proto.graph.as_mut().unwrap().initializer;
    let bias = tensors.iter_mut().find(|t| t.name() == "classifier.predict.bias").unwrap();
    let bytes = bias.raw_data.as_mut().unwrap();
    let value = f32::from_le_bytes(bytes[..4].try_into().unwrap());
    bytes[..4].copy_from_slice(&change(value).to_le_bytes());
}

fn run(model: &Model, device: Device) -> Result<Verdict, SelfTestError> {
    let mut opened = engine::open(model, device, &EngineOptions::default(), &|_| ())
        .unwrap_or_else(|e| panic!("{device}: {e:?}\nrun `cargo xtask test`"));
    selftest::run(model, opened.engine.as_mut())
}

#[test]
fn weights_that_changed_a_little_or_to_nan_do_not_pass() {
    let with_bias = |change: fn(f32) -> f32| changed(|proto| set_bias(proto, change));
    for device in ENGINES {
        assert_eq!(run(&with_bias(|bias| bias), device).unwrap(), Verdict::Equal, "{device}");
        for (what, change) in [("more", (|b| b + 0.5) as fn(f32) -> f32), ("less", |b| b - 0.5), ("NaN", |_| f32::NAN)]
        {
            let found = run(&with_bias(change), device).unwrap();
            assert!(matches!(found, Verdict::Different { .. }), "{what} on {device}: {found:?}");
        }
    }
}

#[test]
fn logits_of_nan_are_an_error_and_not_class_0() {
    for head in [Head::Logits, Head::Logits8] {
        let size = InputSize::Static { batch: 1, height: 64, width: 128 };
        let network = Network::new(Config::new(Settings { size, head, ..Settings::camvid() }).unwrap());
        let weights = synthetic::weights(&network);
        let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
        let record = SelfTestRecord { height: 64, width: 128, ..record(&Model::builtin().unwrap()) };
        let model =
            network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap().with_selftest(SelfTest::Known(record));
        let mut proto = ModelProto::decode(&*model.to_onnx(Opset::default(), &origin)).unwrap();
        let fine = Model::from_bytes("as it is", proto.encode_to_vec()).unwrap();
        set_bias(&mut proto, |_| f32::NAN);
        let broken = Model::from_trusted_bytes("changed", proto.encode_to_vec()).unwrap();
        for device in ENGINES {
            let found = run(&broken, device);
            assert!(matches!(found, Err(SelfTestError::NotNumbers)), "{head} on {device}: {found:?}");
            // The record is another model's.
            let found = run(&fine, device);
            assert!(matches!(found, Ok(Verdict::Different { .. })), "{head} on {device}: {found:?}");
        }
    }
}

#[test]
fn records_of_other_versions_are_refused_and_their_models_are_not() {
    let with_record = |text: &str| {
        changed(|proto| {
            let entry = proto.metadata_props.iter_mut().find(|entry| entry.key() == "selftest").unwrap();
            entry.value = Some(text.to_owned());
        })
    };
    let first = r#"{"input": "lrnnet-picture-2", "height": 360, "width": 480, "class_map_sha256": "e8",
                    "class_pixels": [172800, 0], "near_ties": 38}"#;
    let text = serde_json::to_string(&record(&Model::builtin().unwrap())).unwrap();
    let cases = [
        (first.to_owned(), "has version 1 or is damaged; expected version 2"),
        (text.replacen("\"version\":2", "\"version\":3", 1), "has version 3"),
        (text.replacen("picture-2", "picture-3", 1), "on the picture lrnnet-picture-2"),
        (text.replacen("\"near_ties\":[", "\"near_ties\":[-1,", 1), "is damaged"),
        ("null".to_owned(), "no self-test"),
        (text.replacen("\"height\":360", "\"height\":352", 1), "has size 352x480, but the model takes 360x480"),
    ];
    for (record, words) in cases {
        let error = run(&with_record(&record), Device::TRACT).unwrap_err().to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}
