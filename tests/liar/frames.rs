//! Lies in the stream of frames: each write is one frame, and what is done to it depends on the lie.

use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use sparkbench::protocol::Reply;

/// The token at which failures begin, counted from 1.
const FATAL: usize = 3;

pub struct Frames {
    lie: String,
    output: File,
    tokens: usize,
    held: Vec<Vec<u8>>,
}

impl Frames {
    pub fn new(lie: &str, output: File) -> Self {
        Frames {
            lie: lie.to_owned(),
            output,
            tokens: 0,
            held: Vec::new(),
        }
    }

    fn token(&mut self, id: u32, frame: &[u8]) -> io::Result<()> {
        self.tokens += 1;
        let fatal = self.tokens == FATAL;
        match self.lie.as_str() {
            "crash" if fatal => {
                eprintln!("about to crash\n");
                std::process::abort();
            }
            "exit" if fatal => {
                eprintln!("no more tokens");
                std::process::exit(0);
            }
            "killed" if fatal => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
                Ok(())
            }
            "hang" if fatal => loop {
                thread::sleep(Duration::from_secs(60));
            },
            "garbage" if fatal => self.output.write_all(b"decoding token 3...\n"),
            "half_a_frame" if fatal => {
                self.output.write_all(&frame[..frame.len() - 1])?;
                std::process::exit(0);
            }
            "wrong_id" if fatal => {
                let routing = Vec::new();
                let wrong = Reply::Token {
                    id: u32::MAX - id,
                    routing,
                };
                self.output
                    .write_all(&wrong.bytes().map_err(io::Error::other)?)
            }
            "too_few_tokens" if fatal => Ok(()),
            // Nothing until all has been computed, then one after another.
            "burst" => {
                self.held.push(frame.to_owned());
                Ok(())
            }
            // Four at a time.
            "by_fours" => {
                self.held.push(frame.to_owned());
                match self.held.len() {
                    4 => self.let_go(),
                    _ => Ok(()),
                }
            }
            _ => self.output.write_all(frame),
        }
    }

    fn let_go(&mut self) -> io::Result<()> {
        for frame in self.held.drain(..) {
            self.output.write_all(&frame)?;
        }
        Ok(())
    }
}

impl Write for Frames {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        match Reply::read(&mut &frame[..]) {
            Ok(Some(Reply::Token { id, .. })) => self.token(id, frame)?,
            Ok(Some(Reply::Done { .. })) => {
                let decoded = std::mem::take(&mut self.tokens);
                if self.lie == "burst" && decoded > 0 {
                    thread::sleep(Duration::from_millis(100));
                }
                self.let_go()?;
                if self.lie == "too_many_tokens" && decoded > 0 {
                    let (id, routing) = (1, Vec::new());
                    let more = Reply::Token { id, routing };
                    self.output
                        .write_all(&more.bytes().map_err(io::Error::other)?)?;
                }
                self.output.write_all(frame)?;
            }
            Ok(Some(Reply::Hello { .. })) if self.lie == "chatty" => {
                self.output.write_all(b"Hello, harness\n")?;
            }
            Ok(Some(Reply::Hello { .. })) if self.lie == "mute" => {}
            Ok(Some(Reply::Hello { name, offers, .. })) if self.lie == "next_version" => {
                let version = 2;
                let hello = Reply::Hello {
                    version,
                    name,
                    offers,
                };
                self.output
                    .write_all(&hello.bytes().map_err(io::Error::other)?)?;
            }
            Ok(Some(Reply::Loaded(mut loaded))) if self.lie == "other_shape" => {
                loaded.experts_used /= 2;
                let bytes = Reply::Loaded(loaded).bytes().map_err(io::Error::other)?;
                self.output.write_all(&bytes)?;
            }
            // Answers before anybody has asked.
            Ok(Some(Reply::Loaded(_))) if self.lie == "early" => {
                let mut frames = frame.to_vec();
                for position in [0, 5] {
                    let done = Reply::Done { position };
                    frames.extend(done.bytes().map_err(io::Error::other)?);
                }
                self.output.write_all(&frames)?;
            }
            _ => self.output.write_all(frame)?,
        }
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
