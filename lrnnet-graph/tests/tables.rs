//! Parameters and GFLOPS of every row of the paper's Tables 1 and 2.
#![allow(missing_docs)]

use lrnnet_graph::{Block, Classes, Config, Network, Settings, cost};

fn network(block: Block, context: &str, classes: Classes) -> Network {
    let context = context.parse().unwrap();
    Network::new(Config::new(Settings { block, context, classes, ..Settings::cityscapes() }).unwrap())
}

#[test]
fn every_row_has_the_paper_s_parameters_and_gflops() {
    // Row, block, context, parameters, GFLOPS at 512 x 1024 as printed.
    let rows = [
        ("SS-nbt", Block::SsNbt, "none", 948_866, "11.71"),
        ("A", Block::Fcb, "none", 672_930, "8.47"),
        ("max 8", Block::Fcb, "max:8", 681_442, "8.54"),
        ("mean 8", Block::Fcb, "mean:8", 681_442, "8.54"),
        ("B", Block::Fcb, "svn:8", 681_442, "8.57"),
        ("C", Block::Fcb, "svn:8,4", 681_442, "8.58"),
        ("16", Block::Fcb, "svn:16", 681_442, "8.67"),
        ("4", Block::Fcb, "svn:4", 681_442, "8.55"),
        ("8, 4, 2", Block::Fcb, "svn:8,4,2", 681_442, "8.59"),
        ("non-local", Block::Fcb, "nonlocal", 681_442, "12.5"),
    ];
    let mut wrong = Vec::new();
    for (row, block, context, parameters, gflops) in rows {
        let total = cost::total(&cost::per_module(&network(block, context, Classes::cityscapes()), 512, 1024).unwrap());
        let digits = gflops.len() - gflops.find('.').unwrap() - 1;
        let found = (total.parameters, format!("{:.digits$}", total.gflops));
        if found != (parameters, gflops.to_owned()) {
            wrong.push(format!("{row}: {found:?} instead of {parameters}, {gflops} ({})", total.gflops));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn camvid_models_have_their_parameters() {
    for (context, parameters) in [("none", 672_666), ("svn:8,4", 681_178)] {
        let modules = cost::per_module(&network(Block::Fcb, context, Classes::camvid()), 360, 480).unwrap();
        assert_eq!(cost::total(&modules).parameters, parameters, "{context}");
    }
}

#[test]
fn modules_are_reported_in_evaluation_order() {
    let modules = cost::per_module(&network(Block::Fcb, "svn:8,4", Classes::cityscapes()), 512, 1024).unwrap();
    let names: Vec<_> = modules.iter().map(|m| m.module.as_str()).collect();
    let encoder: Vec<_> = (0..16).map(|i| format!("encoder.{i}")).collect();
    assert_eq!(names[..16], encoder);
    assert_eq!(names[16..], ["svn", "classifier"]);
}

/// What the rows' two decimals are too coarse for: norms, means and masks count nothing.
#[test]
fn a_context_module_counts_its_products_and_nothing_else() {
    // Positions of the features, their channels and those of the bottleneck.
    let (n, c, b) = (64 * 128, 128, 32);
    let bottleneck = 2 * n * c * b + 2 * n * (b + c);
    // Two iterations of two products for each scale, and the two products of Eq. 4 with 8 x 8 + 4 x 4 vectors.
    let (iterations, products) = (2 * 2 * 2 * n * b, 2 * n * b * (64 + 16));
    let cases = [
        ("svn:8,4", bottleneck + iterations + products),
        ("mean:8", bottleneck),
        ("max:8", bottleneck),
        // 64 rows fill 32 regions of 2; the other 28 have no position, and their maxima are masked.
        ("max:60", bottleneck),
    ];
    for (context, expected) in cases {
        let modules = cost::per_module(&network(Block::Fcb, context, Classes::cityscapes()), 512, 1024).unwrap();
        let found = modules.iter().find(|module| module.module == "svn").unwrap().gflops * 1e9;
        assert!((found - expected as f64).abs() < 0.5, "{context}: {found} instead of {expected}");
    }
}

#[test]
fn sizes_that_no_network_has_have_no_cost() {
    let error = cost::per_module(&network(Block::Fcb, "svn:8,4", Classes::camvid()), 361, 480).unwrap_err();
    assert!(error.to_string().contains("height 361 is not a multiple of 8"), "{error}");
}
