//! The package that ONNX Runtime's library is taken from: one file per platform, known by its hash.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::VERSION;

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
/// The Python that the wheels are made for. The libraries in them do not depend on it, nor on the one that fetches them.
const WHEEL_PYTHON: [&str; 6] = ["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"];
const BY_HAND: &str = "or set ORT_DYLIB_PATH to the ONNX Runtime library that you have";

/// A wheel of version [`VERSION`].
#[derive(Debug)]
pub struct Wheel {
    package: &'static str,
    /// Operating system and processor as Rust calls them.
    target: (&'static str, &'static str),
    /// Both as pip calls them.
    platform: &'static str,
    /// SHA-256 in hexadecimal.
    sha256: &'static str,
}

const CPU: &str = "onnxruntime";
const GPU: &str = "onnxruntime-gpu";

/// All that are known. To raise [`VERSION`], take the hashes from
/// `pip install --dry-run --ignore-installed --no-deps --report - --only-binary=:all: --target x --platform PLATFORM`
/// with the arguments of [`WHEEL_PYTHON`].
const WHEELS: [Wheel; 7] = [
    Wheel {
        package: CPU,
        target: ("linux", "x86_64"),
        platform: "manylinux_2_28_x86_64",
        sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    },
    Wheel {
        package: CPU,
        target: ("linux", "aarch64"),
        platform: "manylinux_2_28_aarch64",
        sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
    },
    Wheel {
        package: CPU,
        target: ("macos", "aarch64"),
        platform: "macosx_14_0_arm64",
        sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
    },
    Wheel {
        package: CPU,
        target: ("windows", "x86_64"),
        platform: "win_amd64",
        sha256: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
    },
    Wheel {
        package: CPU,
        target: ("windows", "aarch64"),
        platform: "win_arm64",
        sha256: "fe8b9ac1ae8e894e12c47ee82e4f6dfc1835768133687257866469fda80d0bf1",
    },
    Wheel {
        package: GPU,
        target: ("linux", "x86_64"),
        platform: "manylinux_2_28_x86_64",
        sha256: "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
    },
    Wheel {
        package: GPU,
        target: ("windows", "x86_64"),
        platform: "win_amd64",
        sha256: "2bb1e9373baba88f6415257f5b6a589d23e23c16004f7d89adf4344eada5749e",
    },
];

impl Wheel {
    /// The one for this machine.
    pub fn of_this_machine(gpu: bool) -> Result<&'static Self> {
        let package = if gpu { GPU } else { CPU };
        let wheel = WHEELS.iter().find(|wheel| wheel.package == package && wheel.target == (OS, ARCH));
        wheel.with_context(|| format!("there is no {package} {VERSION} for {OS} on {ARCH}; set ORT_DYLIB_PATH to an ONNX Runtime library that you have"))
    }

    /// Fetches the wheel into `folder`, which must not be there yet, and gives its path.
    pub fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir(folder)?;
        require_pip()?;
        let wanted = format!("{}=={VERSION}", self.package);
        eprintln!("fetching {wanted} for {} with {PYTHON} -m pip", self.platform);
        let mut command = pip(&["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]);
        command.args(["--platform", self.platform]).args(WHEEL_PYTHON).arg("--dest").arg(folder).arg(&wanted);
        let status = command.status().with_context(|| format!("cannot start {PYTHON}"))?;
        ensure!(status.success(), "pip could not fetch {wanted} ({status}; it says why above); try again, {BY_HAND}");
        let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        let wheel = entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        let wheel = wheel.with_context(|| format!("pip fetched no wheel of {wanted}"))?;
        self.check(&wheel)?;
        Ok(wheel)
    }

    /// Whether the file is the known one, to the last bit.
    fn check(&self, path: &Path) -> Result<()> {
        let found = sha256(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).display();
        ensure!(
            found == self.sha256,
            "what pip fetched is not the {} {VERSION} that this program knows: {name} has the SHA-256 {found}; expected \
             {}. Nothing was installed; look at the package index that pip is set to use, {BY_HAND}",
            self.package,
            self.sha256
        );
        Ok(())
    }
}

/// SHA-256 of a file's bytes, in hexadecimal.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

fn pip(arguments: &[&str]) -> Command {
    let mut command = Command::new(PYTHON);
    // Standard output is for results; what pip says while it works is none.
    command.args(["-m", "pip"]).args(arguments).stdin(Stdio::null()).stdout(io::stderr());
    command
}

fn require_pip() -> Result<()> {
    let found = match pip(&["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{PYTHON} was not found; install Python 3 with pip (on Debian: apt install python3-pip), {BY_HAND}")
        }
        found => found.with_context(|| format!("cannot start {PYTHON}"))?,
    };
    ensure!(found.success(), "{PYTHON} has no pip; install it (on Debian: apt install python3-pip), {BY_HAND}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_listed_once_with_a_whole_hash_of_its_own() {
        for (i, wheel) in WHEELS.iter().enumerate() {
            let hexadecimal = wheel.sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hexadecimal && wheel.sha256.len() == 64, "{wheel:?}");
            let twin = WHEELS[..i].iter().find(|other| {
                other.sha256 == wheel.sha256 || (other.package, other.target) == (wheel.package, wheel.target)
            });
            assert!(twin.is_none(), "{wheel:?} and {twin:?}");
        }
    }

    #[test]
    fn a_file_of_another_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        // By `printf abc | sha256sum`, which is also the first example of FIPS 180-4.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let wheel = Wheel { package: CPU, target: (OS, ARCH), platform: "any", sha256 };
        fs::write(&path, "abc").unwrap();
        assert!(wheel.check(&path).is_ok());
        for other in ["abd", "", "abcabc"] {
            fs::write(&path, other).unwrap();
            let error = wheel.check(&path).unwrap_err().to_string();
            assert!(
                error.contains("a.whl") && error.contains(sha256) && error.contains("Nothing was installed"),
                "{error}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(wheel.check(&path).unwrap_err().to_string().contains("cannot read"));
    }
}
