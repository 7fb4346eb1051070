//! A position in bytes that never moves past their end. Knows the format's primitives, not its records.

use super::GgufError;

/// No header is longer: the longest known, with 262,144 tokens and 514,906 merges, has 16 MB.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 30;

/// What is left to read of a header.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Where the next byte is, counted from the start of the file.
    pub fn offset(&self) -> u64 {
        self.at as u64
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// Refuses `count` items of at least `bytes_each`, if they cannot all follow; asked before room is made for them.
    pub fn expect_room(
        &self,
        what: &'static str,
        count: u64,
        bytes_each: u64,
    ) -> Result<(), GgufError> {
        let needed = count.saturating_mul(bytes_each);
        if needed > self.left() {
            return Err(GgufError::Truncated {
                what,
                offset: self.offset(),
                needed,
                left: self.left(),
            });
        }
        Ok(())
    }

    /// The next `count` bytes.
    pub fn take(&mut self, what: &'static str, count: u64) -> Result<&'a [u8], GgufError> {
        self.expect_room(what, count, 1)?;
        let end = self.at + count as usize; // fits: `count` is at most what is left of a slice
        if end as u64 > MAX_HEADER_BYTES {
            return Err(GgufError::TooMany {
                what: "bytes of header",
                offset: self.offset(),
                most: MAX_HEADER_BYTES,
                found: end as u64,
            });
        }
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(what, N as u64)?);
        Ok(array)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A `u64` that counts `what` and is at most `most`.
    pub fn count(&mut self, what: &'static str, most: u64) -> Result<u64, GgufError> {
        let offset = self.offset();
        let found = self.u64(what)?;
        if found > most {
            return Err(GgufError::TooMany {
                what,
                offset,
                most,
                found,
            });
        }
        Ok(found)
    }

    /// A string of at most `most` bytes behind its length. `what` names it, `bytes_of` its bytes: `key`, `bytes of key`.
    pub fn str(
        &mut self,
        what: &'static str,
        bytes_of: &'static str,
        most: u64,
    ) -> Result<&'a str, GgufError> {
        let len = self.count(bytes_of, most)?;
        let offset = self.offset();
        std::str::from_utf8(self.take(what, len)?).map_err(|_| GgufError::NotUtf8 { what, offset })
    }
}
