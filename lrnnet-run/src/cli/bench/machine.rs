//! What the figures were measured on.

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use lrnnet_run::engine::gpu_names;
use serde::Serialize;

/// A machine, in the words of its system.
#[derive(Debug, Serialize)]
pub struct Machine {
    cpu: String,
    /// Threads that this process may use.
    cores: usize,
    gpus: Vec<String>,
    system: String,
    lrnnet_run: &'static str,
}

impl Machine {
    /// The machine this runs on.
    pub fn here() -> Self {
        Self {
            cpu: read_value("/proc/cpuinfo", "model name", ':').unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: available_parallelism().map_or(1, usize::from),
            gpus: gpu_names(),
            system: system(),
            lrnnet_run: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, gpus, system, lrnnet_run } = self;
        write!(f, "{cpu}, {cores} core{}", if *cores == 1 { "" } else { "s" })?;
        gpus.iter().try_for_each(|gpu| write!(f, "; {gpu}"))?;
        write!(f, "; {system}; lrnnet-run {lrnnet_run}")
    }
}

fn system() -> String {
    let name = read_value("/etc/os-release", "PRETTY_NAME", '=');
    let name = name.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned());
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(kernel) => format!("{name}, kernel {}", kernel.trim()),
        Err(_) => name,
    }
}

/// The value of the first line `key <separator> value` in the file at `path`.
fn read_value(path: impl AsRef<Path>, key: &str, separator: char) -> Option<String> {
    value_of(&fs::read_to_string(path).ok()?, key, separator)
}

fn value_of(text: &str, key: &str, separator: char) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    pairs.find(|(found, _)| found.trim() == key).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_linux_writes_them() {
        let cases = [
            (
                "processor\t: 0\nmodel name\t: A CPU @ 2.00GHz\nmodel name\t: B",
                "model name",
                ':',
                Some("A CPU @ 2.00GHz"),
            ),
            ("NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"", "PRETTY_NAME", '=', Some("\"Debian GNU/Linux 12\"")),
            ("", "Model", ':', None),
        ];
        for (text, key, separator, expected) in cases {
            assert_eq!(value_of(text, key, separator).as_deref(), expected, "{text}");
        }
    }
}
