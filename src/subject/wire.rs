//! Both directions of the protocol to an engine's process: requests out, stamped replies in. Knows no order of them.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{ProtocolError, Reply, Request};
use crate::telemetry::SessionClock;

use super::process::{Ends, Process, cannot_start};
use super::stamped::Stamped;
use super::{Launch, SubjectError};

/// How often an interrupt is looked for while an answer is awaited.
const GLANCE: Duration = Duration::from_millis(100);

/// Frames that may wait to be looked at; an engine that sends more, unasked, waits itself.
const WAITING_FRAMES: usize = 4096;

/// An engine's process and the frames to and from it.
pub(super) struct Wire {
    process: Process,
    requests: UnixStream,
    replies: Receiver<Arrival>,
    clock: SessionClock,
    /// Longest time that the engine may take to accept requests.
    patience: Duration,
    /// When the last request was about to be sent.
    sent_ns: u64,
}

/// A frame, or why there is none, with the time of its last byte.
struct Arrival {
    at_ns: u64,
    frame: Result<Option<Reply>, ProtocolError>,
}

impl Wire {
    /// Starts an engine.
    pub fn start(
        program: &Path,
        arguments: &[String],
        clock: SessionClock,
        patience: Duration,
    ) -> Result<(Self, Launch), SubjectError> {
        let failed = |cause| cannot_start(program, cause);
        // A socket takes a limit on how long a write may last, which a pipe does not.
        let (requests, input) = UnixStream::pair().map_err(failed)?;
        requests.set_write_timeout(Some(patience)).map_err(failed)?;
        let ends = Ends {
            input: Stdio::from(OwnedFd::from(input)),
            output: Stdio::piped(),
        };
        let (mut process, launch) = Process::start(program, arguments, ends)?;
        let (sender, replies) = sync_channel(WAITING_FRAMES);
        if let Some(stdout) = process.child.stdout.take() {
            thread::spawn(move || read_replies(stdout, clock, &sender));
        }
        let wire = Wire {
            process,
            requests,
            replies,
            clock,
            patience,
            sent_ns: 0,
        };
        Ok((wire, launch))
    }

    /// Writes frames in one piece and says when it began to.
    pub fn send(
        &mut self,
        requests: &[Request],
        during: &'static str,
    ) -> Result<u64, SubjectError> {
        let bytes: Result<Vec<Vec<u8>>, ProtocolError> =
            requests.iter().map(Request::bytes).collect();
        let bytes = bytes
            .map_err(|error| SubjectError::garbage(during, &error))?
            .concat();
        self.sent_ns = self.clock.now_ns();
        match self.requests.write_all(&bytes) {
            Ok(()) => Ok(self.sent_ns),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(self.hung(during, self.patience))
            }
            // It may have said why it no longer listens.
            Err(_) => Err(self
                .replies
                .try_iter()
                .find_map(|arrival| refusal(arrival.frame.ok().flatten()?, during).err())
                .unwrap_or_else(|| self.process.end(during))),
        }
    }

    /// The next frame and when it arrived; an engine's refusal is an error.
    pub fn await_reply(
        &self,
        during: &'static str,
        limit: Duration,
        interrupt: &AtomicBool,
    ) -> Result<(u64, Reply), SubjectError> {
        let begin = Instant::now();
        let arrival = loop {
            if interrupt.load(Ordering::SeqCst) {
                return Err(SubjectError::Interrupted { during });
            }
            let left = limit.saturating_sub(begin.elapsed());
            match self.replies.recv_timeout(left.min(GLANCE)) {
                Ok(arrival) => break arrival,
                Err(RecvTimeoutError::Disconnected) => return Err(self.process.end(during)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(self.hung(during, limit));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let reply = match arrival.frame {
            Ok(Some(reply)) => refusal(reply, during)?,
            // A frame that breaks off is an engine that broke off.
            Ok(None) | Err(ProtocolError::Truncated { .. } | ProtocolError::Io(_)) => {
                return Err(self.process.end(during));
            }
            Err(error) => return Err(SubjectError::garbage(during, &error)),
        };
        match self.sent_ns.saturating_sub(arrival.at_ns) {
            0 => Ok((arrival.at_ns, reply)),
            early_ns => Err(SubjectError::Early {
                found: reply.name(),
                early_ns,
            }),
        }
    }

    fn hung(&self, during: &'static str, limit: Duration) -> SubjectError {
        SubjectError::Hung {
            during,
            limit,
            last_words: self.process.last_words(),
        }
    }
}

/// An `error` frame as an error, any other as it is.
fn refusal(reply: Reply, during: &'static str) -> Result<Reply, SubjectError> {
    match reply {
        Reply::Error {
            code,
            message,
            hint,
        } => Err(SubjectError::Refused {
            during,
            code,
            message,
            hint,
        }),
        reply => Ok(reply),
    }
}

/// Reads until the stream ends or nobody listens, and notes when each frame had arrived.
fn read_replies(stdout: impl Read, clock: SessionClock, replies: &SyncSender<Arrival>) {
    let mut input = BufReader::with_capacity(1 << 16, Stamped::new(stdout, clock));
    loop {
        let frame = Reply::read(&mut input);
        let more = matches!(frame, Ok(Some(_)));
        let arrival = Arrival {
            at_ns: input.get_ref().arrived_ns(),
            frame,
        };
        if replies.send(arrival).is_err() || !more {
            return;
        }
    }
}
