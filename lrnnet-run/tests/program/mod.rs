//! The program under test.

use std::process::{Command, Stdio};

/// Variables that would change what the program does or says: libraries to load, where to look for them, colours.
/// `LRNNET_HOME` stays, since the tests look for ONNX Runtime where the program does.
const OF_THE_USER: [&str; 9] = [
    "ORT_DYLIB_PATH",
    "ORT_LOG",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "RUST_LOG",
];

/// The program, free of what this machine's user has set.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrnnet-run"));
    clear(&mut command);
    command
}

/// Takes from `command` what this machine's user has set.
pub fn clear(command: &mut Command) {
    OF_THE_USER.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command.stdin(Stdio::null());
}
