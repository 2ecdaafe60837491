//! The header is the one that cbindgen makes of the source.

use std::path::Path;

use cbindgen::{Builder, Config};

#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let sources = ["src/handle.rs", "src/api.rs"].map(|source| folder.join(source));
    let builder = sources.iter().fold(Builder::new().with_config(config), |builder, source| builder.with_src(source));
    let mut made = vec![];
    builder.generate().unwrap().write(&mut made);
    let path = folder.join("include/lrnnet.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read(&path).unwrap_or_default();
    assert!(found == made, "include/lrnnet.h is not what the source says: UPDATE_HEADER=1 cargo test --test header");
}
