//! What CUDA and TensorRT need besides ONNX Runtime: where it lies and what to say when it is missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::library::Library;
use super::{EngineError, RuntimeCause};
use crate::device::Device;

const GET_PROVIDERS: &str = "run `lrnnet-run setup --gpu` to install ONNX Runtime with CUDA and TensorRT";
const GET_CUDA: &str = "install CUDA 13 and cuDNN 9 (`python3 -m pip install nvidia-cublas nvidia-cuda-nvrtc \
                        nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-curand`, which are found by \
                        themselves; others must be on LD_LIBRARY_PATH)";
const GET_TENSORRT: &str = "install TensorRT 10 (libnvinfer.so.10, libnvonnxparser.so.10) and put its folder on \
                            LD_LIBRARY_PATH";
const GET_MEMORY: &str = "take a smaller input or batch, or free memory: `nvidia-smi` lists what holds it";
const NO_GRAPH: &str = "run without a CUDA graph: leave +graph out";
const NEWER: &str =
    "run `lrnnet-run setup --gpu` to install a newer one, or run without a CUDA graph: leave +graph out";
const GET_DRIVER: &str = "install NVIDIA's driver on a machine with an NVIDIA GPU (`nvidia-smi` must list the GPU), or \
                          use --device cpu";

/// Refuses early where the execution provider's own library is not beside ONNX Runtime's.
pub fn check_provider(device: Device, library: &Library) -> Result<(), EngineError> {
    let (Some(file), Some(folder)) = (provider_file(device), library.folder()) else { return Ok(()) };
    if folder.join(&file).is_file() {
        return Ok(());
    }
    let why = format!("{file} is not beside ONNX Runtime in {}", folder.display());
    Err(EngineError::Device { device, why, fix: GET_PROVIDERS.to_owned(), source: None })
}

/// File name of the library of the execution provider that `device` needs.
pub fn provider_file(device: Device) -> Option<String> {
    let provider = match device {
        Device::Cuda(_) => "cuda",
        Device::TensorRt(_) => "tensorrt",
        Device::Auto | Device::Cpu | Device::Tract => return None,
    };
    Some(format!("{}onnxruntime_providers_{provider}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
}

/// Says what a failure of ONNX Runtime on `device` means and what to do about it.
pub fn explain(device: Device, cause: RuntimeCause) -> EngineError {
    let text = cause.to_string();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let (why, fix) = if has(&["libnvinfer", "libnvonnxparser"]) {
        ("TensorRT's libraries are not found", GET_TENSORRT)
    } else if has(&["libcuda.so"]) {
        ("NVIDIA's driver is not found", GET_DRIVER)
    } else if has(&["cannot open shared object"]) {
        ("a library of CUDA or cuDNN is not found", GET_CUDA)
    } else if has(&["no CUDA-capable device", "driver version is insufficient", "CUDA driver", "no device"]) {
        ("there is no usable NVIDIA GPU or driver", GET_DRIVER)
    } else if has(&["invalid device ordinal", "Invalid device"]) {
        ("there is no GPU of this number", "name one that `nvidia-smi` lists")
    } else if has(&["not enabled in this build"]) {
        ("this build of ONNX Runtime has no such execution provider", GET_PROVIDERS)
    } else if has(&["out of memory", "Failed to allocate memory", "ALLOC_FAILED"]) {
        ("the GPU's memory is not enough", GET_MEMORY)
    } else if has(&["graph capture", "stream is capturing", "during capture"]) {
        ("this network's run cannot be recorded as a CUDA graph here", NO_GRAPH)
    } else if has(&["graph_optimization_level"]) {
        // `ort` copies tensors by a session of a level that versions before 1.23 or so do not know.
        ("this version of ONNX Runtime cannot copy to tensors at fixed places", NEWER)
    } else {
        ("ONNX Runtime fails on it", "see the cause below; `lrnnet-run doctor` shows what works")
    };
    EngineError::Device { device, why: why.to_owned(), fix: fix.to_owned(), source: Some(cause) }
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
    fn failures_get_the_remedy_that_helps() {
        let cases = [
            ("libcublasLt.so.13: cannot open shared object file: No such file", "CUDA 13"),
            ("libcuda.so.1: cannot open shared object file", "driver"),
            ("CUDA failure 100: no CUDA-capable device is detected", "driver"),
            ("CUDA failure 35: CUDA driver version is insufficient", "driver"),
            ("CUDA failure 101: invalid device ordinal", "nvidia-smi"),
            ("libnvinfer.so.10: cannot open shared object file", "TensorRT 10"),
            ("CUDA execution provider is not enabled in this build.", "setup --gpu"),
            ("CUDA failure 2: out of memory ; GPU=0 ; file=cuda_allocator.cc", "smaller input"),
            ("bfc_arena.cc: Failed to allocate memory for requested buffer of size 1073741824", "smaller input"),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "smaller input"),
            ("CUDA failure 900: operation not permitted when stream is capturing ; GPU=0", "leave +graph out"),
            ("CUDA failure 901: operation failed due to a previous error during capture", "leave +graph out"),
            (
                "This session cannot use the graph capture feature as requested by the user as all compute graph nodes \
                 have not been partitioned to the CUDAExecutionProvider",
                "leave +graph out",
            ),
            ("graph_optimization_level is not valid", "setup --gpu"),
            ("something new", "ONNX Runtime fails on it\nsee the cause below; `lrnnet-run doctor`"),
        ];
        for (text, remedy) in cases {
            let error = explain(Device::Cuda(0), text.into()).to_string();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
