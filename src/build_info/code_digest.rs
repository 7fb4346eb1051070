//! The digest of what a kernel image makes the device execute; compiled into the build script too, so it uses nothing
//! of this crate but [`digest`](super::digest).

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::digest::hex;

/// Why bytes are not a kernel image whose code can be digested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnImage {
    /// Offset in the bytes at which reading stopped.
    pub at: usize,
    /// What was expected there and what was found.
    pub why: &'static str,
}

impl fmt::Display for NotAnImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a kernel image: {} at byte {}", self.why, self.at)
    }
}

impl std::error::Error for NotAnImage {}

/// SHA-256 of the code in an uncompressed fatbin, per architecture (`sm_90`).
///
/// Taken over all ELF sections but debug information, notes, symbol and string tables, in the order of their names:
/// for each, the length of the name as u32, the name, the length of the content as u64, the content, little-endian.
/// What is left out depends on the directory of the build; what is taken in is what the device executes.
///
/// The layout is not documented by NVIDIA; it is what nvcc 13 writes: containers of a 16-byte head (magic, version,
/// head length as u16, body length as u64) around entries (kind as u16 at 0, head length as u32 at 4, body length as
/// u64 at 8, architecture as u32 at 28).
///
/// # Errors
/// [`NotAnImage`] if the bytes have another layout, hold no code, hold two images for one architecture, or hold
/// anything but ELF images, above all PTX, which the driver would compile to code that nobody has seen.
pub fn code_digests(fatbin: &[u8]) -> Result<BTreeMap<String, String>, NotAnImage> {
    const MAGIC: u64 = 0xba55_ed50;
    const ELF: u64 = 2;

    let mut digests = BTreeMap::new();
    let mut at = 0;
    while at < fatbin.len() {
        let container = Bytes::of(fatbin, at)?;
        if container.u32(0)? != MAGIC {
            return Err(container.error("expected the magic number of a container"));
        }
        let entries = container.slice(container.u16(6)?, container.u64(8)?)?;
        at = entries.end();
        let mut offset = 0;
        while offset < entries.bytes.len() {
            let entry = Bytes {
                bytes: entries.bytes.get(offset..).unwrap_or_default(),
                at: entries.at + offset,
            };
            if entry.u16(0)? != ELF {
                return Err(
                    entry.error("expected an ELF image, found PTX or another kind of entry")
                );
            }
            let body = entry.slice(entry.u32(4)?, entry.u64(8)?)?;
            let architecture = format!("sm_{}", entry.u32(28)?);
            if digests.insert(architecture, elf_digest(&body)?).is_some() {
                return Err(entry.error("expected one image per architecture, found a second"));
            }
            // A body that ends where its entry begins would be read for ever.
            if body.end() <= entry.at {
                return Err(entry.error("expected an entry with a length"));
            }
            offset = body.end() - entries.at;
        }
    }
    if digests.is_empty() {
        return Err(NotAnImage {
            at: 0,
            why: "expected at least one ELF image",
        });
    }
    Ok(digests)
}

/// The digest of one ELF-64 image; offsets are those of the ELF specification.
fn elf_digest(elf: &Bytes<'_>) -> Result<String, NotAnImage> {
    const HEADER_BYTES: u64 = 64;
    const NOBITS: u64 = 8;
    if elf.bytes.get(..5) != Some(b"\x7fELF\x02") {
        return Err(elf.error("expected a 64-bit ELF header"));
    }
    let (table, count, names) = (elf.u64(0x28)?, elf.u16(0x3c)?, elf.u16(0x3e)?);
    let headers = elf.slice(table, count * HEADER_BYTES)?;
    let header = |index: u64| headers.slice(index * HEADER_BYTES, HEADER_BYTES);
    let content = |section: &Bytes<'_>| elf.slice(section.u64(24)?, section.u64(32)?);
    let names = content(&header(names)?)?;

    let mut sections = BTreeMap::new();
    for index in 0..count {
        let section = header(index)?;
        let name = names.text(section.u32(0)?)?;
        if is_code(name) {
            let bytes = match section.u32(4)? {
                NOBITS => &[][..],
                _ => content(&section)?.bytes,
            };
            if sections.insert(name, bytes).is_some() {
                return Err(section.error("expected sections of different names, found one twice"));
            }
        }
    }
    let mut hash = Sha256::new();
    for (name, bytes) in sections {
        hash.update((name.len() as u32).to_le_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// Whether a section counts. Debug sections hide behind prefixes (`.nv.merc.debug_line`), so no prefix is tested.
fn is_code(section: &str) -> bool {
    !(section.is_empty()
        || section.contains("debug")
        || section.starts_with(".note")
        || section.ends_with("strtab")
        || section.ends_with("symtab"))
}

/// Bytes that know where in the file they lie, read with every bound checked.
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn of(file: &'a [u8], at: usize) -> Result<Self, NotAnImage> {
        let bytes = file.get(at..).ok_or(NotAnImage {
            at,
            why: "expected more bytes",
        })?;
        Ok(Self { bytes, at })
    }

    fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    fn error(&self, why: &'static str) -> NotAnImage {
        NotAnImage { at: self.at, why }
    }

    fn slice(&self, offset: u64, len: u64) -> Result<Bytes<'a>, NotAnImage> {
        let range = || {
            let start = usize::try_from(offset).ok()?;
            let end = start.checked_add(usize::try_from(len).ok()?)?;
            Some((start, self.bytes.get(start..end)?))
        };
        let (start, bytes) = range()
            .ok_or_else(|| self.error("expected a range inside of the file, found one outside"))?;
        Ok(Bytes {
            bytes,
            at: self.at + start,
        })
    }

    /// The little-endian number in the `len` bytes at `offset`.
    fn number(&self, offset: u64, len: u64) -> Result<u64, NotAnImage> {
        let bytes = self.slice(offset, len)?.bytes;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u16(&self, offset: u64) -> Result<u64, NotAnImage> {
        self.number(offset, 2)
    }

    fn u32(&self, offset: u64) -> Result<u64, NotAnImage> {
        self.number(offset, 4)
    }

    fn u64(&self, offset: u64) -> Result<u64, NotAnImage> {
        self.number(offset, 8)
    }

    /// The zero-terminated text at `offset`.
    fn text(&self, offset: u64) -> Result<&'a str, NotAnImage> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.bytes.get(at..));
        rest.and_then(|rest| rest.split(|b| *b == 0).next())
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or_else(|| self.error("expected the name of a section"))
    }
}
