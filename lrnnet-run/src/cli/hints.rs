//! What to type to mend an error: the libraries' errors know nothing of this program's words.

use std::error::Error;
use std::iter::successors;

use lrnnet_graph::onnx::FileError;
use lrnnet_run::engine::library::LibraryError;
use lrnnet_run::engine::{DeviceProblem, EngineError};
use lrnnet_run::metrics::ForeignId;
use lrnnet_run::selftest::SelfTestError;
use lrnnet_run::{BuildError, ModelProblem, SegmentError};

use super::stream::ffmpeg::FfmpegError;

/// How to get ONNX Runtime.
pub const GET_LIBRARY: &str = "run `lrnnet-run setup` to install it, or name a library with --ort-lib PATH";
const GET_PROVIDERS: &str = "run `lrnnet-run setup --gpu` to install ONNX Runtime with CUDA and TensorRT";
const GET_CUDA: &str = "install CUDA 13 and cuDNN 9 (`python3 -m pip install nvidia-cublas nvidia-cuda-nvrtc \
                        nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-curand`, which are found by \
                        themselves; others must be on LD_LIBRARY_PATH)";
const GET_TENSORRT: &str = "install TensorRT 10 (libnvinfer.so.10, libnvonnxparser.so.10) and put its folder on \
                            LD_LIBRARY_PATH";
const GET_DRIVER: &str = "install NVIDIA's driver on a machine with an NVIDIA GPU (`nvidia-smi` must list the GPU), or \
                          use --device cpu";

const GET_FFMPEG: &str = "install ffmpeg: `apt-get install ffmpeg` (Debian, Ubuntu), `dnf install ffmpeg` (Fedora) or \
                          `brew install ffmpeg` (macOS); y4m and raw frames need nothing";

const TRUST: &str = "export it with lrnnet-export, or, if you would run a program of who made it, add --trust-model";

/// What helps against `error` or the first of its causes that something is known about.
pub fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    successors(Some(error), |&error| error.source()).find_map(of_one)
}

fn of_one(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref() {
        return of_engine(error);
    }
    if let Some(error) = error.downcast_ref::<BuildError>() {
        return match error {
            BuildError::Engine(error) => of_engine(error),
            BuildError::StaticSize { wanted, .. } => {
                Some(format!("leave --imgsz out, or export the model with --imgsz {wanted} or --dynamic"))
            }
            _ => None,
        };
    }
    if let Some(SegmentError::Engine(error)) = error.downcast_ref() {
        return of_engine(error);
    }
    if let Some(error) = error.downcast_ref::<LibraryError>() {
        return of_library(error);
    }
    if let Some(ModelProblem::File(FileError::OutsideSubset | FileError::Domain(_) | FileError::Graph(_))) =
        error.downcast_ref()
    {
        return Some(TRUST.to_owned());
    }
    if let Some(FfmpegError::Missing { .. }) = error.downcast_ref() {
        return Some(GET_FFMPEG.to_owned());
    }
    if let Some(SelfTestError::None) = error.downcast_ref() {
        return Some("export the model again without --no-verify".to_owned());
    }
    error.is::<ForeignId>().then(|| "name the id of pixels without a class with --ignore".to_owned())
}

fn of_engine(error: &EngineError) -> Option<String> {
    let hint = match error {
        EngineError::Library(error) => return of_library(error),
        EngineError::GraphShape { .. } => "export the model with --imgsz, not --dynamic, or leave +graph out",
        EngineError::NotBuiltIn { .. } => "build the program with its default features",
        EngineError::Device { problem, .. } => match problem {
            DeviceProblem::NoProvider { .. } | DeviceProblem::NotInLibrary => GET_PROVIDERS,
            DeviceProblem::NoCuda => GET_CUDA,
            DeviceProblem::NoTensorRt => GET_TENSORRT,
            DeviceProblem::NoDriver | DeviceProblem::NoGpu => GET_DRIVER,
            DeviceProblem::NoSuchGpu => "name one that `nvidia-smi` lists",
            DeviceProblem::OutOfMemory => "`nvidia-smi` lists what holds the GPU's memory",
            DeviceProblem::NotRecordable => "run without a CUDA graph: leave +graph out",
            DeviceProblem::OldLibrary => {
                "run `lrnnet-run setup --gpu` to install a newer one, or run without a CUDA graph: leave +graph out"
            }
            _ => "`lrnnet-run doctor` shows what works",
        },
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_library(error: &LibraryError) -> Option<String> {
    match error {
        LibraryError::Another { .. } => None,
        _ => Some(GET_LIBRARY.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use lrnnet_run::Device;

    use super::*;

    #[test]
    fn each_problem_of_a_device_has_its_remedy() {
        use DeviceProblem::*;
        let no_provider = NoProvider { file: "x.so".into(), folder: "/".into() };
        let cases = [
            (no_provider, "setup --gpu"),
            (NotInLibrary, "setup --gpu"),
            (NoCuda, "nvidia-cudnn-cu13"),
            (NoTensorRt, "TensorRT 10"),
            (NoDriver, "NVIDIA's driver"),
            (NoGpu, "--device cpu"),
            (NoSuchGpu, "nvidia-smi"),
            (OutOfMemory, "nvidia-smi"),
            (NotRecordable, "leave +graph out"),
            (OldLibrary, "setup --gpu"),
            (Other, "doctor"),
        ];
        for (problem, remedy) in cases {
            let error = EngineError::Device { device: Device::cuda(0), problem: problem.clone(), source: None };
            // As it is, and as the builder passes it on inside of a chain.
            let found = [hint(&error), hint(&BuildError::from(error))];
            for found in found {
                assert!(found.as_ref().is_some_and(|hint| hint.contains(remedy)), "{problem:?}: {found:?}");
            }
        }
    }

    #[test]
    fn an_error_without_a_remedy_has_no_hint() {
        assert_eq!(hint(&std::io::Error::other("no luck")), None);
    }
}
