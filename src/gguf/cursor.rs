//! A position in bytes that never moves past their end. Knows the format's primitives, not its records.

use super::GgufError;

/// What is left to read of a header.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    most: u64,
}

impl<'a> Cursor<'a> {
    /// Begins at the first of `bytes` and never passes `most` of them.
    pub fn new(bytes: &'a [u8], most: u64) -> Self {
        Cursor { bytes, at: 0, most }
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
        at_most("bytes of header", self.offset(), self.most, end as u64)?;
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
        at_most(what, offset, most, found)
    }

    /// A string of at most `most` bytes behind its length. `what` names it, `bytes_of` its bytes: `key`, `bytes of key`.
    pub fn str(
        &mut self,
        what: &'static str,
        bytes_of: &'static str,
        most: u64,
    ) -> Result<&'a str, GgufError> {
        let offset = self.offset();
        let len = self.u64(what)?;
        at_most(bytes_of, offset, most, len)?;
        let offset = self.offset();
        std::str::from_utf8(self.take(what, len)?).map_err(|_| GgufError::NotUtf8 { what, offset })
    }
}

fn at_most(what: &'static str, offset: u64, most: u64, found: u64) -> Result<u64, GgufError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_longer_than_the_limit_is_refused() {
        let mut cursor = Cursor::new(&[0; 16], 10);
        assert!(cursor.u64("count").is_ok());
        assert_eq!(
            cursor.u32("version").unwrap_err().to_string(),
            "expected at most 10 bytes of header at byte 8, found 12"
        );
    }
}
