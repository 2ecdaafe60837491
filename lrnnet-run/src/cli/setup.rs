//! `setup`: fetches ONNX Runtime's library from its Python package and puts it where it is found.

mod wheel;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lrnnet_run::engine::library;
use zip::ZipArchive;

use super::args::SetupArgs;
use super::failure::Failure;
use super::predict::to_stdout;
use wheel::Wheel;

/// The version that is fetched; `wheel` knows the files of it.
const VERSION: &str = "1.31.1";
/// The folder in the package's wheel that holds the libraries.
const WHEEL_FOLDER: &str = "onnxruntime/capi/";
/// Bytes that one library may have; the largest, the CUDA provider, has a third of them.
const MAX_LIBRARY: u64 = 1 << 30;

/// Installs the library, unless it is there already.
pub fn run(args: &SetupArgs) -> Result<(), Failure> {
    let message = install(args.gpu).map_err(Failure::Device)?;
    if std::env::var_os("ORT_DYLIB_PATH").is_some_and(|value| !value.is_empty()) {
        eprintln!("note: ORT_DYLIB_PATH is set and takes precedence over it");
    }
    to_stdout(format!("{message}\n").as_bytes()).context("cannot write to standard output").map_err(Failure::Output)
}

fn install(gpu: bool) -> Result<String> {
    let home = library::home().context("there is no folder for the user's data; set LRNNET_HOME to one")?;
    let folder = library::setup_folder().context("there is no folder for the user's data; set LRNNET_HOME to one")?;
    let what = format!("ONNX Runtime {VERSION}{}", if gpu { " with CUDA and TensorRT" } else { "" });
    if check(&folder, gpu).is_ok() {
        return Ok(format!("{what} is in {} already", folder.display()));
    }
    let in_home = || format!("cannot write to the folder {}", home.display());
    fs::create_dir_all(&home).with_context(in_home)?;
    // In the same folder as the target, so that the last step is a move within one file system.
    let work = tempfile::Builder::new().prefix(".setup-").tempdir_in(&home).with_context(in_home)?;
    let wheel = Wheel::of_this_machine(gpu)?.fetch(&work.path().join("wheel"))?;
    let fresh = work.path().join("onnxruntime");
    unpack(&wheel, &fresh).with_context(|| format!("cannot unpack {}", wheel.display()))?;
    check(&fresh, gpu).context("what was fetched is not what is needed")?;
    replace(&fresh, &folder, &work.path().join("old")).with_context(|| format!("cannot fill {}", folder.display()))?;
    Ok(format!("{what} is now in {}", folder.display()))
}

/// Takes the libraries out of the wheel: ONNX Runtime's own and those of its execution providers.
fn unpack(wheel: &Path, folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let Some(name) = entry.name()?.strip_prefix(WHEEL_FOLDER).map(str::to_owned) else { continue };
        let is_plain = Path::new(&name).file_name().is_some_and(|file| file == &*name);
        if is_plain && (library::is_library_name(Path::new(&name)) || is_provider_name(&name)) {
            let mut file = File::create_new(folder.join(&name))?;
            let copied = io::copy(&mut entry.take(MAX_LIBRARY + 1), &mut file)?;
            ensure!(copied <= MAX_LIBRARY, "{name} has more than {MAX_LIBRARY} bytes");
            file.flush()?;
            file.sync_all()?;
        }
    }
    Ok(())
}

fn is_provider_name(name: &str) -> bool {
    let stem = format!("{}onnxruntime_providers_", std::env::consts::DLL_PREFIX);
    name.starts_with(&stem) && name.ends_with(std::env::consts::DLL_SUFFIX)
}

/// Whether `folder` holds the wanted version with, for a GPU, its execution providers.
fn check(folder: &Path, gpu: bool) -> Result<()> {
    let found = library::find(Some(folder))?;
    let minor = VERSION.split('.').nth(1).and_then(|minor| minor.parse().ok());
    ensure!(Some(found.minor) == minor, "expected ONNX Runtime {VERSION}, found 1.{}", found.minor);
    let cuda = format!("{}onnxruntime_providers_cuda{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    // The build for GPUs does for the CPU as well.
    ensure!(!gpu || folder.join(&cuda).is_file(), "{cuda} is missing in {}", folder.display());
    Ok(())
}

/// Moves `fresh` to `folder`; what was there moves to `old` and comes back if that fails.
fn replace(fresh: &Path, folder: &Path, old: &Path) -> io::Result<()> {
    let had_one = folder.exists();
    if had_one {
        fs::rename(folder, old)?;
    }
    fs::rename(fresh, folder).inspect_err(|_| {
        if had_one {
            // The first error is the one to tell.
            let _ = fs::rename(old, folder);
        }
    })
}
