//! Running programs from the root of the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs cargo, showing what it prints.
pub fn cargo(args: &[&str]) -> anyhow::Result<()> {
    let status = command(args).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {} failed: {status}", args.join(" "));
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
