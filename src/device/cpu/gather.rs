//! Which parts of a buffer a scattered read touches, cut into tasks before any clock runs.

use std::ops::Range;

use super::CpuError;
use super::buffer::words_in;

/// Words of one task at most: large enough that a task's start is lost in it, small enough to balance cores of unequal
/// speed.
const TASK_WORDS: usize = 16 * 1024;

/// A contiguous part of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins, in bytes from the start of the buffer.
    pub offset_bytes: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// Spans of a buffer, checked and cut into tasks of about equal size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    tasks: Vec<Vec<Range<usize>>>,
    end_words: usize,
    bytes: u64,
}

impl Gather {
    /// A read of `spans`: the rows of a KV cache, the experts that a router chose.
    ///
    /// # Errors
    ///
    /// `Unaligned` if an offset or a length is no multiple of 8 bytes, or a length is 0.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Result<Self, CpuError> {
        let mut gather = Self {
            tasks: Vec::new(),
            end_words: 0,
            bytes: 0,
        };
        let mut task = Vec::new();
        let mut task_words = 0;
        for span in spans {
            let length = words_in("the length of a span", span.bytes)?;
            let mut at = match span.offset_bytes {
                0 => 0,
                offset => words_in("the offset of a span", offset)?,
            };
            let end = at + length;
            while at < end {
                let piece = (end - at).min(TASK_WORDS - task_words);
                task.push(at..at + piece);
                at += piece;
                task_words += piece;
                if task_words == TASK_WORDS {
                    gather.tasks.push(std::mem::take(&mut task));
                    task_words = 0;
                }
            }
            gather.end_words = gather.end_words.max(end);
            gather.bytes += span.bytes;
        }
        if !task.is_empty() {
            gather.tasks.push(task);
        }
        Ok(gather)
    }

    /// A read of whole experts: `ids` of a tensor whose experts take `expert_bytes` each.
    ///
    /// # Errors
    ///
    /// `Unaligned` if `expert_bytes` is no positive multiple of 8; `OutOfMemory` if an offset exceeds 2^64.
    pub fn experts(ids: &[usize], expert_bytes: u64) -> Result<Self, CpuError> {
        let spans: Option<Vec<Span>> = ids
            .iter()
            .map(|&id| {
                Some(Span {
                    offset_bytes: (id as u64).checked_mul(expert_bytes)?,
                    bytes: expert_bytes,
                })
            })
            .collect();
        Self::new(spans.ok_or(CpuError::OutOfMemory { bytes: u64::MAX })?)
    }

    /// Bytes that are read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// First byte behind the last span.
    pub fn end_bytes(&self) -> u64 {
        (self.end_words * size_of::<u64>()) as u64
    }

    /// The tasks: ranges of words.
    pub(super) fn tasks(&self) -> &[Vec<Range<usize>>] {
        &self.tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_cover_the_spans_exactly_and_none_is_large() {
        let spans = [(0, 8), (64, 3 * 131_072 + 40), (1 << 20, 512)];
        let gather = Gather::new(spans.map(|(offset_bytes, bytes)| Span {
            offset_bytes,
            bytes,
        }))
        .unwrap();
        let covered: Vec<usize> = gather.tasks().iter().flatten().cloned().flatten().collect();
        let expected: Vec<usize> = spans
            .iter()
            .flat_map(|(offset, bytes)| (offset / 8) as usize..((offset + bytes) / 8) as usize)
            .collect();
        assert_eq!(covered, expected);
        assert!(
            gather
                .tasks()
                .iter()
                .all(|task| task.iter().map(|r| r.len()).sum::<usize>() <= TASK_WORDS)
        );
        assert_eq!(gather.bytes(), 8 + 3 * 131_072 + 40 + 512);
        assert_eq!(gather.end_bytes(), (1 << 20) + 512);
    }

    #[test]
    fn experts_are_spans_of_equal_length() {
        let by_id = Gather::experts(&[3, 1], 4096).unwrap();
        let by_span =
            Gather::new(
                [(12_288, 4096), (4096, 4096)].map(|(offset_bytes, bytes)| Span {
                    offset_bytes,
                    bytes,
                }),
            );
        assert_eq!(by_id, by_span.unwrap());
        assert!(Gather::experts(&[usize::MAX], 4096).is_err());
    }

    #[test]
    fn spans_that_split_a_word_are_refused() {
        for (offset_bytes, bytes) in [(4, 8), (0, 12), (0, 0)] {
            assert!(
                Gather::new([Span {
                    offset_bytes,
                    bytes
                }])
                .is_err()
            );
        }
    }
}
