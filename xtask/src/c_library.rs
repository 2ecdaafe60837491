//! Installing the C library.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, ensure};

use crate::shell;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const HEADER: &str = "bindings/c/include/lrnnet.h";
/// What the static library needs besides itself: `rustc --print native-static-libs`, and what rustc does of itself, since
/// some kernels in assembly do not say that they need no executable stack.
const STATIC_LIBRARIES: &str = "-Wl,-z,noexecstack -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Builds `liblrnnet` and puts it under `prefix`, with its header and what pkg-config is to know. `debug` takes the build
/// that the tests have, of which little is left to be built.
pub fn install(prefix: &Path, debug: bool) -> anyhow::Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "installing the C library is written for Linux; `cargo build -p lrnnet-c` builds it"
    );
    let (profile, build) = match debug {
        true => ("debug", &["build", "--workspace", "--locked"][..]),
        false => ("release", &["build", "--release", "-p", "lrnnet-c", "--locked"][..]),
    };
    let prefix = absolute(prefix)?;
    shell::cargo(build)?;
    let built = shell::target()?.join(profile);
    let [include, lib, pkg_config] = ["include", "lib", "lib/pkgconfig"].map(|folder| prefix.join(folder));
    for folder in [&include, &lib, &pkg_config] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let major = VERSION.split('.').next().unwrap_or(VERSION);
    let (real, soname) = (format!("liblrnnet.so.{VERSION}"), format!("liblrnnet.so.{major}"));
    copy(&built.join("liblrnnet.so"), &lib.join(&real))?;
    copy(&built.join("liblrnnet.a"), &lib.join("liblrnnet.a"))?;
    link(&real, &lib.join(&soname))?;
    link(&soname, &lib.join("liblrnnet.so"))?;
    copy(&shell::root().join(HEADER), &include.join("lrnnet.h"))?;
    replace(&pkg_config.join("lrnnet.pc"), |part| fs::write(part, pkg_config_file()))?;
    println!("liblrnnet {VERSION} is in {}", prefix.display());
    Ok(())
}

/// Names its folders by its own place, so that the prefix may be moved.
fn pkg_config_file() -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         includedir=${{prefix}}/include\n\
         libdir=${{prefix}}/lib\n\
         \n\
         Name: lrnnet\n\
         Description: Segments street pictures: RGB bytes in, class ids out\n\
         Version: {VERSION}\n\
         Cflags: -I${{includedir}}\n\
         Libs: -L${{libdir}} -llrnnet\n\
         Libs.private: {STATIC_LIBRARIES}\n"
    )
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    replace(to, |part| fs::copy(from, part).map(|_| ())).with_context(|| format!("cannot copy {}", from.display()))
}

fn link(target: &str, name: &Path) -> anyhow::Result<()> {
    replace(name, |part| symlink(target, part))
}

/// Makes `path` beside its place and moves it there, so that a program that uses the old one is not hurt.
fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if part.symlink_metadata().is_ok() {
        fs::remove_file(&part)?;
    }
    let made = make(&part).and_then(|()| fs::rename(&part, path));
    made.with_context(|| format!("cannot write {}", path.display()))
}
