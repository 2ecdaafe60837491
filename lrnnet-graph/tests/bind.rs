//! Binding reports everything that does not fit, at once.
#![allow(missing_docs)]

use lrnnet_graph::graph::Role;
use lrnnet_graph::{Block, Config, Network, Problem, Settings, Tensor, Variant, Weights, synthetic};

fn network() -> Network {
    Network::new(Config::new(Settings::camvid()).unwrap())
}

fn problems(change: impl FnOnce(&mut Weights)) -> Vec<Problem> {
    let mut weights = synthetic::weights(&network());
    change(&mut weights);
    network().bind(weights).map_or_else(|e| e.problems().to_vec(), |_| vec![])
}

fn set(weights: &mut Weights, name: &str, index: usize, value: f32) {
    weights.get_mut(name).unwrap().data_mut()[index] = value;
}

#[test]
fn fitting_weights_bind() {
    assert_eq!(problems(|_| {}), []);
}

#[test]
fn a_variance_may_be_zero_and_everything_else_negative() {
    let found = problems(|w| {
        set(w, "encoder.0.bn.running_var", 3, 0.0);
        set(w, "encoder.0.bn.running_mean", 3, -1.0);
        set(w, "svn.u0", 3, -1.0);
    });
    assert_eq!(found, []);
}

#[test]
fn every_kind_of_problem_is_named() {
    let shape = || vec![32];
    let name = |n: &str| n.to_owned();
    let found = problems(|w| {
        w.remove("svn.u0");
        w.insert(name("encoder.0.bn.bias"), Tensor::from_fn([31], |_| 0.0));
        w.insert(name("head.weight"), Tensor::from_fn([2, 2], |_| 0.0));
        set(w, "encoder.0.conv.weight", 7, f32::NAN);
        set(w, "encoder.0.bn.running_mean", 0, f32::INFINITY);
        set(w, "encoder.0.bn.running_var", 3, -0.5);
    });
    let expected = [
        Problem::Missing { name: name("svn.u0"), expected: shape() },
        Problem::Shape { name: name("encoder.0.bn.bias"), expected: shape(), found: vec![31] },
        Problem::Unexpected { name: name("head.weight"), shape: vec![2, 2] },
        Problem::Value { name: name("encoder.0.bn.running_mean"), index: 0, value: f32::INFINITY },
        Problem::Value { name: name("encoder.0.bn.running_var"), index: 3, value: -0.5 },
    ];
    let missed: Vec<_> = expected.iter().filter(|p| !found.contains(p)).collect();
    assert!(missed.is_empty(), "{missed:?} not in {found:?}");
    let nan = |p: &Problem| matches!(p, Problem::Value { name, index: 7, value } if name == "encoder.0.conv.weight" && value.is_nan());
    assert!(found.iter().any(nan), "{found:?}");
    assert_eq!(found.len(), expected.len() + 1, "{found:?}");
}

#[test]
fn the_message_stays_short_and_counts_the_rest() {
    let error = network().bind(Weights::new()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), 22);
    assert!(text.contains("`encoder.0.conv.weight` [29, 3, 3, 3] is missing"), "{text}");
    assert!(text.ends_with(&format!("and {} more", error.problems().len() - 20)), "{text}");
}

#[test]
fn weights_of_another_variant_do_not_bind() {
    let settings = Settings { context: Variant::A.context(), ..Settings::camvid() };
    let a = Network::new(Config::new(settings).unwrap());
    let error = a.bind(synthetic::weights(&network())).unwrap_err();
    assert!(error.problems().iter().all(|p| matches!(p, Problem::Unexpected { name, .. } if name.starts_with("svn."))));
}

#[test]
fn parameters_say_what_they_are() {
    let roles = [
        (Block::Fcb, "encoder.0.conv.weight", Role::Weight, true),
        (Block::Fcb, "encoder.1.depthwise_bn.weight", Role::Scale, true),
        (Block::Fcb, "encoder.1.depthwise_bn.bias", Role::Shift, true),
        (Block::Fcb, "encoder.1.left.bn.running_mean", Role::Mean, false),
        (Block::Fcb, "svn.reduce_bn.running_var", Role::Variance, false),
        (Block::Fcb, "svn.u0", Role::Start, false),
        (Block::Fcb, "classifier.predict.weight", Role::Weight, true),
        (Block::Fcb, "classifier.predict.bias", Role::Bias, true),
        (Block::NonBt1d, "encoder.2.conv3.bias", Role::Bias, true),
    ];
    for (block, name, role, is_learned) in roles {
        let network = Network::new(Config::new(Settings { block, ..Settings::camvid() }).unwrap());
        let found = network.params().find(|param| param.name == name).map(|param| param.role);
        assert_eq!(found, Some(role), "{block} {name}");
        assert_eq!(role.is_learned(), is_learned, "{role:?}");
    }
}
