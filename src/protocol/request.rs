//! What the harness asks of an engine.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::ProtocolError;
use super::fields::{Fields, push_short};
use super::frame::{Frame, MOST_IDS, MOST_REQUEST_BYTES};

/// A frame to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Opens the session; answered by `Reply::Hello`.
    Hello {
        /// The version that the harness speaks.
        version: u16,
    },
    /// Opens a model; answered by `Reply::Loaded`.
    Load {
        /// Most tokens that the context will hold.
        context: u32,
        /// Where it is to run: `cpu` or `cuda`.
        device: String,
        /// The GGUF file.
        path: PathBuf,
    },
    /// Appends ids to the context; answered by `Reply::Done`.
    Prefill {
        /// Token ids, at least one.
        ids: Vec<u32>,
    },
    /// Chooses tokens greedily; answered by as many `Reply::Token`, then `Reply::Done`.
    Decode {
        /// Tokens to choose, at least one.
        tokens: u32,
        /// Those whose frames carry the routing, counted from 0, rising.
        traced: Vec<u32>,
    },
    /// Makes an empty context one of so many tokens that nobody sent: keys, values and state made up, finite, the same each
    /// time. Only for engines that offer it; answered by `Reply::Done`.
    Fill {
        /// Tokens in the context afterwards, at least one.
        tokens: u32,
    },
    /// Asks how long each part of the model takes of a token; the context is empty afterwards. Only for engines that offer
    /// it; answered by `Reply::Stages`.
    Stages {
        /// Tokens in front of that token, made up as by `Fill`.
        position: u32,
    },
    /// Forgets all tokens; answered by `Reply::Done`.
    Reset,
    /// Asks for what the engine has to say of itself; answered by `Reply::Statistics`.
    Statistics,
    /// Ends the session; the engine exits.
    Stop,
}

impl Request {
    /// The next request; none if the stream has ended before it.
    ///
    /// # Errors
    ///
    /// Whatever is no request: garbage never panics and never makes room for more than a frame may hold.
    pub fn read(input: &mut impl Read) -> Result<Option<Self>, ProtocolError> {
        let frame = Frame::read(input, MOST_REQUEST_BYTES)?;
        frame.map(|frame| Self::decode(&frame)).transpose()
    }

    /// The bytes of its frame.
    ///
    /// # Errors
    ///
    /// `Field` or `TooLong` for what no frame can carry.
    pub fn bytes(&self) -> Result<Vec<u8>, ProtocolError> {
        let mut payload = Vec::new();
        match self {
            Request::Hello { version } => payload.extend(version.to_le_bytes()),
            Request::Load {
                context,
                device,
                path,
            } => {
                payload.extend(context.to_le_bytes());
                push_short(&mut payload, self.name(), "a device", device.as_bytes())?;
                let path = path.as_os_str().as_bytes();
                push_short(&mut payload, self.name(), "a path", path)?;
            }
            Request::Prefill { ids } => payload.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
            Request::Decode { tokens, traced } => {
                payload.extend(tokens.to_le_bytes());
                payload.extend(traced.iter().flat_map(|step| step.to_le_bytes()));
            }
            Request::Fill { tokens: number } | Request::Stages { position: number } => {
                payload.extend(number.to_le_bytes());
            }
            Request::Reset | Request::Statistics | Request::Stop => {}
        }
        let kind = self.kind();
        let frame = Frame { kind, payload };
        Self::decode(&frame)?;
        frame.bytes(MOST_REQUEST_BYTES)
    }

    /// The frame's name in the documentation and in errors.
    pub fn name(&self) -> &'static str {
        NAMES[usize::from(self.kind() - 1)]
    }

    fn kind(&self) -> u8 {
        match self {
            Request::Hello { .. } => 1,
            Request::Load { .. } => 2,
            Request::Prefill { .. } => 3,
            Request::Decode { .. } => 4,
            Request::Reset => 5,
            Request::Statistics => 6,
            Request::Stop => 7,
            Request::Fill { .. } => 8,
            Request::Stages { .. } => 9,
        }
    }

    fn decode(frame: &Frame) -> Result<Self, ProtocolError> {
        let name = usize::from(frame.kind)
            .checked_sub(1)
            .and_then(|index| NAMES.get(index))
            .ok_or(ProtocolError::Kind {
                expected: "a request of kind 0x01 to 0x09",
                found: frame.kind,
            })?;
        let mut fields = Fields::of(name, &frame.payload);
        let request = match frame.kind {
            1 => Request::Hello {
                version: fields.u16("a version")?,
            },
            2 => load(&mut fields)?,
            3 => prefill(&mut fields)?,
            4 => decode(&mut fields)?,
            5 => Request::Reset,
            6 => Request::Statistics,
            7 => Request::Stop,
            8 => Request::Fill {
                tokens: match fields.u32("a number of tokens")? {
                    0 => return Err(fields.wrong("at least one token", "0")),
                    tokens => tokens,
                },
            },
            _ => Request::Stages {
                position: fields.u32("a position")?,
            },
        };
        fields.end()?;
        Ok(request)
    }
}

/// By kind, from 1.
const NAMES: [&str; 9] = [
    "hello", "load", "prefill", "decode", "reset", "stats", "stop", "fill", "stages",
];

fn load(fields: &mut Fields) -> Result<Request, ProtocolError> {
    let context = fields.u32("a context")?;
    let device = fields.short("a device")?;
    let path = fields.short("a path")?;
    if path.is_empty() || path.contains(&0) {
        let found = format!("{:?}", OsStr::from_bytes(path));
        return Err(fields.wrong("a path", found));
    }
    Ok(Request::Load {
        context,
        device: fields.text("a device", device)?,
        path: OsStr::from_bytes(path).into(),
    })
}

fn prefill(fields: &mut Fields) -> Result<Request, ProtocolError> {
    let ids = fields.rest_u32("ids of 4 bytes")?;
    if !(1..=MOST_IDS).contains(&ids.len()) {
        let found = format!("{} ids", ids.len());
        return Err(fields.wrong("1 to 1048576 ids", found));
    }
    Ok(Request::Prefill { ids })
}

fn decode(fields: &mut Fields) -> Result<Request, ProtocolError> {
    let tokens = fields.u32("a number of tokens")?;
    if !(1..=MOST_IDS as u64).contains(&u64::from(tokens)) {
        return Err(fields.wrong("1 to 1048576 tokens", tokens.to_string()));
    }
    let traced = fields.rest_u32("steps of 4 bytes")?;
    let limits = traced.iter().skip(1).chain([&tokens]);
    if let Some((step, limit)) = traced
        .iter()
        .zip(limits)
        .find(|(step, limit)| step >= limit)
    {
        let found = format!("step {step} before {limit} of {tokens} tokens");
        return Err(fields.wrong("rising steps below the number of tokens", found));
    }
    Ok(Request::Decode { tokens, traced })
}
