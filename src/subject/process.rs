//! A process of an engine: its group, its end, its last words. Knows nothing of what it serves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{self, Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid,
};

use crate::build_info::sha256_hex;

use super::environment;
use super::{Launch, SubjectError};

/// What is kept of standard error.
const TAIL_BYTES: usize = 16 << 10;

/// How long an engine whose output has ended is given to end itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long is waited for what an engine that has ended wrote to standard error. A process that it left behind may
/// keep that open.
const HEARING: Duration = Duration::from_millis(200);

/// An engine's process. Dropping it kills its whole group.
pub(super) struct Process {
    pub child: Child,
    tail: Arc<Mutex<Vec<u8>>>,
    /// Disconnected once standard error has been read to its end.
    heard_out: Receiver<()>,
}

/// Standard input and output of a process to be started.
pub(super) struct Ends {
    pub input: Stdio,
    pub output: Stdio,
}

impl Process {
    /// Starts `program` in a clean environment, at the root directory, in a process group of its own.
    pub fn start(
        program: &Path,
        arguments: &[String],
        ends: Ends,
    ) -> Result<(Self, Launch), SubjectError> {
        let launch = Launch {
            // Links are kept: what a program does may depend on the name that it is called by.
            program: path::absolute(program).map_err(|cause| cannot_start(program, cause))?,
            program_sha256: digest(program)?,
            arguments: arguments.to_vec(),
            environment: environment::clean(),
            name: String::new(),
        };
        let mut child = command(&launch.program, arguments, &launch.environment)
            .stdin(ends.input)
            .stdout(ends.output)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| cannot_start(program, cause))?;
        let tail = Arc::default();
        let (hearing, heard_out) = channel();
        if let Some(stderr) = child.stderr.take() {
            let tail = Arc::clone(&tail);
            thread::spawn(move || {
                let _hearing = hearing;
                keep_tail(stderr, &tail);
            });
        }
        let process = Process {
            child,
            tail,
            heard_out,
        };
        Ok((process, launch))
    }

    /// Ends every process of the group.
    pub fn kill(&self) {
        // The leader is not reaped before `drop`, so the number cannot have passed to another group. The group may
        // be gone, which is as well.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    /// What it means that the output has ended while `during` was awaited.
    pub fn end(&self, during: &'static str) -> SubjectError {
        let status = self.status_within(FAREWELL);
        if status.is_some() {
            let _ = self.heard_out.recv_timeout(HEARING);
        }
        let last_words = self.last_words();
        match status.as_ref().and_then(WaitIdStatus::terminating_signal) {
            Some(signal) => SubjectError::Crashed {
                during,
                signal,
                last_words,
            },
            None => SubjectError::Ended {
                during,
                code: status.and_then(|status| status.exit_status()),
                last_words,
            },
        }
    }

    /// How it ended, if it does so in time. It is not reaped: its number stays its own.
    pub fn status_within(&self, limit: Duration) -> Option<WaitIdStatus> {
        let begin = Instant::now();
        loop {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let pid = Pid::from_child(&self.child);
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) if begin.elapsed() < limit => thread::sleep(Duration::from_millis(2)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }

    /// The last line of standard error that says something, without control characters.
    pub fn last_words(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail);
        // A Rust program that panics says last how to have it say more.
        let last = text
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !line.starts_with("note: "));
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        last.unwrap_or_default()
            .chars()
            .take(300)
            .map(plain)
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

fn command(
    program: &Path,
    arguments: &[String],
    environment: &BTreeMap<String, String>,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .process_group(0);
    command
}

pub(super) fn cannot_start(path: &Path, cause: io::Error) -> SubjectError {
    SubjectError::Start {
        program: path.to_owned(),
        cause,
    }
}

/// The path of a file that is there, as an engine finds it from the root directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, SubjectError> {
    path.canonicalize()
        .map_err(|cause| cannot_start(path, cause))
}

fn digest(program: &Path) -> Result<String, SubjectError> {
    // A pipe or a device may have no end.
    let bytes = fs::metadata(program)
        .and_then(|metadata| match metadata.is_file() {
            true => fs::read(program),
            false => Err(io::Error::other("not a regular file")),
        })
        .map_err(|cause| cannot_start(program, cause))?;
    Ok(sha256_hex(&bytes))
}

fn keep_tail(mut stderr: ChildStderr, tail: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[..read]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
    }
}
