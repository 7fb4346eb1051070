//! As much of HTTP/1.1 as a server on loopback needs: one request per connection, its answer read as it arrives.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::telemetry::SessionClock;

use super::stamped::Stamped;

/// Most bytes of a line of the answer, and of an answer that is read as a whole.
const MOST_BYTES: u64 = 1 << 20;

/// How often an interrupt is looked for while bytes are awaited.
const GLANCE: Duration = Duration::from_millis(100);

/// An answer whose head has been read.
pub(super) struct Answer<'a> {
    /// Status code.
    pub status: u16,
    input: BufReader<Stamped<Patient<'a>>>,
    framing: Framing,
}

/// How the end of the body is found.
enum Framing {
    /// Chunks; this many bytes are left of the present one, none before the first.
    Chunked { left: Option<u64> },
    /// This many bytes are left.
    Counted { left: u64 },
    /// Until the connection ends.
    Open,
}

/// A connection that waits for bytes until a deadline, or until it is interrupted.
struct Patient<'a> {
    stream: TcpStream,
    interrupt: &'a AtomicBool,
    limit: Duration,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begin = Instant::now();
        loop {
            if self.interrupt.load(Ordering::SeqCst) {
                // Not `Interrupted`, at which readers try again.
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begin.elapsed() > self.limit {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                read => return read,
            }
        }
    }
}

/// Sends a request to a server on this machine; `json` makes it a POST. Waits at most `limit` for each piece of the
/// answer.
pub(super) fn request<'a>(
    port: u16,
    path: &str,
    json: Option<&str>,
    limit: Duration,
    clock: SessionClock,
    interrupt: &'a AtomicBool,
) -> io::Result<Answer<'a>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GLANCE))?;
    stream.set_write_timeout(Some(limit))?;
    let (method, body) = json.map_or(("GET", ""), |json| ("POST", json));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let patient = Patient {
        stream,
        interrupt,
        limit,
    };
    let mut input = BufReader::new(Stamped::new(patient, clock));
    let stream = &mut input.get_mut().inner().stream;
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    Answer::read_head(input)
}

impl<'a> Answer<'a> {
    fn read_head(mut input: BufReader<Stamped<Patient<'a>>>) -> io::Result<Self> {
        let first = head_line(&mut input)?;
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok())
            .ok_or_else(|| malformed("a status line", &first))?;
        let mut framing = Framing::Open;
        loop {
            let line = head_line(&mut input)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| malformed("a header", &line))?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                    framing = Framing::Chunked { left: None };
                }
                "content-length" if matches!(framing, Framing::Open) => {
                    let left = value.parse();
                    let left = left.map_err(|_| malformed("a length", value))?;
                    framing = Framing::Counted { left };
                }
                _ => {}
            }
        }
        Ok(Answer {
            status,
            input,
            framing,
        })
    }

    /// How long is waited for each piece from here on.
    pub fn set_limit(&mut self, limit: Duration) {
        self.input.get_mut().inner().limit = limit;
    }

    /// The next line of the body without its end, and when its last byte had arrived; none behind the last.
    pub fn line(&mut self) -> io::Result<Option<(u64, String)>> {
        let mut line = Vec::new();
        loop {
            if !self.fill()? {
                return match line.is_empty() {
                    true => Ok(None),
                    false => self.finished(line),
                };
            }
            let at_hand = self.at_hand()?;
            let end = at_hand.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(at_hand.len(), |end| end + 1);
            line.extend(&at_hand[..taken]);
            self.consume(taken);
            if end.is_some() {
                return self.finished(line);
            }
            if line.len() as u64 > MOST_BYTES {
                return Err(malformed("a line of at most 1 MiB", "more"));
            }
        }
    }

    /// All that is left of the body.
    pub fn text(&mut self) -> io::Result<String> {
        let mut text = String::new();
        while let Some((_, line)) = self.line()? {
            text += &line;
            text.push('\n');
            if text.len() as u64 > MOST_BYTES {
                return Err(malformed("an answer of at most 1 MiB", "more"));
            }
        }
        Ok(text)
    }

    fn finished(&self, line: Vec<u8>) -> io::Result<Option<(u64, String)>> {
        let line =
            String::from_utf8(line).map_err(|error| malformed("UTF-8", &error.to_string()))?;
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        Ok(Some((self.input.get_ref().arrived_ns(), line)))
    }

    /// Makes sure that a byte of the body is at hand; false behind the last.
    fn fill(&mut self) -> io::Result<bool> {
        match self.framing {
            Framing::Open => return Ok(!self.input.fill_buf()?.is_empty()),
            Framing::Counted { left: 0 } => return Ok(false),
            Framing::Chunked { left: None } => self.next_chunk()?,
            Framing::Chunked { left: Some(0) } => {
                // The line end behind a chunk.
                head_line(&mut self.input)?;
                self.next_chunk()?;
            }
            Framing::Counted { .. } | Framing::Chunked { .. } => {}
        }
        if let Framing::Chunked { left: Some(0) } = self.framing {
            self.framing = Framing::Counted { left: 0 };
            return Ok(false);
        }
        match self.input.fill_buf()?.is_empty() {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(true),
        }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let line = head_line(&mut self.input)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let left = u64::from_str_radix(size, 16).map_err(|_| malformed("a chunk size", &line))?;
        self.framing = Framing::Chunked { left: Some(left) };
        Ok(())
    }

    /// What has arrived of the body already.
    fn at_hand(&mut self) -> io::Result<&[u8]> {
        let left = match self.framing {
            Framing::Chunked { left } => left.unwrap_or(0),
            Framing::Counted { left } => left,
            Framing::Open => u64::MAX,
        };
        let bytes = self.input.fill_buf()?;
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(&bytes[..count])
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        match &mut self.framing {
            Framing::Chunked { left: Some(left) } | Framing::Counted { left } => {
                *left -= count as u64;
            }
            Framing::Chunked { left: None } | Framing::Open => {}
        }
    }
}

/// A line of a head, without its end.
fn head_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.take(MOST_BYTES).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = String::from_utf8(line).map_err(|error| malformed("UTF-8", &error.to_string()))?;
    Ok(line.trim_end_matches('\r').to_owned())
}

fn malformed(expected: &str, found: &str) -> io::Error {
    let found: String = found.chars().take(80).collect();
    let message = format!("expected {expected} in an HTTP answer, found {found:?}");
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    /// Asks a server that answers with `pieces`, a moment apart, whatever is asked.
    fn ask(pieces: &'static [&'static str]) -> io::Result<(u16, String, Vec<u64>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 400];
            let read = stream.read(&mut asked).unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            String::from_utf8(asked[..read].to_vec()).unwrap()
        });
        let clock = SessionClock::start();
        let limit = Duration::from_secs(5);
        let answer = request(port, "/ask", Some("{}"), limit, clock, &GO_ON);
        let read = answer.and_then(|mut answer| {
            let (mut text, mut stamps) = (String::new(), Vec::new());
            while let Some((at_ns, line)) = answer.line()? {
                text += &line;
                text.push('|');
                stamps.push(at_ns);
            }
            Ok((answer.status, text, stamps))
        });
        let asked = server.join().unwrap();
        assert!(asked.starts_with("POST /ask HTTP/1.1\r\n"), "{asked}");
        assert!(asked.ends_with("Content-Length: 2\r\n\r\n{}"), "{asked}");
        read
    }

    #[test]
    fn chunks_are_joined_and_each_line_has_its_own_stamp() {
        let (status, text, stamps) = ask(&[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "8\r\ndata: 1\n\r\n",
            "4;ext=1\r\ndata\r\n",
            "4\r\n: 2\n\r\n0\r\n\r\n",
        ])
        .unwrap();
        assert_eq!((status, text.as_str()), (200, "data: 1|data: 2|"));
        assert!(stamps[1] - stamps[0] > 20_000_000, "{stamps:?}");
    }

    #[test]
    fn a_counted_body_and_an_open_one_end_where_they_should() {
        let counted = ask(&["HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\na\nb\ncxxx"]).unwrap();
        assert_eq!((counted.0, counted.1.as_str()), (503, "a|b|c|"));
        let open = ask(&["HTTP/1.0 200 OK\r\n\r\na\r\nb"]).unwrap();
        assert_eq!((open.0, open.1.as_str()), (200, "a|b|"));
    }

    #[test]
    fn what_is_no_http_or_breaks_off_is_an_error() {
        let broken: [&'static [&'static str]; 6] = [
            &[""],
            &["hello\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\nno header\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc\n"],
            &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
            &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc"],
        ];
        for pieces in broken {
            assert!(ask(pieces).is_err(), "{pieces:?}");
        }
    }
}
