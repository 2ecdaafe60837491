//! Running programs from the root of the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Names the ONNX Runtime that a user prefers. What tests and shipped figures say must not depend on it.
const USERS_LIBRARY: &str = "ORT_DYLIB_PATH";

/// The root of the repository.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The folder in which cargo puts what it builds, by this program's own place in it.
pub fn target() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.ancestors().nth(2).map(Path::to_owned).context("this program is not where cargo puts programs")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root()).env_remove(USERS_LIBRARY);
    command
}

/// Runs cargo, showing what it prints.
pub fn cargo(args: &[&str]) -> anyhow::Result<()> {
    succeed(command(args), &format!("cargo {}", args.join(" ")))
}

/// Runs a program that cargo built beside this one.
pub fn program(name: &str, args: &[&str]) -> anyhow::Result<()> {
    let path = std::env::current_exe()?.with_file_name(name).with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(&path);
    command.args(args).current_dir(root()).env_remove(USERS_LIBRARY);
    succeed(command, &format!("{} {}", path.display(), args.join(" ")))
}

fn succeed(mut command: Command, shown: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// Runs cargo and gives what it prints on standard output.
pub fn cargo_output(args: &[&str]) -> anyhow::Result<String> {
    let output = command(args).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed: {}", args.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("the output is not text")
}
