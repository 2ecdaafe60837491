//! Which execution provider ran which nodes, from ONNX Runtime's profile of a run.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use super::super::{Placement, RuntimeCause};

/// An event of a profile, of which there are more kinds than are needed here.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    provider: Option<String>,
}

/// Reads the profile at `path`.
pub fn read(path: &str) -> Result<Placement, RuntimeCause> {
    parse(&fs::read_to_string(path)?)
}

/// Counts nodes by provider. A node has an event for each time it ran.
fn parse(profile: &str) -> Result<Placement, RuntimeCause> {
    let events: Vec<Event> = serde_json::from_str(profile)?;
    let mut nodes = BTreeMap::new();
    for event in events.into_iter().filter(|event| event.cat == "Node" && event.name.ends_with("_kernel_time")) {
        if let Some(provider) = event.args.provider {
            nodes.insert(event.name, provider);
        }
    }
    let mut placement = Placement::new();
    for provider in nodes.into_values() {
        *placement.entry(provider).or_default() += 1;
    }
    if placement.is_empty() { Err("ONNX Runtime's profile names no node".into()) } else { Ok(placement) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_once_by_the_provider_that_ran_them() {
        let profile = r#"[
            {"cat": "Session", "name": "model_run", "args": {}},
            {"cat": "Node", "name": "a_fence_before", "args": {"op_name": "Conv"}},
            {"cat": "Node", "name": "a_kernel_time", "args": {"op_name": "Conv", "provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "b_kernel_time", "args": {"op_name": "Conv", "provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "c_kernel_time", "args": {"op_name": "Cast", "provider": "CPUExecutionProvider"}},
            {"cat": "Node", "name": "a_kernel_time", "args": {"op_name": "Conv", "provider": "CUDAExecutionProvider"}}
        ]"#;
        let expected = [("CPUExecutionProvider".to_owned(), 1), ("CUDAExecutionProvider".to_owned(), 2)];
        assert_eq!(parse(profile).unwrap(), Placement::from(expected));
    }

    #[test]
    fn what_is_no_profile_is_an_error() {
        for text in ["", "{}", "[", "[]", r#"[{"cat": "Session"}]"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
