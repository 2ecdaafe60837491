//! What is asked of the execution providers of GPUs.

use std::fs;
use std::path::PathBuf;

use lrnnet_graph::Precision;
use ort::ep;
use sha2::{Digest, Sha256};

use super::{gpu, library};
use crate::device::{Device, DeviceOption, Hardware};
use crate::model::Model;

/// The execution providers of `device`, each of which must start: ONNX Runtime would otherwise use the CPU and not
/// say so.
pub fn of(device: Device, model: &Model, minor: u32) -> Vec<ep::ExecutionProviderDispatch> {
    let graph = device.options.contains(DeviceOption::Graph);
    match device.hardware {
        Hardware::Cpu => vec![],
        Hardware::Cuda(gpu) => vec![cuda(gpu, device).with_cuda_graph(graph).build().error_on_failure()],
        Hardware::TensorRt(gpu) => {
            let tensorrt = tensorrt(gpu, device, model, minor).with_cuda_graph(graph);
            // CUDA takes what TensorRT leaves.
            vec![tensorrt.build().error_on_failure(), cuda(gpu, device).build().error_on_failure()]
        }
    }
}

fn cuda(gpu: u32, device: Device) -> ep::CUDA {
    ep::CUDA::default().with_device_id(gpu as i32).with_tf32(device.options.contains(DeviceOption::Tf32))
}

/// TensorRT with caches of engines and timings, since it builds for minutes.
fn tensorrt(gpu: u32, device: Device, model: &Model, minor: u32) -> ep::TensorRT {
    // A network whose tensors are float16 is refused unless float16 is allowed.
    let provider = ep::TensorRT::default().with_device_id(gpu as i32).with_fp16(half(model, device));
    let Some(cache) = tensorrt_cache(model, device, minor) else { return provider };
    provider
        .with_engine_cache(true)
        .with_engine_cache_path(&cache)
        .with_timing_cache(true)
        .with_timing_cache_path(&cache)
}

fn half(model: &Model, device: Device) -> bool {
    device.options.contains(DeviceOption::Fp16) || model.metadata().precision == Precision::Fp16
}

/// The folder of TensorRT's caches; none where it cannot be made or its name is no plain text.
///
/// A cached engine only fits what it was built from and for. ONNX Runtime names its file by the inputs and nodes of the
/// graph, but not by their shapes or weights, and so would take the engine of another batch, size or export, and fail
/// or compute something else. So the folder's name holds the model's bytes, the precision, the versions and the GPUs.
pub fn tensorrt_cache(model: &Model, device: Device, minor: u32) -> Option<String> {
    let folder = library::cache()?.join("tensorrt").join(cache_key(model, device, minor));
    fs::create_dir_all(&folder).ok()?;
    folder.into_os_string().into_string().ok().filter(|path| !path.contains('\0'))
}

fn cache_key(model: &Model, device: Device, minor: u32) -> PathBuf {
    let bytes: String = Sha256::digest(model.bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let precision = if half(model, device) { "fp16" } else { "fp32" };
    let versions = format!("ort-1.{minor}-{}", gpu::tensorrt_version().unwrap_or_else(|| "nvinfer".to_owned()));
    let gpus = if gpu::names().is_empty() { "gpu".to_owned() } else { gpu::names().join("-") };
    let parts = [bytes, precision.to_owned(), versions, gpus];
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    parts.join("_").chars().map(|c| if c == '_' { c } else { plain(c) }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::HashSet;

    use lrnnet_graph::onnx::Opset;
    use lrnnet_graph::{Config, Form, InputSize, Network, Origin, Settings, synthetic};

    use super::*;

    fn export(batch: usize, width: usize, exporter: &str) -> Model {
        let settings = Settings { size: InputSize::Static { batch, height: 64, width }, ..Settings::camvid() };
        let network = Network::new(Config::new(settings).unwrap());
        let weights = synthetic::weights(&network);
        let origin = Origin { weights_sha256: "0123456789abcdef".into(), exporter: exporter.into() };
        let bytes = network.bind(weights).unwrap().rewrite(Form::DEPLOY).unwrap().to_onnx(Opset::default(), &origin);
        Model::from_bytes("test", Cow::Owned(bytes)).unwrap()
    }

    #[test]
    fn what_needs_another_engine_has_another_folder() {
        let model = export(1, 128, "1");
        let plain = Device::tensorrt(0);
        let half = plain.with(DeviceOption::Fp16);
        let keys = [
            ("a model", cache_key(&model, plain, 31)),
            ("float16", cache_key(&model, half, 31)),
            ("another version", cache_key(&model, plain, 32)),
            // All of one weight file.
            ("another batch", cache_key(&export(8, 128, "1"), plain, 31)),
            ("another size", cache_key(&export(1, 64, "1"), plain, 31)),
            ("another exporter", cache_key(&export(1, 128, "2"), plain, 31)),
        ];
        let different: HashSet<_> = keys.iter().map(|(_, key)| key).collect();
        assert_eq!(different.len(), keys.len(), "{keys:#?}");
        assert_eq!(keys[0].1, cache_key(&export(1, 128, "1"), plain, 31));
        for (_, key) in &keys {
            let text = key.to_str().unwrap();
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{text}");
        }
    }
}
