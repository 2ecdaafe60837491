//! Files that want more than to be read: each is refused within little memory, whose peak a counting allocator takes.
//!
//! How long each takes is printed, not asserted: `cargo test --test hostile attacks -- --nocapture`.

use std::io::Cursor;
use std::time::{Duration, Instant};

use lrnnet_graph::onnx::proto::ModelProto;
use prost::Message;

use super::files::{Compression, Pickle, TensorOf, safetensors, tensor_bytes, torch_zip, zip};
use super::mutate::archive;
use super::seeds::{outcome, small_model, small_pickle, small_safetensors};

/// Bytes that refusing a file may take beside the file's own, at its peak.
const MAX_MEMORY: u64 = 32 << 20;

/// A parser, what is tried, the file, and a word of the refusal.
type Attack = (&'static str, &'static str, Vec<u8>, &'static str);

#[test]
fn every_attack_is_refused_within_little_memory() {
    let mut failures = vec![];
    let mut longest = (Duration::ZERO, "");
    for (parser, what, bytes, word) in all() {
        let (mut found, mut time) = (Ok(String::new()), Duration::ZERO);
        let measured = allocation_counter::measure(|| {
            let begun = Instant::now();
            found = outcome(parser, &bytes);
            time = begun.elapsed();
        });
        longest = longest.max((time, what));
        println!("{parser:8} {what:40} {:>9} bytes {:>7} KiB {time:>10.1?}", bytes.len(), measured.bytes_max >> 10);
        match found {
            Err(error) if error.contains(word) => {}
            Err(error) => failures.push(format!("{parser}, {what}: {word:?} is not in {error}")),
            Ok(text) => failures.push(format!("{parser}, {what}: accepted as {} characters", text.len())),
        }
        // What is given is copied for readers that keep it.
        let beside = measured.bytes_max.saturating_sub(bytes.len() as u64);
        if beside > MAX_MEMORY {
            failures.push(format!("{parser}, {what}: {} MiB", beside >> 20));
        }
    }
    println!("longest: {longest:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn all() -> Vec<Attack> {
    [safetensors_files(), pickles(), archives(), models(), pictures(), texts()].concat()
}

fn safetensors_files() -> Vec<Attack> {
    let tensor = |shape: &str, from: usize, to: usize| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |first: String, second: String| safetensors(&format!(r#"{{"a":{first},"b":{second}}}"#), &[0; 16]);
    let many: Vec<_> = (0..18_000).map(|i| format!(r#""{i}":{}"#, tensor("[]", 0, 0))).collect();
    let metadata: Vec<_> = (0..60_000).map(|i| format!(r#""{i}":"""#)).collect();
    let length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let nested = format!(r#"{{"a":{}"#, "[".repeat(1 << 19));
    vec![
        ("weights", "overlapping tensors", two(tensor("[2]", 0, 8), tensor("[3]", 4, 16)), "SafeTensors"),
        ("weights", "a hole between tensors", two(tensor("[1]", 0, 4), tensor("[2]", 8, 16)), "SafeTensors"),
        ("weights", "offsets backwards", two(tensor("[1]", 4, 0), tensor("[3]", 4, 16)), "SafeTensors"),
        ("weights", "offsets beyond the file", two(tensor("[2]", 0, 8), tensor("[9]", 8, 44)), "SafeTensors"),
        (
            "weights",
            "the same tensor twice",
            { safetensors(&format!(r#"{{"a":{0},"a":{0}}}"#, tensor("[4]", 0, 16)), &[0; 16]) },
            "stands twice",
        ),
        (
            "weights",
            "extents hidden by a zero",
            two(tensor("[0,18446744073709551615]", 0, 0), tensor("[4]", 0, 16)),
            "TooManyValues",
        ),
        (
            "weights",
            "a product that overflows",
            two(tensor("[4294967296,4294967296]", 0, 0), tensor("[4]", 0, 16)),
            "SafeTensors",
        ),
        ("weights", "a header of 2^64 - 1 bytes", length(u64::MAX), "HeaderTooLarge"),
        ("weights", "a header of 1 GiB", length(1 << 30), "HeaderTooLarge"),
        ("weights", "a deeply nested header", safetensors(&nested, &[]), "Header"),
        (
            "weights",
            "18,000 tensors without values",
            safetensors(&format!("{{{}}}", many.join(",")), &[]),
            "10000 keys",
        ),
        (
            "weights",
            "60,000 metadata",
            safetensors(&format!(r#"{{"__metadata__":{{{}}}}}"#, metadata.join(",")), &[]),
            "10000 keys",
        ),
    ]
}

const TENSOR: TensorOf = ("w", "FloatStorage", &[2, 3], &[3, 1]);

fn pickles() -> Vec<Attack> {
    let raw = |code: &[u8]| archive(&[b"\x80\x02".as_slice(), code].concat());
    let doubling: Vec<u8> =
        (0..200u8).flat_map(|i| [b"h\0h\0\x86q\0".as_slice(), &[b'h', 0, b'q', i.max(1)]].concat()).collect();
    let values = vec![tensor_bytes(&[0.0; 6])];
    let repeated = |shape, strides| torch_zip(&Pickle::state_dict(&[("w", "FloatStorage", shape, strides)]), &values);
    let call = |code: &[u8]| raw(&[code, b"X\x02\x00\x00\x00id\x85R."].concat());
    vec![
        ("weights", "a pickle that calls os.system", call(b"cos\nsystem\n"), "os.system"),
        ("weights", "a pickle that calls builtins.eval", call(b"cbuiltins\neval\n"), "builtins.eval"),
        ("weights", "a pickle that calls getattr", call(b"c__builtin__\ngetattr\n"), "getattr"),
        ("weights", "a pickle that imports torch.load", call(b"ctorch\nload\n"), "torch.load"),
        ("weights", "a pickle that calls subprocess", call(b"csubprocess\nPopen\n"), "Popen"),
        ("weights", "INST, which calls without REDUCE", raw(b"(X\x02\x00\x00\x00idios\nsystem\n."), "Opcode"),
        ("weights", "OBJ, which calls without REDUCE", raw(b"(cos\nsystem\no."), "os.system"),
        ("weights", "NEWOBJ", raw(b"ccollections\nOrderedDict\n)\x81."), "Opcode"),
        ("weights", "STACK_GLOBAL", raw(b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93."), "Opcode"),
        ("weights", "an extension code", raw(b"\x84\x01\x00\x00\x00."), "Opcode"),
        (
            "weights",
            "a memo that doubles 200 times",
            raw(&[b"]q\0".as_slice(), &doubling, b"."].concat()),
            "NotADictionary",
        ),
        (
            "weights",
            "500,000 tuples, one in the other",
            raw(&[b")".as_slice(), &b"\x85".repeat(500_000), b"."].concat()),
            "NotADictionary",
        ),
        ("weights", "500,000 lists", raw(&[b"]".repeat(500_000).as_slice(), b"."].concat()), "NotADictionary"),
        ("weights", "500,000 marks", raw(&[b"(".repeat(500_000).as_slice(), b"."].concat()), "missing"),
        (
            "weights",
            "80,000 memos",
            raw(&[
                b"}".to_vec(),
                (0..80_000u32).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat()).collect(),
                b"s".to_vec(),
            ]
            .concat()),
            "missing",
        ),
        ("weights", "a string of 4 GiB", raw(b"X\xff\xff\xff\xff"), "CutShort"),
        ("weights", "a long integer of 4 GiB", raw(b"\x8b\xff\xff\xff\x7f"), "Opcode"),
        ("weights", "a stride of zero", repeated(&[200, 200, 200], &[0, 0, 0]), "MoreThanTheFile"),
        ("weights", "a row that is used again and again", repeated(&[255, 6], &[0, 1]), "MoreThanTheFile"),
        ("weights", "2^32 values of a stride of zero", repeated(&[255, 255, 255, 255], &[0, 0, 0, 0]), "PyTorch"),
        (
            "weights",
            "one name for two tensors",
            torch_zip(&Pickle::state_dict(&[TENSOR, TENSOR]), &[values[0].clone(), values[0].clone()]),
            "Duplicate",
        ),
        ("weights", "a tensor beyond its storage", repeated(&[3, 3], &[3, 1]), "PyTorch"),
    ]
}

/// Puts `value` where the little-endian bytes of `marker` stand, everywhere.
fn replaced(mut bytes: Vec<u8>, marker: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let starts: Vec<_> = (0..bytes.len()).filter(|&i| bytes[i..].starts_with(marker)).collect();
    for start in starts {
        bytes[start + at..start + at + value.len()].copy_from_slice(value);
    }
    bytes
}

fn archives() -> Vec<Attack> {
    use Compression::{Deflated, Stored};
    let pickle = small_pickle();
    let zeros = vec![b'N'; 64 << 20];
    let whole = || archive(&pickle);
    let entry = b"PK\x01\x02";
    let names: Vec<_> = (0..10_001).map(|i| format!("a/{i}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..], Stored)).collect();
    vec![
        ("weights", "a deflated pickle of 64 MiB", zip(&[("a/data.pkl", &zeros, Deflated)]), "compressed"),
        (
            "weights",
            "a deflated storage of 64 MiB",
            zip(&[("a/data.pkl", &pickle, Stored), ("a/data/0", &zeros, Deflated)]),
            "compressed",
        ),
        ("weights", "10,001 entries", zip(&many), "entries"),
        ("weights", "a pickle of 4 GiB by the directory", replaced(whole(), entry, 20, &[0xFF; 8]), ""),
        ("weights", "a directory that lies of its place", replaced(whole(), b"PK\x05\x06", 16, &[0xFF; 4]), ""),
        ("weights", "ZIP64 fields without their record", replaced(whole(), b"PK\x05\x06", 8, &[0xFF; 12]), ""),
        ("weights", "a ZIP64 record that lies", zip64(&whole()), ""),
        ("weights", "entries of one offset", replaced(whole(), entry, 42, &[0; 4]), ""),
        ("weights", "encrypted entries", replaced(whole(), entry, 8, &[1, 0]), ""),
        ("weights", "an entry of a method that is none", replaced(whole(), entry, 10, &[99, 0]), ""),
        (
            "weights",
            "safetensors behind an archive's magic",
            [b"PK\x03\x04".to_vec(), small_safetensors()].concat(),
            "Zip",
        ),
        ("weights", "an archive behind a safetensors header", [small_safetensors(), whole()].concat(), "SafeTensors"),
        ("weights", "a program and an archive in one", [b"#!/bin/sh\n".to_vec(), whole()].concat(), "UnknownFormat"),
        ("weights", "two archives in one", [archive(b"\x80\x02}."), whole()].concat(), "stands behind"),
        ("weights", "a path that leaves the folder", zip(&[("../../data.pkl", &pickle, Stored)]), ""),
    ]
}

/// An archive's end record replaced by one that sends its reader to a ZIP64 record with 2^63 entries.
fn zip64(whole: &[u8]) -> Vec<u8> {
    let end = whole.len() - 22;
    let mut bytes = whole[..end].to_vec();
    let record = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [1u64 << 63, 1 << 63, 1 << 62, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(record.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xFF; 12]);
    bytes.extend([0, 0]);
    bytes
}

/// A protobuf field of bytes.
fn field(tag: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

fn models() -> Vec<Attack> {
    let whole = small_model();
    let beside = |more: Vec<u8>| [whole.clone(), more].concat();
    let changed = |change: &dyn Fn(&mut ModelProto)| {
        let mut proto = ModelProto::decode(whole.as_slice()).unwrap();
        change(&mut proto);
        proto.encode_to_vec()
    };
    // What keeps values elsewhere: location, offset, length and checksum, in each place that a tensor may stand in.
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let elsewhere = [entry("location", "/etc/passwd"), entry("offset", "0"), entry("length", "64")].concat();
    let location = [112, 1];
    let in_graph = |content: Vec<u8>| beside(field(7, &content));
    let in_node = |content: Vec<u8>| in_graph(field(1, &field(5, &content)));
    let sparse = field(15, &field(1, &elsewhere));
    let empty = |tag: u32, times: usize| field(tag, &[]).repeat(times);
    let words = |count: usize| format!("[{}0]", "0,".repeat(count));
    vec![
        ("model", "external data of a constant", in_graph(field(5, &[&elsewhere[..], &location].concat())), ""),
        ("model", "external data without its flag", in_graph(field(5, &elsewhere)), ""),
        ("model", "a flag without external data", in_graph(field(5, &location)), ""),
        ("model", "external data of a sparse constant", in_graph(sparse), ""),
        ("model", "external data of an attribute's tensor", in_node(field(5, &elsewhere)), ""),
        ("model", "external data of an attribute's tensors", in_node(field(10, &elsewhere)), ""),
        ("model", "external data in a subgraph", in_node(field(6, &field(5, &elsewhere))), ""),
        ("model", "external data in a function", beside(field(25, &field(7, &field(5, &field(5, &elsewhere))))), ""),
        ("model", "training information", beside(field(20, &[])), "OutsideSubset"),
        ("model", "functions", beside(field(25, &[])), "OutsideSubset"),
        ("model", "another graph", beside(field(7, &[])), "OutsideSubset"),
        ("model", "a custom domain", changed(&|m| m.opset_import[0].domain = Some("com.example".into())), "Domain"),
        ("model", "a loop", changed(&|m| m.graph.as_mut().unwrap().node[0].op_type = Some("Loop".into())), "Loop"),
        ("model", "2,000,000 empty nodes", field(7, &empty(1, 2_000_000)), "TooManyFields"),
        ("model", "2,000,000 empty constants", field(7, &empty(5, 2_000_000)), "TooManyFields"),
        ("model", "2,000,000 empty attributes", field(7, &field(1, &empty(5, 2_000_000))), "TooManyFields"),
        ("model", "2,000,000 extents", field(7, &field(5, &[8, 1].repeat(2_000_000))), "TooManyFields"),
        ("model", "2,000,000 metadata", empty(14, 2_000_000), "TooManyFields"),
        ("model", "2,000,000 graphs", empty(7, 2_000_000), "TooManyFields"),
        ("model", "99,000 empty nodes", field(7, &empty(1, 99_000)), "Ports"),
        (
            "model",
            "metadata of 5 MB",
            changed(&|m| m.metadata_props[0].value = Some(words(2_500_000))),
            "MetadataTooLarge",
        ),
        (
            "model",
            "a self-test of 110,000 numbers",
            changed(&|m| {
                let entry = m.metadata_props.iter_mut().find(|e| e.key() == "selftest").unwrap();
                entry.value = Some(words(110_000));
                m.graph.as_mut().unwrap().node[0].op_type = Some("Loop".into());
            }),
            "Loop",
        ),
        ("model", "nested metadata", changed(&|m| m.metadata_props[0].value = Some("[".repeat(1 << 19))), "Json"),
        ("model", "unknown groups, one in the other", vec![0x1B; 1 << 20], ""),
        ("model", "a length beyond the file", [&whole[..], &[0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]].concat(), "Protobuf"),
    ]
}

/// A PNG of this header, with data that begin and do not end.
fn png(width: u32, height: u32, color: png::ColorType, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![0; 3]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, data).unwrap();
    drop(writer);
    bytes
}

/// A JPEG that ends behind a header of so many components.
fn jpeg(marker: u8, width: u16, height: u16, components: u8, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components);
    (1..=components).for_each(|id| frame.extend([id, 0x11, 0]));
    let length = (frame.len() as u16 + 2).to_be_bytes();
    [&[0xFF, 0xD8, 0xFF, marker], &length[..], &frame, rest, &[0xFF, 0xD9]].concat()
}

fn pictures() -> Vec<Attack> {
    let webp = |chunk: &[u8], content: &[u8]| {
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((content.len() as u32 + 12).to_le_bytes());
        bytes.extend(b"WEBP");
        bytes.extend(chunk);
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(content);
        bytes
    };
    // Width and height less one, in 14 bits each.
    let lossless = |side: u32| [&[0x2F][..], &((side - 1) | (side - 1) << 14).to_le_bytes()].concat();
    let lossy =
        |side: u16| [&[0x30, 1, 0, 0x9D, 1, 0x2A][..], &side.to_le_bytes(), &side.to_le_bytes(), &[0; 8]].concat();
    let started = [0x78, 0x9C, 0xED, 0xC1];
    let rgb = png::ColorType::Rgb;
    let text = {
        let mut bytes = vec![];
        let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
        encoder.add_ztxt_chunk("Comment".into(), "x".repeat(64 << 20)).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, &started).unwrap();
        drop(writer);
        bytes
    };
    vec![
        ("picture", "a PNG of 2^31 - 1 a side", png(0x7FFF_FFFF, 0x7FFF_FFFF, rgb, &started), "Limits"),
        ("picture", "a PNG of 16384 x 16384", png(16_384, 16_384, rgb, &started), "TooLarge"),
        ("picture", "a PNG of 10000 x 10000 in 70 bytes", png(10_000, 10_000, rgb, &started), "TooFewBytes"),
        ("picture", "a PNG with 64 MiB of compressed text", text, ""),
        ("picture", "a JPEG of 65535 a side", jpeg(0xC0, 65_535, 65_535, 3, &[]), ""),
        ("picture", "a JPEG of 10000 x 10000 in 40 bytes", jpeg(0xC0, 10_000, 10_000, 3, &[]), ""),
        ("picture", "a progressive JPEG of the same", jpeg(0xC2, 10_000, 10_000, 3, &[]), ""),
        ("picture", "a JPEG of 255 components", jpeg(0xC0, 64, 64, 255, &[]), ""),
        ("picture", "a WebP of 16384 x 16384, lossless", webp(b"VP8L", &lossless(16_384)), ""),
        ("picture", "a WebP of 16383 x 16383, lossy", webp(b"VP8 ", &lossy(16_383)), ""),
        ("picture", "a TIFF by another name", b"II*\0\x08\0\0\0".to_vec(), "UnknownFormat"),
        (
            "picture",
            "an SVG that names a file",
            b"<svg><image href='file:///etc/passwd'/></svg>".to_vec(),
            "UnknownFormat",
        ),
        ("label", "a label of 2^31 - 1 a side", png(0x7FFF_FFFF, 0x7FFF_FFFF, png::ColorType::Grayscale, &started), ""),
        (
            "label",
            "a label of 16384 x 6000 in 70 bytes",
            png(16_384, 6_000, png::ColorType::Indexed, &started),
            "TooFewBytes",
        ),
    ]
}

fn texts() -> Vec<Attack> {
    let y4m = |header: &str| [header.as_bytes(), b"\nFRAME\n0123"].concat();
    vec![
        ("classes", "a file of 64 MiB", vec![b'\n'; 64 << 20], "TooLarge"),
        ("classes", "a line of 64 KiB that is no text", vec![0xFF; 64 << 10], "NoText"),
        (
            "classes",
            "30,000 names, one with a colour",
            [&b"a\n".repeat(30_000)[..], b"b 1 2 3"].concat(),
            "SomeColours",
        ),
        ("y4m", "2^32 - 1 a side", y4m("YUV4MPEG2 W4294967295 H4294967295"), "TooLarge"),
        ("y4m", "a width beyond 32 bits", y4m("YUV4MPEG2 W99999999999 H1"), "Field"),
        ("y4m", "no height", y4m("YUV4MPEG2 W16 H0"), "NoSize"),
        ("y4m", "100 megapixels in four bytes", y4m("YUV4MPEG2 W10000 H10000 C444"), "Truncated"),
        ("y4m", "a rate over nothing", y4m("YUV4MPEG2 W16 H16 F30:0"), "Field"),
        ("y4m", "a line without an end", [b"YUV4MPEG2 ".to_vec(), vec![b'X'; 1 << 20]].concat(), "Line"),
        (
            "y4m",
            "a frame line without an end",
            [b"YUV4MPEG2 W2 H2\nFRAME ".to_vec(), vec![b'X'; 1 << 20]].concat(),
            "Line",
        ),
    ]
}

/// The helpers of this table make files of the formats that they are named after.
#[test]
fn the_files_that_are_changed_are_whole() {
    assert!(outcome("weights", &archive(&small_pickle())).is_ok());
    assert!(outcome("model", &small_model()).is_ok());
    let mut reader = zip_names(&archive(&small_pickle()));
    reader.sort();
    assert_eq!(reader, ["a/data.pkl", "a/data/0", "a/data/1", "a/version"]);
}

fn zip_names(bytes: &[u8]) -> Vec<String> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len()).map(|i| archive.by_index_data(i).unwrap().name().unwrap().into_owned()).collect()
}
