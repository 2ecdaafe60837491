//! The programs `ffmpeg` and `ffprobe`: found, started, and what they say.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use lrnnet_run::Size;

/// Bytes that are kept of what a program says.
const KEPT: usize = 2000;

/// Why ffmpeg does not do what is wanted.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    #[error("{program} was not found; containers, codecs, cameras and network streams need it (version 5.1 or later)")]
    Missing { program: &'static str },
    #[error("cannot start {program}")]
    Start {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{program} failed ({status}){}", said_of(said))]
    Failed { program: &'static str, status: ExitStatus, said: String },
    #[error("ffprobe's answer about {place} cannot be read")]
    Answer {
        place: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the frames do not stay at {from}; a stream has one size")]
    SizeChanged { from: Size },
    #[error("{place} has no video")]
    NoVideo { place: String },
}

fn said_of(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// A program that runs; it ends with this.
pub struct Running {
    program: &'static str,
    child: Child,
    said: Option<JoinHandle<String>>,
}

/// Starts `program` quietly, in a process group of its own: Ctrl-C is for us to pass on.
pub fn start(program: &'static str, args: &[OsString], stdin: Stdio, stdout: Stdio) -> Result<Running, FfmpegError> {
    let mut command = Command::new(program);
    command.args(["-v", "error"]).args(args).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FfmpegError::Missing { program },
        _ => FfmpegError::Start { program, source },
    })?;
    let said = child.stderr.take().map(|stderr| thread::spawn(|| end_of(stderr)));
    Ok(Running { program, child, said })
}

/// The end of what a program says, read on and on so that it never waits for a reader.
fn end_of(mut stderr: ChildStderr) -> String {
    let (mut end, mut chunk) = (vec![], [0; 1024]);
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        end.extend_from_slice(&chunk[..read]);
        end.drain(..end.len().saturating_sub(KEPT));
    }
    String::from_utf8_lossy(&end).trim().to_owned()
}

impl Running {
    /// The program's pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the end of the program, which must be success. Gives what it complained of nevertheless.
    pub fn wait(&mut self) -> Result<String, FfmpegError> {
        drop(self.child.stdin.take());
        let program = self.program;
        let status = self.child.wait().map_err(|source| FfmpegError::Start { program, source })?;
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        if status.success() { Ok(said) } else { Err(FfmpegError::Failed { program, status, said }) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already, or cannot be ended, is no concern of ours any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs ffmpeg to its end.
pub fn run(args: &[OsString]) -> Result<String, FfmpegError> {
    start("ffmpeg", args, Stdio::null(), Stdio::null())?.wait()
}

/// Whether ffmpeg has the encoder `name`.
pub fn has_encoder(name: &str) -> Result<bool, FfmpegError> {
    let args = ["-encoders".into()];
    let mut running = start("ffmpeg", &args, Stdio::null(), Stdio::piped())?;
    let mut list = String::new();
    if let Some(mut stdout) = running.child().stdout.take() {
        let _ = stdout.read_to_string(&mut list);
    }
    running.wait()?;
    Ok(list.split_ascii_whitespace().any(|word| word == name))
}

/// Arguments from words.
pub fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// A file's name that ffmpeg takes for nothing else.
pub fn file(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}
