//! Each of the network's parameters in every way in which it can be wrong: the error names it.

use std::collections::BTreeMap;
use std::fmt::Write;

use lrnnet_graph::{Config, Network, Settings, Tensor, Weights, synthetic};

use super::files::safetensors;
use super::readers::weights_from_bytes;

fn network() -> Network {
    Network::new(Config::new(Settings::camvid()).unwrap())
}

type Change = fn(&mut Weights, &str);

fn set(weights: &mut Weights, name: &str, value: f32) {
    let values = weights.get_mut(name).unwrap().data_mut();
    let last = values.len() - 1;
    values[last] = value;
}

#[test]
fn whatever_is_wrong_with_a_parameter_the_error_names_it() {
    let changes: [(&str, Change); 8] = [
        ("missing", |weights, name| drop(weights.remove(name))),
        ("unexpected", |weights, name| drop(weights.insert(format!("{name}.more"), Tensor::from_fn([1], |_| 0.0)))),
        ("an axis more", |weights, name| reshape(weights, name, |shape| shape.push(1))),
        ("an axis less", |weights, name| {
            reshape(weights, name, |shape| *shape = vec![shape.iter().product(), 1, 1, 1, 1])
        }),
        ("longer", |weights, name| {
            let mut shape = weights[name].shape().to_vec();
            shape[0] += 1;
            weights.insert(name.to_owned(), Tensor::from_fn(shape, |_| 0.5));
        }),
        ("NaN", |weights, name| set(weights, name, f32::NAN)),
        ("infinite", |weights, name| set(weights, name, f32::INFINITY)),
        ("minus infinity", |weights, name| set(weights, name, f32::NEG_INFINITY)),
    ];
    let whole = synthetic::weights(&network());
    let names: Vec<String> = whole.keys().cloned().collect();
    assert!(names.len() > 100, "{}", names.len());
    let mut failures = vec![];
    for name in &names {
        for (what, change) in changes {
            let mut weights = whole.clone();
            change(&mut weights, name);
            match network().bind(weights) {
                Ok(_) => failures.push(format!("{name}, {what}: accepted")),
                Err(error) => {
                    let problems = error.problems().len();
                    if problems != 1 || !error.to_string().contains(&format!("`{name}")) {
                        failures.push(format!("{name}, {what}: {problems} problems: {error}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same values in another shape.
fn reshape(weights: &mut Weights, name: &str, change: fn(&mut Vec<usize>)) {
    let tensor = &weights[name];
    let mut shape = tensor.shape().to_vec();
    change(&mut shape);
    let tensor = Tensor::new(shape, tensor.data().to_vec()).unwrap();
    weights.insert(name.to_owned(), tensor);
}

#[test]
fn a_parameter_of_another_type_is_named() {
    let types: BTreeMap<&str, usize> = [("I32", 4), ("U8", 1), ("BOOL", 1), ("I64", 8)].into();
    for param in network().params() {
        for (word, width) in &types {
            let bytes = width * param.shape.iter().product::<usize>();
            let mut header = String::new();
            let name = &param.name;
            let shape = format!("{:?}", param.shape);
            write!(header, r#"{{"{name}":{{"dtype":"{word}","shape":{shape},"data_offsets":[0,{bytes}]}}}}"#).unwrap();
            let file = weights_from_bytes("weights".as_ref(), safetensors(&header, &vec![0; bytes])).unwrap();
            let error = file.into_weights().unwrap_err();
            let problem = error.problem().to_string();
            assert!(problem.contains(&format!("`{name}`")) && problem.contains("expected float32"), "{problem}");
        }
    }
}
