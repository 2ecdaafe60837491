//! What CUDA and TensorRT need besides ONNX Runtime: where it lies and what to say when it is missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::library::Library;
use crate::device::{Device, Hardware};
use crate::engine::{DeviceProblem, EngineError, RuntimeCause};

/// Refuses early where the execution provider's own library is not beside ONNX Runtime's.
pub fn check_provider(device: Device, library: &Library) -> Result<(), EngineError> {
    let (Some(file), Some(folder)) = (provider_file(device.hardware), library.folder()) else { return Ok(()) };
    if folder.join(&file).is_file() {
        return Ok(());
    }
    let problem = DeviceProblem::NoProvider { file, folder: folder.display().to_string() };
    Err(EngineError::Device { device, problem, source: None })
}

/// File name of the library of the execution provider that `hardware` needs.
fn provider_file(hardware: Hardware) -> Option<String> {
    let provider = match hardware {
        Hardware::Cpu => return None,
        Hardware::Cuda(_) => "cuda",
        Hardware::TensorRt(_) => "tensorrt",
    };
    Some(format!("{}onnxruntime_providers_{provider}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
}

/// Says what a failure of ONNX Runtime on `device` means.
pub fn explain(device: Device, cause: RuntimeCause) -> EngineError {
    EngineError::Device { device, problem: problem_of(&cause.to_string()), source: Some(cause) }
}

/// What the words of ONNX Runtime, CUDA or the system's loader mean.
fn problem_of(text: &str) -> DeviceProblem {
    const WORDS: [(&[&str], DeviceProblem); 9] = [
        (&["libnvinfer", "libnvonnxparser"], DeviceProblem::NoTensorRt),
        (&["libcuda.so"], DeviceProblem::NoDriver),
        (&["cannot open shared object"], DeviceProblem::NoCuda),
        (
            &["no CUDA-capable device", "driver version is insufficient", "CUDA driver", "no device"],
            DeviceProblem::NoGpu,
        ),
        (&["invalid device ordinal", "Invalid device"], DeviceProblem::NoSuchGpu),
        (&["not enabled in this build"], DeviceProblem::NotInLibrary),
        (&["out of memory", "Failed to allocate memory", "ALLOC_FAILED"], DeviceProblem::OutOfMemory),
        (&["graph capture", "stream is capturing", "during capture"], DeviceProblem::NotRecordable),
        // `ort` copies tensors by a session of a level that versions before 1.23 or so do not know.
        (&["graph_optimization_level"], DeviceProblem::OldLibrary),
    ];
    let known = WORDS.into_iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    known.map_or(DeviceProblem::Other, |(_, problem)| problem)
}

/// The folders of CUDA's and cuDNN's libraries that Python packages of NVIDIA bring, the user's own first.
///
/// CUDA 13's packages share `nvidia/cu13/lib`; cuDNN has `nvidia/cudnn/lib`.
pub fn python_folders() -> (Option<PathBuf>, Option<PathBuf>) {
    let prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let usual = [dirs::home_dir().map(|home| home.join(".local")), Some("/usr/local".into()), Some("/usr".into())];
    let roots: Vec<PathBuf> = prefixes.chain(usual.into_iter().flatten()).collect();
    let folder = |package: &str, library: &str| {
        let found = roots.iter().flat_map(|root| packages_below(root));
        found.map(|packages| packages.join("nvidia").join(package).join("lib")).find(|lib| lib.join(library).exists())
    };
    (folder("cu13", "libcudart.so.13"), folder("cudnn", "libcudnn.so.9"))
}

/// Names of the GPUs that NVIDIA's driver lists, in the order of their bus numbers.
pub fn names() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/driver/nvidia/gpus") else { return vec![] };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let name = |text: String| text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned()));
    folders.iter().filter_map(|folder| name(fs::read_to_string(folder.join("information")).ok()?)).collect()
}

/// File name of TensorRT's library with its full version, such as `libnvinfer.so.10.13.3`, where it can be found.
pub fn tensorrt_version() -> Option<String> {
    let named = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/tensorrt/lib"];
    let folders = env::split_paths(&named).chain(usual.into_iter().map(PathBuf::from));
    let library = folders.map(|folder| folder.join("libnvinfer.so.10")).find_map(|path| path.canonicalize().ok())?;
    Some(library.file_name()?.to_string_lossy().into_owned())
}

fn packages_below(root: &Path) -> Vec<PathBuf> {
    let entries = root.join("lib").read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let pythons = entries.filter(|path| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"python3")));
    pythons.flat_map(|python| [python.join("site-packages"), python.join("dist-packages")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_by_their_words() {
        use DeviceProblem::*;
        let cases = [
            ("libcublasLt.so.13: cannot open shared object file: No such file", NoCuda),
            ("libcuda.so.1: cannot open shared object file", NoDriver),
            ("CUDA failure 100: no CUDA-capable device is detected", NoGpu),
            ("CUDA failure 35: CUDA driver version is insufficient", NoGpu),
            ("CUDA failure 101: invalid device ordinal", NoSuchGpu),
            ("libnvinfer.so.10: cannot open shared object file", NoTensorRt),
            ("CUDA execution provider is not enabled in this build.", NotInLibrary),
            ("CUDA failure 2: out of memory ; GPU=0 ; file=cuda_allocator.cc", OutOfMemory),
            ("bfc_arena.cc: Failed to allocate memory for requested buffer of size 1073741824", OutOfMemory),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", OutOfMemory),
            ("CUDA failure 900: operation not permitted when stream is capturing ; GPU=0", NotRecordable),
            ("CUDA failure 901: operation failed due to a previous error during capture", NotRecordable),
            (
                "This session cannot use the graph capture feature as requested by the user as all compute graph nodes \
                 have not been partitioned to the CUDAExecutionProvider",
                NotRecordable,
            ),
            ("graph_optimization_level is not valid", OldLibrary),
            ("something new", Other),
        ];
        let wrong: Vec<_> = cases.iter().filter(|(text, problem)| problem_of(text) != *problem).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
