//! What can be wrong with a GGUF file, in one line each. Knows no file name except the one that was opened.

use std::io;
use std::path::PathBuf;

use crate::quant::TensorType;

/// Why a file, its bytes or a metadata value were refused. Offsets count bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each message says what the variant and its fields are"
)]
pub enum GgufError {
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: {problem}", path.display())]
    InFile {
        path: PathBuf,
        #[source]
        problem: Box<GgufError>,
    },

    #[error("expected the magic \"GGUF\" at byte 0, found \"{}\"", found.escape_ascii())]
    NotGguf { found: [u8; 4] },
    #[error("expected a little-endian file, found big-endian version {version} at byte 4")]
    BigEndian { version: u32 },
    #[error("expected GGUF version 2 or 3 at byte 4, found {found}")]
    Version { found: u32 },
    #[error(
        "expected {needed} bytes of {what} at byte {offset}, found {left} before the end of the file"
    )]
    Truncated {
        what: &'static str,
        offset: u64,
        needed: u64,
        left: u64,
    },
    #[error("expected at most {most} {what} at byte {offset}, found {found}")]
    TooMany {
        what: &'static str,
        offset: u64,
        most: u64,
        found: u64,
    },
    #[error(
        "expected arrays nested at most {most} deep, found a deeper one in `{key}` at byte {offset}"
    )]
    TooDeep { key: String, offset: u64, most: u32 },
    #[error("expected UTF-8 in a {what} at byte {offset}, found other bytes")]
    NotUtf8 { what: &'static str, offset: u64 },
    #[error("expected a value type from 0 to 12 for `{key}` at byte {offset}, found {found}")]
    UnknownValueType {
        key: String,
        offset: u64,
        found: u32,
    },
    #[error("expected 0 or 1 for a bool of `{key}` at byte {offset}, found {found}")]
    NotBool { key: String, offset: u64, found: u8 },
    #[error("expected every key once, found `{key}` again at byte {offset}")]
    DuplicateKey { key: String, offset: u64 },
    #[error("expected a power of two up to {most} for `general.alignment`, found {found}")]
    Alignment { found: u32, most: u32 },
    #[error("expected alignment {expected} in the metadata, found {found}")]
    AlignmentDiffers { expected: u32, found: u32 },

    #[error("expected every tensor once, found `{tensor}` again at byte {offset}")]
    DuplicateTensor { tensor: String, offset: u64 },
    #[error("expected a known tensor type for `{tensor}` at byte {offset}, found id {id}")]
    UnknownTensorType {
        tensor: String,
        offset: u64,
        id: u32,
    },
    #[error("expected dimensions of at least 1 for tensor `{tensor}`, found {dims:?}")]
    EmptyDimension { tensor: String, dims: Vec<u64> },
    #[error("expected rows of whole {ty} blocks of {} elements for tensor `{tensor}`, found rows of {row}", ty.block_elements())]
    PartialBlock {
        tensor: String,
        ty: TensorType,
        row: u64,
    },
    #[error(
        "expected less than 2^63 bytes up to the end of tensor `{tensor}`, found dimensions {dims:?}"
    )]
    SizeOverflow { tensor: String, dims: Vec<u64> },
    #[error(
        "expected tensor `{tensor}` at a multiple of {alignment} in the data section, found it at {relative}"
    )]
    Misaligned {
        tensor: String,
        relative: u64,
        alignment: u32,
    },
    #[error(
        "expected tensor `{tensor}` inside the file of {file_bytes} bytes, found {bytes} bytes at {relative} of the data section at byte {data_offset}"
    )]
    OutOfFile {
        tensor: String,
        relative: u64,
        bytes: u64,
        data_offset: u64,
        file_bytes: u64,
    },
    #[error(
        "expected tensors apart from each other, found `{second}` at byte {offset} before the end of `{first}` at byte {end}"
    )]
    Overlap {
        first: String,
        second: String,
        offset: u64,
        end: u64,
    },

    #[error("expected metadata key `{key}`, found none")]
    MissingKey { key: String },
    #[error("expected {expected} for metadata key `{key}`, found {found}")]
    WrongType {
        key: String,
        expected: &'static str,
        found: String,
    },
}

impl GgufError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            GgufError::InFile { problem, .. } => return problem.hint(),
            GgufError::NotGguf { .. } => "give a model file in the GGUF format",
            GgufError::BigEndian { .. } | GgufError::Version { .. } => {
                "convert the model again with a current converter"
            }
            GgufError::Truncated { .. } | GgufError::OutOfFile { .. } => {
                "the file is probably an incomplete download; compare its size and SHA-256 with the publisher's"
            }
            GgufError::UnknownTensorType { .. } => {
                "this quantisation is newer than this program; use a file of another type"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Names come from the file: in an error they are one line of bounded length.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = name
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
