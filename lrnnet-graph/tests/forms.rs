//! Forms: what they are called, which orders of rewriting there are, and one of a stranger's own.
#![allow(missing_docs)]

use lrnnet_graph::graph::{Graph, Op};
use lrnnet_graph::onnx::{ModelFile, Opset};
use lrnnet_graph::passes::{self, Pass};
use lrnnet_graph::{
    Config, ElementType, Form, HalfError, InputSize, Model, Network, Origin, Precision, Ranges, RewriteError, SelfTest,
    SelfTestRecord, Settings, synthetic,
};

fn plain() -> Model {
    let size = InputSize::Static { batch: 1, height: 64, width: 128 };
    let network = Network::new(Config::new(Settings { size, ..Settings::camvid() }).unwrap());
    let weights = synthetic::weights(&network);
    network.bind(weights).unwrap()
}

fn file(model: &Model) -> ModelFile {
    let origin = Origin { weights_sha256: String::new(), exporter: "test".into() };
    ModelFile::parse(&model.to_onnx(Opset::default(), &origin)).unwrap()
}

/// `max(max(x, 0), 0)` is `max(x, 0)`.
fn relu_once(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let node = graph.node(value);
        let twice = node.op == Op::Relu && new.node(inputs[0]).op == Op::Relu;
        if twice { inputs[0] } else { new.copy(node, inputs) }
    })
}

/// `max(x, 0)` is `max(max(x, 0), 0)`.
fn relu_twice(graph: &Graph) -> Graph {
    graph.rewrite(|new, value, inputs| {
        let copy = new.copy(graph.node(value), inputs);
        if graph.node(value).op == Op::Relu {
            new.push_beside(graph.node(value), "again", Op::Relu, &[copy])
        } else {
            copy
        }
    })
}

#[test]
fn a_stranger_s_form_is_one_entry_of_public_and_own_passes() {
    const MINE: Form = Form::new("mine", &[passes::FOLD_BATCH_NORM, Pass::new("every relu twice", relu_twice)]);
    const BACK: Form =
        Form::new("back", &[Pass::new("every relu twice", relu_twice), Pass::new("every relu once", relu_once)]);
    let plain = plain();
    let count = |model: &Model, op: fn(&Op) -> bool| model.graph().nodes().iter().filter(|n| op(&n.op)).count();
    let relus = |model: &Model| count(model, |op| *op == Op::Relu);
    let norms = |model: &Model| count(model, |op| matches!(op, Op::BatchNorm { .. }));
    let mine = plain.rewrite(MINE).unwrap();
    assert_eq!((relus(&mine), norms(&mine)), (2 * relus(&plain), 0));
    assert_eq!(file(&mine).metadata().form.as_str(), "mine");
    let back = plain.rewrite(BACK).unwrap();
    assert_eq!((relus(&back), norms(&back)), (relus(&plain), norms(&plain)));
    assert_eq!(file(&mine.to_half().unwrap()).metadata().form.as_str(), "mine");
}

#[test]
fn forms_are_read_as_they_are_printed() {
    assert_eq!(
        Form::ALL.iter().map(Form::to_string).collect::<Vec<_>>(),
        ["plain", "deploy", "basic", "blocked", "dense"]
    );
    for form in Form::ALL {
        assert_eq!(form.to_string().parse(), Ok(*form));
        assert_eq!(file(&plain().rewrite(*form).unwrap()).metadata().form.as_str(), form.name());
    }
    let message = "fast".parse::<Form>().unwrap_err().to_string();
    assert_eq!(message, "`fast` is not a form; expected plain, deploy, basic, blocked or dense");
    assert_eq!(format!("{:?}", Form::PLAIN), "Form { name: \"plain\", passes: [] }");
    for precision in [Precision::Fp32, Precision::Fp16, Precision::Int8] {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
}

#[test]
fn only_the_plain_form_in_float32_is_rewritten() {
    let (plain, half) = (plain(), plain().to_half().unwrap());
    let deploy = plain.rewrite(Form::DEPLOY).unwrap();
    assert_eq!((deploy.form(), deploy.precision()), (Form::DEPLOY, Precision::Fp32));
    assert_eq!((half.form(), half.precision()), (Form::PLAIN, Precision::Fp16));
    let deploy_half = deploy.to_half().unwrap();
    assert_eq!((deploy_half.form(), deploy_half.precision()), (Form::DEPLOY, Precision::Fp16));
    let halves = |model: &Model| model.graph().nodes().iter().filter(|n| n.element == ElementType::Float16).count();
    assert_eq!((halves(&plain), halves(&deploy)), (0, 0));
    assert!(halves(&half) > 100 && halves(&deploy_half) > 100, "{} {}", halves(&half), halves(&deploy_half));
    let orders = [
        (&half, Form::DEPLOY),
        (&half, Form::PLAIN),
        (&deploy, Form::BASIC),
        (&deploy, Form::DEPLOY),
        (&deploy, Form::PLAIN),
        (&deploy_half, Form::BASIC),
    ];
    for (model, asked) in orders {
        let (form, precision) = (model.form(), model.precision());
        assert_eq!(model.rewrite(asked).unwrap_err(), RewriteError::Order { form, precision, asked });
    }
    for model in [&half, &deploy_half] {
        assert_eq!(model.to_half().unwrap_err(), HalfError::Precision(Precision::Fp16));
    }
    // The plain form of the plain form is that form.
    assert_eq!(plain.rewrite(Form::PLAIN).unwrap().graph(), plain.graph());
}

#[test]
fn forms_differ_in_name_or_passes() {
    let folded = Form::new("folded", &[passes::FOLD_BATCH_NORM]);
    assert_eq!(folded, Form::new("folded", &[passes::FOLD_BATCH_NORM]));
    assert_ne!(folded, Form::new("other", &[passes::FOLD_BATCH_NORM]));
    assert_ne!(folded, Form::new("folded", &[passes::FOLD_CONSTANTS]));
    assert_eq!(format!("{:?}", passes::FOLD_CONSTANTS), "Pass(\"compute constants\")");
}

#[test]
fn a_name_that_says_nothing_or_another_form_is_refused() {
    for name in ["", "plain", "deploy"] {
        let form = Form::new(name, &[passes::FOLD_BATCH_NORM]);
        assert_eq!(plain().rewrite(form).unwrap_err(), RewriteError::Name(name));
    }
}

#[test]
fn a_pass_that_loses_what_the_caller_sees_is_refused() {
    fn empty(_: &Graph) -> Graph {
        Graph::default()
    }
    fn unbound(graph: &Graph) -> Graph {
        let mut graph = graph.clone();
        graph.param("more", lrnnet_graph::graph::Role::Bias, &[1]);
        graph
    }
    fn more_outputs(graph: &Graph) -> Graph {
        let mut graph = graph.clone();
        graph.output("more", graph.outputs()[0].value);
        graph
    }
    fn more_inputs(graph: &Graph) -> Graph {
        let mut graph = graph.clone();
        graph.input("more", vec![], lrnnet_graph::ElementType::Uint8);
        graph
    }
    let broken = [
        Pass::new("empty", empty),
        Pass::new("unbound", unbound),
        Pass::new("more outputs", more_outputs),
        Pass::new("more inputs", more_inputs),
    ];
    for pass in broken {
        let form = Form::new("broken", Box::leak(Box::new([pass])));
        assert_eq!(plain().rewrite(form).unwrap_err(), RewriteError::Pass(pass.name()));
    }
}

#[test]
fn a_record_of_what_a_file_did_does_not_outlive_the_file() {
    let selftest = SelfTest::Known(SelfTestRecord {
        version: SelfTestRecord::VERSION,
        input: SelfTestRecord::PICTURE.into(),
        height: 64,
        width: 128,
        class_map_sha256: String::new(),
        clear_sha256: String::new(),
        near_ties: vec![64 * 128],
    });
    let recorded = plain().with_selftest(selftest.clone());
    assert_eq!(file(&recorded).metadata().selftest, Some(selftest.clone()));
    let dense = plain().rewrite(Form::DENSE).unwrap().with_selftest(selftest);
    let ranges: Ranges = dense.calibration_points().into_iter().map(|point| (point.to_owned(), [-1.0, 3.0])).collect();
    let int8 = dense.to_int8(&ranges).unwrap();
    for changed in [recorded.rewrite(Form::DEPLOY).unwrap(), recorded.to_half().unwrap(), int8] {
        assert_eq!(file(&changed).metadata().selftest, None);
    }
}

#[test]
fn values_beyond_float16_are_named() {
    let network = || Network::new(Config::new(Settings::camvid()).unwrap());
    let with = |value: f32| {
        let mut weights = synthetic::weights(&network());
        weights.get_mut("classifier.predict.bias").unwrap().data_mut()[3] = value;
        network().bind(weights).unwrap().to_half()
    };
    assert!(with(65504.0).is_ok() && with(-65504.0).is_ok());
    for value in [65520.0, -1e6] {
        let name = "classifier.predict.bias".to_owned();
        assert_eq!(with(value).unwrap_err(), HalfError::Range { name, value });
    }
}
