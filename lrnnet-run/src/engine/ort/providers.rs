//! What is asked of the execution providers of GPUs.

use std::fs;
use std::path::PathBuf;

use ort::ep;

use super::super::{EngineOptions, gpu, library};
use crate::device::Device;
use crate::model::Model;

/// The execution providers of `device`, each of which must start: ONNX Runtime would otherwise use the CPU and not
/// say so.
pub fn of(device: Device, model: &Model, options: &EngineOptions, minor: u32) -> Vec<ep::ExecutionProviderDispatch> {
    match device {
        Device::Cuda(gpu) => vec![cuda(gpu, options).with_cuda_graph(options.gpu.graph).build().error_on_failure()],
        Device::TensorRt(gpu) => {
            let tensorrt = tensorrt(gpu, model, options, minor).with_cuda_graph(options.gpu.graph);
            // CUDA takes what TensorRT leaves.
            vec![tensorrt.build().error_on_failure(), cuda(gpu, options).build().error_on_failure()]
        }
        Device::Auto | Device::Cpu | Device::Tract => vec![],
    }
}

fn cuda(gpu: u32, options: &EngineOptions) -> ep::CUDA {
    ep::CUDA::default().with_device_id(gpu as i32).with_tf32(options.gpu.tf32)
}

/// TensorRT with caches of engines and timings, since it builds for minutes.
fn tensorrt(gpu: u32, model: &Model, options: &EngineOptions, minor: u32) -> ep::TensorRT {
    // A network whose tensors are float16 is refused unless float16 is allowed.
    let provider = ep::TensorRT::default().with_device_id(gpu as i32).with_fp16(half(model, options));
    let Some(cache) = tensorrt_cache(model, options, minor) else { return provider };
    provider
        .with_engine_cache(true)
        .with_engine_cache_path(&cache)
        .with_timing_cache(true)
        .with_timing_cache_path(&cache)
}

fn half(model: &Model, options: &EngineOptions) -> bool {
    options.gpu.fp16 || model.metadata().precision == "fp16"
}

/// The folder of TensorRT's caches; none where it cannot be made or its name is no plain text.
///
/// A cached engine only fits what it was built from and for, and ONNX Runtime fails on one that does not fit. So the
/// folder's name holds the weights, the precision, the versions and the GPUs; ONNX Runtime adds a hash of the graph.
pub fn tensorrt_cache(model: &Model, options: &EngineOptions, minor: u32) -> Option<String> {
    let folder = library::cache()?.join("tensorrt").join(cache_key(model, options, minor));
    fs::create_dir_all(&folder).ok()?;
    folder.into_os_string().into_string().ok().filter(|path| !path.contains('\0'))
}

fn cache_key(model: &Model, options: &EngineOptions, minor: u32) -> PathBuf {
    let weights: String = model.metadata().weights_sha256.chars().take(16).collect();
    let precision = if half(model, options) { "fp16" } else { "fp32" };
    let versions = format!("ort-1.{minor}-{}", gpu::tensorrt_version().unwrap_or_else(|| "nvinfer".to_owned()));
    let gpus = if gpu::names().is_empty() { "gpu".to_owned() } else { gpu::names().join("-") };
    let parts = [weights, precision.to_owned(), versions, gpus];
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    parts.join("_").chars().map(|c| if c == '_' { c } else { plain(c) }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::GpuOptions;

    #[test]
    fn the_cache_of_another_precision_or_version_is_another_folder() {
        let model = Model::embedded().unwrap();
        let plain = EngineOptions::default();
        let half =
            EngineOptions { gpu: GpuOptions { fp16: true, ..GpuOptions::default() }, ..EngineOptions::default() };
        let keys = [cache_key(&model, &plain, 31), cache_key(&model, &half, 31), cache_key(&model, &plain, 32)];
        assert!(keys[0] != keys[1] && keys[0] != keys[2], "{keys:?}");
        for key in keys {
            let text = key.to_str().unwrap();
            assert!(text.starts_with(&model.metadata().weights_sha256[..16]), "{text}");
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{text}");
        }
    }
}
