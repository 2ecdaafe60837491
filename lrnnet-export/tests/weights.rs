//! The weight readers against files as PyTorch writes them, and against files as nobody should.

mod files;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use lrnnet_export::weights::{
    Format, MAX_FILE, PickleError, Problem, TensorBytes, WeightsError, read_weights, weights_in_memory,
};
use tempfile::TempDir;

use files::{Compression, Pickle, safetensors, tensor_bytes, torch_zip, zip};

/// Writes `bytes` to a file and reads it as weights.
fn read(bytes: &[u8]) -> Result<lrnnet_export::weights::WeightFile, WeightsError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).unwrap();
    read_weights(&path)
}

/// A message with its causes, as the program prints it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Fails with every case whose message lacks one of the words, rather than with the first.
fn assert_refused(cases: &[(&str, Vec<u8>, &[&str])]) {
    let mut failures = vec![];
    for (name, bytes, words) in cases {
        match read(bytes).and_then(|file| file.into_weights()) {
            Ok(_) => failures.push(format!("{name}: accepted")),
            Err(error) => {
                let text = chain(&error);
                let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
                if !missing.is_empty() {
                    failures.push(format!("{name}: no {missing:?} in: {text}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const VALUES: [f32; 6] = [0.5, -1.0, 2.0, 0.25, -0.125, 3.0];

fn small_safetensors() -> Vec<u8> {
    safetensors(
        r#"{"__metadata__":{"source":"test"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
        &tensor_bytes(&VALUES),
    )
}

fn small_torch() -> Vec<u8> {
    torch_zip(&Pickle::state_dict(&[("a.weight", "FloatStorage", &[2, 3], &[3, 1])]), &[tensor_bytes(&VALUES)])
}

#[test]
fn both_formats_give_the_same_weights() {
    let (safe, torch) = (read(&small_safetensors()).unwrap(), read(&small_torch()).unwrap());
    assert_eq!((safe.format(), torch.format()), (Format::SafeTensors, Format::PyTorch));
    assert_eq!(safe.metadata()["source"], "test");
    assert_eq!(safe.sha256().len(), 64);
    assert_eq!(safe.entries(), torch.entries());
    let weights = safe.into_weights().unwrap();
    assert_eq!(weights, torch.into_weights().unwrap());
    assert_eq!((weights["a.weight"].shape(), weights["a.weight"].data()), (&[2, 3][..], &VALUES[..]));
}

fn in_memory<'a>(name: &'a str, value_type: &str, shape: &[usize], bytes: &'a [u8]) -> TensorBytes<'a> {
    TensorBytes { name, value_type: value_type.into(), shape: shape.to_vec(), bytes }
}

#[test]
fn tensors_in_memory_are_those_of_a_file() {
    let (values, count) = (tensor_bytes(&VALUES), 7i64.to_le_bytes());
    let tensors = [
        in_memory("a.weight", "float32", &[2, 3], &values),
        in_memory("a.num_batches_tracked", "int64", &[], &count),
        in_memory("b.weight", "float16", &[2], &[0x00, 0x3e, 0x00, 0xbe]),
    ];
    let file = weights_in_memory("a state dict", &tensors).unwrap();
    assert_eq!((file.entries().len(), file.metadata().len(), file.sha256().len()), (3, 0, 64));
    assert_eq!(file.sha256(), weights_in_memory("another", &tensors).unwrap().sha256());
    let weights = file.into_weights().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["a.weight", "b.weight"]);
    assert_eq!(weights["a.weight"], read(&small_safetensors()).unwrap().into_weights().unwrap()["a.weight"]);
    assert_eq!(weights["b.weight"].data(), [1.5, -1.5]);
}

#[test]
fn tensors_in_memory_that_no_file_holds_are_refused() {
    let values = tensor_bytes(&VALUES);
    let (good, large) = (in_memory("a", "float32", &[2, 3], &values), vec![0; 72 << 20]);
    let cases = [
        (vec![], "holds no tensors"),
        (vec![good.clone(), good.clone()], "stands twice"),
        (vec![in_memory("a", "float32", &[2, 4], &values)], "not valid safetensors"),
        (vec![in_memory("a", "complex64", &[3], &values)], "tensor `a` holds complex64 values"),
        (vec![in_memory("a", "int64", &[3], &values)], "tensor `a` holds int64 values"),
        (vec![in_memory("a", "float64", &[9 << 20], &large)], "more than 67108864 bytes"),
    ];
    for (tensors, words) in cases {
        let found = weights_in_memory("a state dict", &tensors).and_then(|file| file.into_weights());
        let text = chain(&found.unwrap_err());
        assert!(text.contains(words) && text.contains("`a state dict`"), "{words}: {text}");
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

#[test]
fn what_torch_saves_is_read_in_all_its_manners() {
    let expected = read_weights(&fixture("pth/expected.safetensors")).unwrap().into_weights().unwrap();
    let manners = [
        "bare",
        "state_dict",
        "model",
        "model_state_dict",
        "module_prefix",
        "channels_last",
        "one_storage",
        "f16",
        "bf16",
        "f64",
    ];
    for manner in manners {
        let file = read_weights(&fixture(&format!("pth/{manner}.pth"))).unwrap();
        assert_eq!(file.format(), Format::PyTorch, "{manner}");
        assert_eq!(file.into_weights().unwrap(), expected, "{manner}");
    }
    let legacy = read_weights(&fixture("pth/legacy.pth")).unwrap_err();
    assert!(matches!(legacy.problem(), Problem::LegacyPickle), "{legacy:?}");
}

#[test]
fn entries_keep_the_order_of_the_file() {
    let names = |file: &str| -> Vec<String> {
        read_weights(&fixture(file)).unwrap().entries().iter().map(|entry| entry.name.clone()).collect()
    };
    let order = ["conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
    assert_eq!(names("pth/bare.pth")[..6], order);
}

#[test]
fn the_hash_is_of_the_whole_file() {
    // The expected value is `sha256sum`'s.
    let file = safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, &file).unwrap();
    assert_eq!(
        read_weights(&path).unwrap().sha256(),
        "2063b4cc6b0e7999729ed21d38b27852430815ed4e09bd0deed9c31ca8586870"
    );
}

#[test]
fn floating_point_types_become_f32() {
    // 1.5, -0.25 and the smallest subnormal or least significant step of each type.
    let header = r#"{"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},
        "b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]},
        "d":{"dtype":"F64","shape":[2],"data_offsets":[10,26]}}"#;
    let mut data = vec![0x00, 0x3e, 0x00, 0xb4, 0x01, 0x00, 0xc0, 0x3f, 0x80, 0xbe];
    data.extend([1.5f64, 1.0 + f64::EPSILON].iter().flat_map(|v| v.to_le_bytes()));
    let weights = read(&safetensors(header, &data)).unwrap().into_weights().unwrap();
    assert_eq!(weights["h"].data(), [1.5, -0.25, 2f32.powi(-24)]);
    assert_eq!(weights["b"].data(), [1.5, -0.25]);
    assert_eq!(weights["d"].data(), [1.5, 1.0]);
}

#[test]
fn nan_is_left_for_the_graph_to_report() {
    let file = safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &f32::NAN.to_le_bytes());
    assert!(read(&file).unwrap().into_weights().unwrap()["a"].data()[0].is_nan());
}

#[test]
fn the_conventions_of_training_are_undone() {
    let counter = |prefix: &str| {
        let header = format!(
            r#"{{"{prefix}bn.weight":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},
            "{prefix}bn.num_batches_tracked":{{"dtype":"I64","shape":[],"data_offsets":[4,12]}}}}"#
        );
        read(&safetensors(&header, &[0; 12])).unwrap()
    };
    for prefix in ["", "module."] {
        let file = counter(prefix);
        assert_eq!(file.entries().len(), 2);
        assert_eq!(file.entries()[1].value_type.to_string(), "int64");
        assert_eq!(file.into_weights().unwrap().keys().collect::<Vec<_>>(), ["bn.weight"]);
    }
    // The prefix is only a convention where every name has it.
    let header = r#"{"module.a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let weights = read(&safetensors(header, &[0; 8])).unwrap().into_weights().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["b", "module.a"]);
}

#[test]
fn state_dicts_are_found_bare_and_under_the_usual_keys() {
    let tensors: &[(&str, &str, &[u8], &[u8])] = &[("w", "FloatStorage", &[2, 3], &[3, 1])];
    for key in ["state_dict", "model", "model_state_dict"] {
        let file = read(&torch_zip(&Pickle::nested(key, tensors), &[tensor_bytes(&VALUES)])).unwrap();
        assert_eq!(file.into_weights().unwrap()["w"].data(), VALUES);
    }
}

/// What optimizers and schedules put into a checkpoint is read over, whatever it is made of.
#[test]
fn plain_data_beside_the_weights_is_no_matter() {
    let tensors: &[(&str, &str, &[u8], &[u8])] = &[("w", "FloatStorage", &[2, 3], &[3, 1])];
    let cases: [(&str, &[u8]); 14] = [
        ("two-byte number", b"M\x00\x01"),
        ("four-byte number", b"J\xff\xff\xff\xff"),
        ("long number", b"\x8a\x05\x00\x00\x00\x00\x01"),
        ("float", b"G\x3f\xf0\x00\x00\x00\x00\x00\x00"),
        ("list, one by one", b"]K\x01a"),
        ("list, all at once", b"](K\x01K\x02e"),
        ("tuples", b"K\x01K\x02K\x03\x87\x85"),
        ("short memo", b"]q\x05h\x05\x86"),
        ("long memo", b"]r\x00\x01\x00\x00j\x00\x01\x00\x00\x86"),
        ("shape", b"ctorch\nSize\nK\x01\x85\x85R"),
        ("element type", b"ctorch\nfloat32\n"),
        ("counter", b"ccollections\nCounter\n}\x85R"),
        ("set of Python 2", b"c__builtin__\nset\n]\x85R"),
        ("set", b"cbuiltins\nfrozenset\n]\x85R"),
    ];
    for (what, value) in cases {
        let file = read(&torch_zip(&Pickle::beside(value, tensors), &[tensor_bytes(&VALUES)]));
        let weights = file.unwrap_or_else(|error| panic!("{what}: {error:?}")).into_weights().unwrap();
        assert_eq!(weights["w"].data(), VALUES, "{what}");
    }
}

#[test]
fn archives_are_taken_up_to_their_limits() {
    let pickle = Pickle::state_dict(&[("w", "FloatStorage", &[2, 3], &[3, 1])]);
    // The pickle, its storage, the version, and as many empty storages as are wanted.
    let entries = |count: usize| {
        let storages = [vec![tensor_bytes(&VALUES)], vec![vec![]; count - 3]].concat();
        read(&torch_zip(&pickle, &storages))
    };
    // What follows the end of a pickle is not looked at.
    let long = |bytes: usize| {
        read(&torch_zip(&[&pickle[..], &vec![0; bytes - pickle.len()]].concat(), &[tensor_bytes(&VALUES)]))
    };
    for file in [entries(10_000), long(512 << 10)] {
        assert_eq!(file.unwrap().into_weights().unwrap()["w"].data(), VALUES);
    }
    let refused = [
        (entries(10_001), "10001 entries"),
        (entries(10_005), "10005 entries"),
        (long((512 << 10) + 1), "data.pkl of 524289 bytes"),
    ];
    for (file, message) in refused {
        let error = file.unwrap_err();
        assert!(error.problem().to_string().contains(message), "{error:?}");
    }
}

#[test]
fn headers_are_taken_up_to_their_limit() {
    let padded = |bytes: usize| {
        let header = r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        read(&safetensors(&(header.to_owned() + &" ".repeat(bytes - header.len())), &tensor_bytes(&VALUES)))
    };
    assert_eq!(padded(1 << 20).unwrap().into_weights().unwrap()["w"].data(), VALUES);
    let error = padded((1 << 20) + 1).unwrap_err();
    assert!(matches!(error.problem(), Problem::HeaderTooLarge { declared: 1_048_577, .. }), "{error:?}");
}

#[test]
fn a_damaged_pickle_says_where() {
    let raw = |ops: &[u8]| read(&torch_zip(&[b"\x80\x02", ops].concat(), &[tensor_bytes(&VALUES)]));
    for (ops, at) in [(&b"}\x82\x01."[..], "at byte 3"), (b"}}R.", "at byte 4"), (b"ctorch\nsave\n.", "torch.save")] {
        let found = raw(ops).unwrap_err();
        let why = std::error::Error::source(found.problem()).unwrap().to_string();
        assert!(why.contains(at), "{why}");
    }
}

#[test]
fn strides_are_honoured() {
    // The same storage read as its transpose: [3, 2] with strides [1, 3].
    let pickle = Pickle::state_dict(&[("w", "FloatStorage", &[3, 2], &[1, 3])]);
    let weights = read(&torch_zip(&pickle, &[tensor_bytes(&VALUES)])).unwrap().into_weights().unwrap();
    assert_eq!(weights["w"].data(), [0.5, 0.25, -1.0, -0.125, 2.0, 3.0]);
}

#[test]
fn every_prefix_of_a_file_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights");
    let torch = std::fs::read(fixture("pth/bare.pth")).unwrap();
    for whole in [small_safetensors(), torch] {
        std::fs::write(&path, &whole).unwrap();
        assert!(read_weights(&path).is_ok());
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            assert!(read_weights(&path).is_err(), "{length} of {} bytes were accepted", whole.len());
        }
    }
}

/// Damage of up to four bytes anywhere: an error or other values, never a panic, never without end.
#[test]
fn damaged_files_do_not_panic() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights");
    let whole = [small_safetensors(), std::fs::read(fixture("pth/state_dict.pth")).unwrap()];
    // Knuth's linear congruential generator: the same damage in every run.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for round in 0..2000 {
        let mut bytes = whole[round % 2].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        refused += usize::from(read_weights(&path).and_then(|file| file.into_weights()).is_err());
    }
    assert!(refused > 1000, "only {refused} of 2000 damaged files were refused");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("no such file.pth");
    for (path, word) in
        [(missing.as_path(), "No such file"), (folder.path(), "folder"), (Path::new(""), "No such file")]
    {
        let text = chain(&read_weights(path).unwrap_err());
        assert!(text.contains(word) && text.contains(&path.display().to_string()), "{text}");
    }
}

#[test]
fn files_beyond_the_limit_are_refused_and_no_smaller_ones() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large.safetensors");
    let problem_of = |bytes: u64| {
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        read_weights(&path).unwrap_err()
    };
    let (whole, beyond) = (problem_of(MAX_FILE), problem_of(MAX_FILE + 1));
    assert!(matches!(whole.problem(), Problem::UnknownFormat { size: 67_108_864, .. }), "{whole:?}");
    assert!(matches!(beyond.problem(), Problem::TooLarge), "{beyond:?}");
    assert!(beyond.problem().to_string().contains("67108864 bytes"), "{beyond:?}");
}

#[test]
fn foreign_files_are_refused() {
    let value = |header: &str, data: &[u8]| safetensors(header, data);
    assert_refused(&[
        ("empty", vec![], &["0 bytes"]),
        ("text", b"hello, this is no weight file".to_vec(), &["neither safetensors nor", "hello"]),
        ("binary", b"\x08\x08\x12\x07pytorch".to_vec(), &["neither safetensors nor", "\\x08"]),
        ("legacy pickle", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), &["before 1.6", "save it again"]),
        ("integers", value(r#"{"n":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]), &["`n`", "int32"]),
        ("bool", value(r#"{"n":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#, &[0; 1]), &["`n`", "bool"]),
        ("no tensors", value("{}", &[]), &["no tensors"]),
    ]);
}

#[test]
fn attacks_on_safetensors_are_refused() {
    let f32s = |shape: &str, end: usize| format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}"#);
    let one = |shape: &str, end: usize| safetensors(&format!(r#"{{"a":{}}}"#, f32s(shape, end)), &vec![0; end]);
    let with_length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let twice = format!(r#"{{"a":{},"\u0061":{}}}"#, f32s("[1]", 4), f32s("[1]", 4));
    let metadata_twice = format!(r#"{{"__metadata__":{{"k":"1","k":"2"}},"a":{}}}"#, f32s("[1]", 4));
    assert_refused(&[
        ("header of 2^63 bytes", with_length(1 << 63), &["9223372036854775808", "at most"]),
        ("header of 2^64 - 1 bytes", with_length(u64::MAX), &["18446744073709551615"]),
        ("header beyond the file", with_length(100), &["100 bytes", "only 2"]),
        ("key twice", safetensors(&twice, &[0; 4]), &["`a` stands twice"]),
        ("metadata twice", safetensors(&metadata_twice, &[0; 4]), &["`k` stands twice"]),
        ("extent hidden by a zero", one("[0,18446744073709551615]", 0), &["`a`", "18446744073709551615"]),
        ("product overflows", one("[4294967296,4294967296,2]", 0), &["safetensors"]),
        ("shape and size differ", one("[2]", 4), &["safetensors"]),
        ("trailing bytes", [one("[1]", 4), vec![0]].concat(), &["safetensors"]),
        ("no JSON", safetensors("{nonsense", &[]), &["header"]),
        ("nested JSON", safetensors(&format!(r#"{{"a":{}"#, "[".repeat(100_000)), &[]), &["header"]),
        ("list as metadata", safetensors(r#"{"__metadata__":[1]}"#, &[]), &["header"]),
    ]);
}

#[test]
fn attacks_by_pickle_are_refused() {
    let tensor: (&str, &str, &[u8], &[u8]) = ("w", "FloatStorage", &[2, 3], &[3, 1]);
    let archive = |pickle: Vec<u8>| torch_zip(&pickle, &[tensor_bytes(&VALUES)]);
    let raw = |ops: &[u8]| archive([b"\x80\x02", ops].concat());
    // Each step references everything so far twice: 2^40 values from 240 bytes.
    let memo_bomb = [b"]q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(40), b".".to_vec()].concat();
    let nesting = [b"]".to_vec(), vec![0x85; 200_000], b".".to_vec()].concat();
    let module = b"c__main__\nNet\nq\x00)\x81q\x01}q\x02X\x01\x00\x00\x00aq\x03ctorch.nn.modules.conv\nConv2d\nsb.";
    assert_refused(&[
        ("os.system", raw(b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R."), &["os.system", "never loaded", "state_dict()"]),
        ("eval", raw(b"c__builtin__\neval\nX\x01\x00\x00\x001\x85R."), &["__builtin__.eval"]),
        ("unused global", raw(b"cposix\nsystem\n0}."), &["posix.system"]),
        ("whole module", raw(module), &["__main__.Net", "whole module", "state_dict()"]),
        ("memo bomb", raw(&memo_bomb), &["holds a tuple"]),
        ("nesting", raw(&nesting), &["holds a tuple"]),
        ("name twice", archive(Pickle::state_dict(&[tensor, tensor])), &["`w` stands twice"]),
        ("attributes", raw(b"}}X\x01\x00\x00\x00aNsb."), &["attributes"]),
        ("protocol 4", archive(b"\x80\x04}.".to_vec()), &["protocol 4"]),
        ("extension", raw(b"\x82\x01."), &["0x82"]),
        ("memo reference", raw(b"h\x07."), &["points nowhere"]),
        ("stack underflow", raw(b"R."), &["missing"]),
        ("mark underflow", raw(b"(."), &["missing"]),
        ("call of text", raw(b"X\x01\x00\x00\x00a)R."), &["call"]),
        ("string of 4 GiB", raw(b"X\xff\xff\xff\xff"), &["cut short"]),
        ("no STOP", raw(b"}"), &["cut short"]),
        ("list", raw(b"]."), &["holds a list"]),
        ("no state dict", raw(b"}X\x05\x00\x00\x00epochK\x03s."), &["`epoch`", "`state_dict`"]),
        ("empty dict", raw(b"}."), &["none"]),
        (
            "two state dicts",
            raw(b"}(X\x05\x00\x00\x00model}X\x0a\x00\x00\x00state_dict}u."),
            &["`model`", "`state_dict`", "ambiguous"],
        ),
        ("number among tensors", archive(Pickle::with_number(tensor, "step")), &["`step`", "number"]),
        ("integer tensor", archive(Pickle::state_dict(&[("n", "IntStorage", &[6], &[1])])), &["`n`", "int32"]),
    ]);
}

#[test]
fn tensors_that_are_larger_than_the_file_are_refused() {
    // Stride zero: 1.6e9 values out of a storage of six.
    let pickle = Pickle::state_dict(&[("w", "FloatStorage", &[200, 200, 200, 200], &[0, 0, 0, 0])]);
    let beyond = Pickle::state_dict(&[("w", "FloatStorage", &[3, 3], &[3, 1])]);
    let bytes = tensor_bytes(&VALUES);
    let mut damaged = torch_zip(&Pickle::state_dict(&[("w", "FloatStorage", &[6], &[1])]), from_ref(&bytes));
    let at = damaged.windows(24).position(|window| window == bytes).unwrap();
    damaged[at] ^= 1;
    assert_refused(&[
        ("expanded", torch_zip(&pickle, from_ref(&bytes)), &["`w`", "[200, 200, 200, 200]"]),
        ("beyond its storage", torch_zip(&beyond, &[bytes]), &["torch.save"]),
        ("storage cut short", torch_zip(&beyond, &[vec![0; 8]]), &["torch.save"]),
        ("no storage", torch_zip(&Pickle::state_dict(&[("w", "FloatStorage", &[6], &[1])]), &[]), &["`w`"]),
        ("flipped bit", damaged, &["`w`", "checksum"]),
    ]);
}

#[test]
fn tensors_may_take_as_much_as_the_file_and_no_more() {
    // One value again and again takes 1600 bytes; what follows the end of a pickle is not looked at.
    let pickle = Pickle::state_dict(&[("w", "FloatStorage", &[20, 20], &[0, 0])]);
    let padded = |bytes: usize| torch_zip(&[&pickle[..], &vec![0; bytes]].concat(), &[tensor_bytes(&VALUES)]);
    let room = 1600 - padded(0).len();
    assert_eq!(padded(room).len(), 1600);
    assert_eq!(read(&padded(room)).unwrap().into_weights().unwrap()["w"].data(), [VALUES[0]; 400]);
    let error = read(&padded(room - 1)).unwrap_err();
    assert!(matches!(error.problem(), Problem::MoreThanTheFile { needed: 1600, size: 1599 }), "{error:?}");
}

#[test]
fn attacks_by_archive_are_refused() {
    use Compression::{Deflated, Stored};
    let pickle = Pickle::state_dict(&[("w", "FloatStorage", &[6], &[1])]);
    let bomb = [pickle.clone(), vec![b'.'; 8 << 20]].concat();
    let long = [b"\x80\x02".to_vec(), b"N0".repeat(300 << 10)].concat();
    assert_refused(&[
        ("deflated pickle", zip(&[("a/data.pkl", &bomb, Deflated)]), &["compressed", "`a/data.pkl`"]),
        ("long pickle", zip(&[("a/data.pkl", &long, Stored)]), &["data.pkl of", "524288"]),
        (
            "two pickles",
            zip(&[("longer/data.pkl", &pickle, Stored), ("a/b/data.pkl", &pickle, Stored)]),
            &["more than one"],
        ),
        ("no pickle", zip(&[("a/version", b"3", Stored)]), &["no data.pkl"]),
        ("TorchScript", zip(&[("a/data.pkl", &pickle, Stored), ("a/code/m.py", b"pass", Deflated)]), &["TorchScript"]),
        ("big endian", zip(&[("a/data.pkl", &pickle, Stored), ("a/byteorder", b"big", Stored)]), &["torch.save"]),
        ("empty archive", zip(&[]), &[]),
    ]);
}

#[test]
fn problems_are_typed() {
    let archive = torch_zip(b"\x80\x02cos\nsystem\n.", &[]);
    let error = read(&archive).unwrap_err();
    assert!(matches!(error.problem(), Problem::Pickle(PickleError::ForeignGlobal(name)) if name == "os.system"));
}
