//! `run-rten MODEL FEED RESULT`: runs an ONNX file on the tensors of one .safetensors file, and puts its outputs into
//! another.

use std::error::Error;
use std::path::Path;

use rten::{Model, Value};
use rten_tensor::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Name, type, shape and values of an output.
type Output = (String, Dtype, Vec<usize>, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, feed, result] = args.as_slice() else {
        return Err("usage: run-rten MODEL.onnx FEED.safetensors RESULT.safetensors".into());
    };
    let model = Model::load_file(model)?;
    let feed = std::fs::read(feed)?;
    let inputs = SafeTensors::deserialize(&feed)?;
    let inputs = inputs.iter().map(|(name, tensor)| Ok((model.node_id(name)?, value(&tensor)?.into())));
    let inputs = inputs.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let values = model.run(inputs, model.output_ids(), None)?;
    let names =
        model.output_ids().iter().map(|&id| model.node_info(id).and_then(|node| node.name()).unwrap_or_default());
    let outputs = names.zip(values).map(|(name, value)| output(name, value)).collect::<Result<Vec<_>, _>>()?;
    let views = outputs.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize_to_file(views, None, Path::new(result))?;
    Ok(())
}

fn value(tensor: &TensorView<'_>) -> Result<Value, Box<dyn Error>> {
    let (shape, data) = (tensor.shape(), tensor.data());
    match tensor.dtype() {
        Dtype::U8 => Ok(Value::from_shape(shape, data.to_vec())?),
        Dtype::F32 => {
            let (floats, _) = data.as_chunks::<4>();
            Ok(Value::from_shape(shape, floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())?)
        }
        other => Err(format!("an input of {other:?}; expected U8 or F32").into()),
    }
}

fn output(name: &str, value: Value) -> Result<Output, Box<dyn Error>> {
    let name = name.to_owned();
    match value {
        Value::UInt8Tensor(tensor) => Ok((name, Dtype::U8, tensor.shape().to_vec(), tensor.to_vec())),
        Value::FloatTensor(tensor) => {
            let bytes = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
            Ok((name, Dtype::F32, tensor.shape().to_vec(), bytes))
        }
        other => Err(format!("`{name}` is of {:?}; expected bytes or floats", other.dtype()).into()),
    }
}
