//! What an engine answers.

use std::collections::BTreeMap;
use std::io::Read;

use super::ProtocolError;
use super::fields::{Fields, fit_text, push_short};
use super::frame::{Frame, MOST_REPLY_BYTES};
use super::stages::Stages;

/// Expert ids behind one token, \[layers\]\[top_k\], in each layer sorted by falling router probability.
pub type Routing = Vec<Vec<u16>>;

/// What an engine says of itself, by name. Stored, never scored.
pub type Statistics = BTreeMap<String, String>;

/// Most bytes of an engine's name, and of each of the two texts of an error.
const MOST_TEXT_BYTES: usize = 4096;

/// A frame from the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Answers `Request::Hello`.
    Hello {
        /// The version that the engine speaks.
        version: u16,
        /// Its name and version, for people.
        name: String,
        /// What it offers that no engine needs to, by the names of [`Offer`] and any others, of `a`-`z` and `_`.
        offers: Vec<String>,
    },
    /// Answers `Request::Load`.
    Loaded(Loaded),
    /// All that was asked for has been done.
    Done {
        /// Tokens in the context.
        position: u32,
    },
    /// One token of a decode.
    Token {
        /// The token chosen.
        id: u32,
        /// The experts of the forward pass that chose it, where they were asked for; empty otherwise.
        routing: Routing,
    },
    /// Answers `Request::Statistics`.
    Statistics(Statistics),
    /// Answers `Request::Stages`.
    Stages(Stages),
    /// What was asked for cannot be done; the engine exits.
    Error {
        /// What kind of failure it was.
        code: ErrorCode,
        /// One line: what was expected, what was found.
        message: String,
        /// The next step; empty where there is none.
        hint: String,
    },
}

/// What an engine may offer in its greeting, beyond what every engine does. It holds where the engine runs on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// `Request::Fill`.
    Fill,
    /// `Request::Stages`.
    Stages,
}

impl Offer {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Fill, Self::Stages];

    /// The word in the greeting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Stages => "stages",
        }
    }
}

/// The model that an engine has loaded, in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Number of tokens that the model knows.
    pub vocabulary: u32,
    /// Most tokens that the context may hold.
    pub context: u32,
    /// Layers, each with a router.
    pub layers: u16,
    /// Routed experts of a layer.
    pub experts: u16,
    /// Experts that a token uses.
    pub experts_used: u16,
}

/// What kind of failure an engine reports; the number is also its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// A bug, or something that no other code names.
    Unexpected = 1,
    /// The request or the model file is wrong.
    Request = 2,
    /// The device, its driver or its kernels are unavailable.
    Device = 4,
    /// Out of memory.
    Memory = 8,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 4] = [Self::Unexpected, Self::Request, Self::Device, Self::Memory];

    /// The number in the frame, and the engine's exit code.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl Reply {
    /// The next reply; none if the stream has ended before it.
    ///
    /// # Errors
    ///
    /// Whatever is no reply: garbage never panics and never makes room for more than a frame may hold.
    pub fn read(input: &mut impl Read) -> Result<Option<Self>, ProtocolError> {
        let frame = Frame::read(input, MOST_REPLY_BYTES)?;
        frame.map(|frame| Self::decode(&frame)).transpose()
    }

    /// An error whose texts fit a frame.
    pub fn error(code: ErrorCode, message: &str, hint: Option<&str>) -> Self {
        Reply::Error {
            code,
            message: fit_text(message, MOST_TEXT_BYTES),
            hint: fit_text(hint.unwrap_or_default(), MOST_TEXT_BYTES),
        }
    }

    /// The bytes of its frame.
    ///
    /// # Errors
    ///
    /// `Field` or `TooLong` for what no frame can carry.
    pub fn bytes(&self) -> Result<Vec<u8>, ProtocolError> {
        let mut payload = Vec::new();
        match self {
            Reply::Hello {
                version,
                name,
                offers,
            } => {
                payload.extend(version.to_le_bytes());
                payload.extend(name.as_bytes());
                if !offers.is_empty() {
                    payload.push(b'\n');
                    payload.extend(offers.join(" ").as_bytes());
                }
            }
            Reply::Loaded(loaded) => {
                payload.extend(loaded.vocabulary.to_le_bytes());
                payload.extend(loaded.context.to_le_bytes());
                payload.extend(loaded.layers.to_le_bytes());
                payload.extend(loaded.experts.to_le_bytes());
                payload.extend(loaded.experts_used.to_le_bytes());
            }
            Reply::Done { position } => payload.extend(position.to_le_bytes()),
            Reply::Token { id, routing } => push_token(&mut payload, *id, routing)?,
            Reply::Statistics(entries) => {
                let line = |(name, value): (&String, &String)| format!("{name}={value}\n");
                let lines: String = entries.iter().map(line).collect();
                payload.extend(lines.as_bytes());
            }
            Reply::Stages(stages) => stages.push(&mut payload)?,
            Reply::Error {
                code,
                message,
                hint,
            } => {
                payload.extend((*code as u16).to_le_bytes());
                push_short(&mut payload, "error", "a message", message.as_bytes())?;
                payload.extend(hint.as_bytes());
            }
        }
        let frame = Frame {
            kind: self.kind(),
            payload,
        };
        let bytes = frame.bytes(MOST_REPLY_BYTES)?;
        match Self::decode(&frame)? == *self {
            true => Ok(bytes),
            false => Err(ProtocolError::Field {
                frame: self.name(),
                expected: "what reads as it was meant",
                found: format!("{self:?}"),
            }),
        }
    }

    /// The frame's name in the documentation and in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Reply::Hello { .. } => "hello",
            Reply::Loaded(_) => "loaded",
            Reply::Done { .. } => "done",
            Reply::Token { .. } => "token",
            Reply::Statistics(_) => "stats",
            Reply::Stages(_) => "stages",
            Reply::Error { .. } => "error",
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Reply::Hello { .. } => 0x81,
            Reply::Loaded(_) => 0x82,
            Reply::Done { .. } => 0x83,
            Reply::Token { .. } => 0x84,
            Reply::Statistics(_) => 0x85,
            Reply::Error { .. } => 0x86,
            Reply::Stages(_) => 0x87,
        }
    }

    fn decode(frame: &Frame) -> Result<Self, ProtocolError> {
        let layout = match frame.kind {
            0x81 => hello,
            0x82 => loaded,
            0x83 => done,
            0x84 => token,
            0x85 => statistics,
            0x86 => error,
            0x87 => return Stages::read(&frame.payload).map(Reply::Stages),
            found => {
                return Err(ProtocolError::Kind {
                    expected: "a reply of kind 0x81 to 0x87",
                    found,
                });
            }
        };
        layout(&frame.payload)
    }
}

fn hello(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut fields = Fields::of("hello", payload);
    let version = fields.u16("a version")?;
    let rest = fields.rest();
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (name, offers) = match end {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    };
    let name = bounded_text(&fields, "a name of at most 4096 bytes", name)?;
    let offers = match offers {
        Some(words) => offered(&fields, words)?,
        None => Vec::new(),
    };
    Ok(Reply::Hello {
        version,
        name,
        offers,
    })
}

fn offered(fields: &Fields, words: &[u8]) -> Result<Vec<String>, ProtocolError> {
    let words = bounded_text(fields, "offers of at most 4096 bytes", words)?;
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
    match words.split(' ').all(is_word) {
        true => Ok(words.split(' ').map(str::to_owned).collect()),
        false => Err(fields.wrong("words of a-z and _ with one space between", words)),
    }
}

fn loaded(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut fields = Fields::of("loaded", payload);
    let loaded = Loaded {
        vocabulary: fields.u32("a vocabulary")?,
        context: fields.u32("a context")?,
        layers: fields.u16("a number of layers")?,
        experts: fields.u16("a number of experts")?,
        experts_used: fields.u16("a number of experts used")?,
    };
    fields.end()?;
    Ok(Reply::Loaded(loaded))
}

fn done(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut fields = Fields::of("done", payload);
    let position = fields.u32("a position")?;
    fields.end()?;
    Ok(Reply::Done { position })
}

fn token(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut fields = Fields::of("token", payload);
    let id = fields.u32("an id")?;
    if fields.is_empty() {
        let routing = Routing::new();
        return Ok(Reply::Token { id, routing });
    }
    let layers = usize::from(fields.u16("a number of layers")?);
    let experts_used = usize::from(fields.u16("a number of experts used")?);
    let experts = fields.rest_u16("expert ids of 2 bytes")?;
    if layers == 0 || experts_used == 0 || experts.len() != layers * experts_used {
        let found = format!("{} of {layers} x {experts_used}", experts.len());
        return Err(fields.wrong("expert ids, layers x experts used", found));
    }
    let routing = experts.chunks(experts_used).map(<[u16]>::to_vec).collect();
    Ok(Reply::Token { id, routing })
}

fn push_token(payload: &mut Vec<u8>, id: u32, routing: &Routing) -> Result<(), ProtocolError> {
    payload.extend(id.to_le_bytes());
    let Some(first) = routing.first() else {
        return Ok(());
    };
    let wrong = |found: String| ProtocolError::Field {
        frame: "token",
        expected: "as many expert ids in each layer",
        found,
    };
    if let Some(other) = routing.iter().find(|layer| layer.len() != first.len()) {
        return Err(wrong(format!("{} and {}", first.len(), other.len())));
    }
    for length in [routing.len(), first.len()] {
        let length = u16::try_from(length).map_err(|_| wrong(length.to_string()))?;
        payload.extend(length.to_le_bytes());
    }
    payload.extend(routing.iter().flatten().flat_map(|id| id.to_le_bytes()));
    Ok(())
}

fn statistics(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut entries = Statistics::new();
    let fields = Fields::of("stats", payload);
    let lines = payload.strip_suffix(b"\n").unwrap_or(payload);
    for line in lines.split(|byte| *byte == b'\n') {
        if payload.is_empty() {
            break;
        }
        let line = fields.text("lines of text", line)?;
        let entry = line.split_once('=').filter(|(name, _)| is_name(name));
        let Some((name, value)) = entry else {
            return Err(fields.wrong("name=value, the name of a-z, 0-9, _ and .", line));
        };
        if entries.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(fields.wrong("each name once", name));
        }
    }
    Ok(Reply::Statistics(entries))
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
    !name.is_empty() && name.bytes().all(allowed)
}

fn error(payload: &[u8]) -> Result<Reply, ProtocolError> {
    let mut fields = Fields::of("error", payload);
    let code = fields.u16("a code")?;
    let code = ErrorCode::ALL
        .into_iter()
        .find(|known| *known as u16 == code)
        .ok_or_else(|| fields.wrong("a code of 1, 2, 4 or 8", code.to_string()))?;
    let message = fields.short("a message")?;
    let hint = fields.rest();
    Ok(Reply::Error {
        code,
        message: bounded_text(&fields, "a message of at most 4096 bytes", message)?,
        hint: bounded_text(&fields, "a hint of at most 4096 bytes", hint)?,
    })
}

fn bounded_text(
    fields: &Fields,
    what: &'static str,
    bytes: &[u8],
) -> Result<String, ProtocolError> {
    match bytes.len() {
        0..=MOST_TEXT_BYTES => fields.text(what, bytes),
        longer => Err(fields.wrong(what, format!("{longer} bytes"))),
    }
}
