//! Memory that starts on a cache line, made and filled by the threads that will use it.

use rayon::prelude::*;

use super::CpuError;

/// Bytes of a cache line, on the x86-64 and 64-bit ARM processors that the suite runs on.
const LINE_BYTES: usize = 64;
const WORD_BYTES: usize = size_of::<u64>();

/// A buffer of 64-bit words, aligned to a cache line.
#[derive(Debug)]
pub struct Buffer {
    words: Vec<u64>,
    start: usize,
}

impl Buffer {
    /// A buffer of `bytes` whose word `i` is `content(i)`, written by the threads of the current pool.
    pub(super) fn filled(
        bytes: u64,
        content: impl Fn(u64) -> u64 + Sync + Send,
    ) -> Result<Self, CpuError> {
        let length = words_in("the size of a buffer", bytes)?;
        let capacity = length + LINE_BYTES / WORD_BYTES - 1;
        let mut words: Vec<u64> = Vec::new();
        words
            .try_reserve_exact(capacity)
            .map_err(|_| CpuError::OutOfMemory { bytes })?;
        // A vector is aligned to its words; the few words before the first line boundary stay unused. A pointer may
        // refuse to tell (`usize::MAX`), which costs the alignment and nothing else.
        let start = words.as_ptr().align_offset(LINE_BYTES);
        let start = if start < LINE_BYTES / WORD_BYTES {
            start
        } else {
            0
        };
        words.par_extend((0..start + length).into_par_iter().map(|at| {
            at.checked_sub(start)
                .map_or(0, |index| content(index as u64))
        }));
        Ok(Self { words, start })
    }

    /// The words.
    pub fn words(&self) -> &[u64] {
        self.words.get(self.start..).unwrap_or_default()
    }

    /// The words, to be changed.
    pub fn words_mut(&mut self) -> &mut [u64] {
        self.words.get_mut(self.start..).unwrap_or_default()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        (self.words().len() * WORD_BYTES) as u64
    }
}

/// `bytes` as a positive number of words.
pub(super) fn words_in(what: &'static str, bytes: u64) -> Result<usize, CpuError> {
    let unaligned = CpuError::Unaligned { what, found: bytes };
    if bytes == 0 || !bytes.is_multiple_of(WORD_BYTES as u64) {
        return Err(unaligned);
    }
    let words = bytes / WORD_BYTES as u64;
    usize::try_from(words)
        .ok()
        .filter(|words| *words < isize::MAX as usize / WORD_BYTES - LINE_BYTES)
        .ok_or(CpuError::OutOfMemory { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_starts_on_a_cache_line_and_holds_its_content() {
        for bytes in [8, 64, 4096, 1_000_000] {
            let buffer = Buffer::filled(bytes, |index| index * 3).unwrap();
            assert_eq!(buffer.bytes(), bytes);
            assert_eq!(buffer.words().as_ptr().addr() % LINE_BYTES, 0);
            assert!(
                (0..)
                    .zip(buffer.words())
                    .all(|(index, word)| *word == index * 3)
            );
        }
    }

    #[test]
    fn sizes_that_no_buffer_can_have_are_refused() {
        for bytes in [0, 7, 12] {
            let error = Buffer::filled(bytes, |_| 0).unwrap_err();
            assert!(matches!(error, CpuError::Unaligned { found, .. } if found == bytes));
        }
        for bytes in [1 << 62, u64::MAX - 7] {
            let error = Buffer::filled(bytes, |_| 0).unwrap_err();
            assert_eq!(error, CpuError::OutOfMemory { bytes });
        }
    }
}
