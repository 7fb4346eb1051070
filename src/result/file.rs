//! The result file: an envelope with the digest of the payload's exact bytes; how it is sealed and read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Payload;
use super::error::{ReadError, SealError};
use super::scan::{Fault, scan};
use crate::build_info::sha256_hex;

/// Name and version of the format.
pub const FORMAT: &str = "sparkbench.result/1";

/// Most bytes of a result file.
pub const LARGEST_FILE_BYTES: u64 = 64 << 20;

/// What stands around the payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope<P> {
    /// `sparkbench.result/1`.
    pub format: String,
    /// SHA-256 of the payload's bytes as they stand in the file, from its first brace to its last.
    pub payload_sha256: String,
    /// What was recorded.
    pub payload: P,
}

/// A result as read, before anything in it is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultFile {
    /// The digest that the file states.
    pub stated_sha256: String,
    /// The digest of the payload's bytes in the file.
    pub found_sha256: String,
    /// The payload.
    pub payload: Payload,
    /// Values of the right type that break a rule of the format.
    pub faults: Vec<Fault>,
}

/// A result as text, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The file's text.
    pub text: String,
    /// The file's name: date, machine, families and the first digits of the payload's digest.
    pub name: String,
}

/// The text and name of a result file.
///
/// # Errors
/// A payload that would not read back as it is, or that breaks a rule of the format: floats that are not finite,
/// integers from 2^53 on, readings with neither value nor reason, texts in place of digests.
pub fn seal(payload: &Payload) -> Result<Sealed, SealError> {
    let body = serde_json::to_string_pretty(payload).map_err(SealError::Serialise)?;
    let digest = sha256_hex(body.as_bytes());
    let text = format!(
        "{{\n\"format\": \"{FORMAT}\",\n\"payload_sha256\": \"{digest}\",\n\"payload\": {body}\n}}\n"
    );
    // What the reader refuses is never written. NaN and infinities, which JSON has not, end as null and show here.
    let file = parse(text.as_bytes()).map_err(SealError::ReadBack)?;
    if let Some(fault) = file.faults.into_iter().next() {
        return Err(SealError::Fault(fault));
    }
    if file.payload != *payload {
        return Err(SealError::Changed);
    }
    let name = file_name(payload, &digest);
    Ok(Sealed { text, name })
}

/// Reads a result from the bytes of a file.
///
/// # Errors
/// Everything but the file system's.
pub fn parse(bytes: &[u8]) -> Result<ResultFile, ReadError> {
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(ReadError::TooLarge {
            limit_bytes: LARGEST_FILE_BYTES,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotText {
        offset: error.valid_up_to(),
    })?;
    // Another version may have other fields, so the format is looked at first and alone.
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let head: Head = serde_json::from_str(text).map_err(ReadError::Json)?;
    if head.format != FORMAT {
        return Err(ReadError::Format { found: head.format });
    }
    let mut faults = scan(text).map_err(ReadError::Json)?;
    for fault in &mut faults {
        if let Some(path) = fault.path.strip_prefix("payload.") {
            fault.path = path.to_owned();
        }
    }
    let envelope: Envelope<&RawValue> = serde_json::from_str(text).map_err(ReadError::Json)?;
    let body = envelope.payload.get();
    Ok(ResultFile {
        stated_sha256: envelope.payload_sha256,
        found_sha256: sha256_hex(body.as_bytes()),
        // Parsed within the whole text, so that an error names its line in the file.
        payload: serde_json::from_str::<Envelope<Payload>>(text)
            .map_err(ReadError::Json)?
            .payload,
        faults,
    })
}

/// The bytes of a result file, never more than a result may have.
///
/// # Errors
/// The file system's, and a file that is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(ReadError::TooLarge {
            limit_bytes: LARGEST_FILE_BYTES,
        });
    }
    Ok(bytes)
}

/// `<date>-<machine>-<families>-<digest8>.json` of letters, digits, `_`, `-` and `.`.
fn file_name(payload: &Payload, digest: &str) -> String {
    let date = payload.session.started_at.get(..10).unwrap_or("undated");
    let machine = match (payload.target.machine.value(), payload.machine.gpu.value()) {
        (_, None) => "cpu",
        (Some(machine), _) => &machine.name,
        (None, Some(gpu)) => &gpu.name,
    };
    let families = payload.plan.families.join("-");
    let digest = digest.get(..8).unwrap_or(digest);
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | '-' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    };
    let name: String = [date, machine, &families, digest]
        .join("-")
        .chars()
        .map(plain)
        .collect();
    format!("{name}.json")
}

#[cfg(test)]
mod tests;
