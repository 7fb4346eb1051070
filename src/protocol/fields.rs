//! The fields of a payload, little-endian and checked. Knows no frame's layout.

use super::ProtocolError;

/// What is left to read of a payload.
pub(super) struct Fields<'a> {
    frame: &'static str,
    left: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Begins at the first byte of the payload of a frame of this name.
    pub fn of(frame: &'static str, payload: &'a [u8]) -> Self {
        Fields {
            frame,
            left: payload,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, ProtocolError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, ProtocolError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, ProtocolError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A `u16` with its length in bytes, and then that many bytes.
    pub fn short(&mut self, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let length = usize::from(self.u16(what)?);
        let (taken, left) = self
            .left
            .split_at_checked(length)
            .ok_or_else(|| self.wrong(what, format!("{} bytes of {length}", self.left.len())))?;
        self.left = left;
        Ok(taken)
    }

    /// Every byte that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// Every byte that is left, as `u16`.
    pub fn rest_u16(&mut self, what: &'static str) -> Result<Vec<u16>, ProtocolError> {
        self.rest_of(what, u16::from_le_bytes)
    }

    /// Every byte that is left, as `u32`.
    pub fn rest_u32(&mut self, what: &'static str) -> Result<Vec<u32>, ProtocolError> {
        self.rest_of(what, u32::from_le_bytes)
    }

    /// Bytes as text without control characters, which would reach terminals and reports.
    pub fn text(&self, what: &'static str, bytes: &[u8]) -> Result<String, ProtocolError> {
        let text = str::from_utf8(bytes).map_err(|error| self.wrong(what, error.to_string()))?;
        match text.chars().find(|c| c.is_control()) {
            Some(found) => Err(self.wrong(what, format!("the control character {found:?}"))),
            None => Ok(text.to_owned()),
        }
    }

    /// Refuses bytes behind the last field.
    pub fn end(self) -> Result<(), ProtocolError> {
        match self.left.len() {
            0 => Ok(()),
            more => Err(self.wrong("nothing behind the last field", format!("{more} bytes"))),
        }
    }

    /// What this frame should hold, and what it holds.
    pub fn wrong(&self, expected: &'static str, found: impl Into<String>) -> ProtocolError {
        ProtocolError::Field {
            frame: self.frame,
            expected,
            found: found.into(),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ProtocolError> {
        let (taken, left) = self
            .left
            .split_first_chunk()
            .ok_or_else(|| self.wrong(what, format!("{} bytes of {N}", self.left.len())))?;
        self.left = left;
        Ok(*taken)
    }

    fn rest_of<const N: usize, T>(
        &mut self,
        what: &'static str,
        number: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, ProtocolError> {
        let (numbers, []) = self.left.as_chunks() else {
            let found = format!("{} bytes, {N} to a number", self.left.len());
            return Err(self.wrong(what, found));
        };
        self.left = &[];
        Ok(numbers.iter().map(|bytes| number(*bytes)).collect())
    }
}

/// Text as a frame may carry it: control characters become spaces, and what `most` bytes do not hold is cut off.
pub(super) fn fit_text(text: &str, most: usize) -> String {
    let mut fitting = String::new();
    for c in text.chars() {
        if fitting.len() + c.len_utf8() > most {
            break;
        }
        fitting.push(if c.is_control() { ' ' } else { c });
    }
    fitting
}

/// A field of at most 65,535 bytes behind its length.
pub(super) fn push_short(
    payload: &mut Vec<u8>,
    frame: &'static str,
    what: &'static str,
    bytes: &[u8],
) -> Result<(), ProtocolError> {
    let length = u16::try_from(bytes.len()).map_err(|_| ProtocolError::Field {
        frame,
        expected: what,
        found: format!("{} bytes", bytes.len()),
    })?;
    payload.extend(length.to_le_bytes());
    payload.extend(bytes);
    Ok(())
}
