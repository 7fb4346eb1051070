//! The operations of the CPU device on a pool of threads of its own; idle threads sleep.

use std::ops::Range;
use std::sync::Barrier;

use rayon::prelude::*;

use super::{Buffer, Chain, CpuError, Gather};
use crate::device::generator;

/// Words that one thread takes at a time (256 KiB): cores of unequal speed share the work, and a task's start is lost
/// in its time.
const TASK_WORDS: usize = 32 * 1024;

/// Words folded side by side, so that the loop becomes vector instructions without a chain of dependences.
const LANES: usize = 16;

/// The processor, as a pool of threads. Timing is the caller's.
#[derive(Debug)]
pub struct CpuDevice {
    pool: rayon::ThreadPool,
}

impl CpuDevice {
    /// A device of `threads` threads.
    ///
    /// # Errors
    ///
    /// `Threads` if there are none, or the system refuses them.
    pub fn new(threads: usize) -> Result<Self, CpuError> {
        let refused = |reason: String| CpuError::Threads { threads, reason };
        if threads == 0 {
            return Err(refused("at least one is needed".into()));
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cpu-device-{index}"))
            .build()
            .map(|pool| Self { pool })
            .map_err(|error| refused(error.to_string()))
    }

    /// Its threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// A buffer of `bytes` whose word `i` is `generator::word(seed, i)`.
    ///
    /// # Errors
    ///
    /// `Unaligned` unless `bytes` is a positive multiple of 8; `OutOfMemory`.
    pub fn generate(&self, bytes: u64, seed: u64) -> Result<Buffer, CpuError> {
        self.pool
            .install(|| Buffer::filled(bytes, |index| generator::word(seed, index)))
    }

    /// A chain of pointers through `bytes`, one every `stride_bytes`.
    ///
    /// # Errors
    ///
    /// `Unaligned` unless both are positive multiples of 8; `OutOfMemory`.
    pub fn chain(&self, bytes: u64, stride_bytes: u64, seed: u64) -> Result<Chain, CpuError> {
        self.pool.install(|| Chain::new(bytes, stride_bytes, seed))
    }

    /// Reads the whole buffer: the sum modulo 2^64 of its words.
    pub fn read(&self, buffer: &Buffer) -> u64 {
        self.pool.install(|| {
            buffer
                .words()
                .par_chunks(TASK_WORDS)
                .map(|part| sum([part]))
                .reduce(|| 0, u64::wrapping_add)
        })
    }

    /// Writes the whole buffer: word `i` becomes [`written`](generator::written)`(salt, i)`.
    pub fn write(&self, buffer: &mut Buffer, salt: u64) {
        self.pool.install(|| {
            buffer
                .words_mut()
                .par_chunks_mut(TASK_WORDS)
                .enumerate()
                .for_each(|(task, words)| {
                    let first = (task * TASK_WORDS) as u64;
                    for (index, word) in (first..).zip(words) {
                        *word = generator::written(salt, index);
                    }
                });
        });
    }

    /// Copies `from` to `to`.
    ///
    /// # Errors
    ///
    /// `LengthsDiffer`.
    pub fn copy(&self, from: &Buffer, to: &mut Buffer) -> Result<(), CpuError> {
        if from.bytes() != to.bytes() {
            return Err(CpuError::LengthsDiffer {
                source_bytes: from.bytes(),
                destination_bytes: to.bytes(),
            });
        }
        self.pool.install(|| {
            to.words_mut()
                .par_chunks_mut(TASK_WORDS)
                .zip(from.words().par_chunks(TASK_WORDS))
                .for_each(|(to, from)| to.copy_from_slice(from));
        });
        Ok(())
    }

    /// Reads the parts of `buffer` that `gather` names: the sum modulo 2^64 of their words.
    ///
    /// # Errors
    ///
    /// `OutOfBounds` if a span ends behind the buffer.
    pub fn gather(&self, buffer: &Buffer, gather: &Gather) -> Result<u64, CpuError> {
        if gather.end_bytes() > buffer.bytes() {
            return Err(CpuError::OutOfBounds {
                end: gather.end_bytes(),
                available: buffer.bytes(),
            });
        }
        let words = buffer.words();
        let part = |range: &Range<usize>| words.get(range.clone()).unwrap_or(&[]);
        Ok(self.pool.install(|| {
            gather
                .tasks()
                .par_iter()
                .map(|task| sum(task.iter().map(part)))
                .reduce(|| 0, u64::wrapping_add)
        }))
    }

    /// Starts every thread once and waits for all: the CPU's kernel launch. Returns the sum of 1..=threads.
    pub fn fork_join(&self) -> u64 {
        self.pool
            .broadcast(|context| context.index() as u64 + 1)
            .into_iter()
            .sum()
    }

    /// Lets all threads meet `rounds` times, each meeting an edge between two dependent steps. Returns the meetings.
    pub fn meet(&self, rounds: u64) -> u64 {
        let barrier = Barrier::new(self.threads());
        let led = self
            .pool
            .broadcast(|_| (0..rounds).filter(|_| barrier.wait().is_leader()).count() as u64);
        led.into_iter().sum()
    }
}

/// Sum modulo 2^64 of the words of all `parts`. One set of lanes serves all parts: reducing them at the end of each would fill the
/// processor's window, and loads of the next part could not start while those of this one are under way.
fn sum<'a>(parts: impl IntoIterator<Item = &'a [u64]>) -> u64 {
    let mut lanes = [0u64; LANES];
    let mut total = 0u64;
    for part in parts {
        let (blocks, rest) = part.as_chunks::<LANES>();
        for block in blocks {
            // Indices, because an unoptimised build would spend its time in a zip.
            let mut lane = 0;
            while lane < LANES {
                lanes[lane] = lanes[lane].wrapping_add(block[lane]);
                lane += 1;
            }
        }
        for word in rest {
            total = total.wrapping_add(*word);
        }
    }
    lanes.into_iter().fold(total, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    const SEED: u64 = 0x5EED;
    /// Several tasks and a remainder that fills neither a task nor a block.
    const BYTES: u64 = 8 * (3 * TASK_WORDS as u64 + 5);

    fn devices() -> impl Iterator<Item = CpuDevice> {
        [1, 2, 5]
            .into_iter()
            .map(|threads| CpuDevice::new(threads).unwrap())
    }

    #[test]
    fn a_read_returns_the_sum_that_the_generator_foretells() {
        for device in devices() {
            for bytes in [8, 64, 1000, BYTES] {
                let buffer = device.generate(bytes, SEED).unwrap();
                assert_eq!(device.read(&buffer), generator::sum(SEED, 0..bytes / 8));
            }
        }
    }

    #[test]
    fn one_changed_bit_anywhere_changes_what_a_read_returns() {
        let device = CpuDevice::new(2).unwrap();
        let mut buffer = device.generate(BYTES, SEED).unwrap();
        let right = device.read(&buffer);
        let last = buffer.words().len() - 1;
        for at in [0, 17, TASK_WORDS - 1, TASK_WORDS, last] {
            buffer.words_mut()[at] ^= 1 << 40;
            assert_eq!(device.read(&buffer).abs_diff(right), 1 << 40);
            buffer.words_mut()[at] ^= 1 << 40;
        }
    }

    #[test]
    fn a_write_leaves_the_pattern_in_every_word() {
        for device in devices() {
            let mut buffer = device.generate(BYTES, SEED).unwrap();
            device.write(&mut buffer, 0xABCD << 32);
            assert!(
                (0..)
                    .zip(buffer.words())
                    .all(|(index, word)| *word == generator::written(0xABCD << 32, index))
            );
        }
    }

    #[test]
    fn a_copy_equals_its_source() {
        for device in devices() {
            let from = device.generate(BYTES, SEED).unwrap();
            let mut to = device.generate(BYTES, SEED + 1).unwrap();
            device.copy(&from, &mut to).unwrap();
            assert_eq!(from.words(), to.words());
            let mut short = device.generate(8, SEED).unwrap();
            assert!(device.copy(&from, &mut short).is_err());
        }
    }

    #[test]
    fn a_gather_returns_the_sum_of_its_spans() {
        for device in devices() {
            let buffer = device.generate(BYTES, SEED).unwrap();
            // Rows of 512 bytes, one every 2048, as one head of a KV cache that is stored token by token.
            let rows: Vec<Span> = (0..BYTES / 2048)
                .map(|token| Span {
                    offset_bytes: token * 2048 + 512,
                    bytes: 512,
                })
                .collect();
            let expected = (0..BYTES / 2048)
                .map(|token| generator::sum(SEED, token * 256 + 64..token * 256 + 128))
                .fold(0, u64::wrapping_add);
            let rows = Gather::new(rows).unwrap();
            assert_eq!(device.gather(&buffer, &rows).unwrap(), expected);

            let experts = Gather::experts(&[7, 0, 3], 65_536).unwrap();
            let expected = [7, 0, 3]
                .map(|id| generator::sum(SEED, id * 8192..(id + 1) * 8192))
                .into_iter()
                .fold(0, u64::wrapping_add);
            assert_eq!(device.gather(&buffer, &experts).unwrap(), expected);
        }
    }

    #[test]
    fn a_gather_behind_the_buffer_is_refused() {
        let device = CpuDevice::new(1).unwrap();
        let buffer = device.generate(4096, SEED).unwrap();
        let gather = Gather::experts(&[1], 4096).unwrap();
        let error = device.gather(&buffer, &gather).unwrap_err();
        assert_eq!(
            error,
            CpuError::OutOfBounds {
                end: 8192,
                available: 4096
            }
        );
    }

    #[test]
    fn every_thread_takes_part_in_launches_and_barriers() {
        for device in devices() {
            let threads = device.threads() as u64;
            assert_eq!(device.fork_join(), threads * (threads + 1) / 2);
            assert_eq!(device.meet(100), 100);
        }
    }

    #[test]
    fn a_device_without_threads_is_refused() {
        assert!(CpuDevice::new(0).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn any_spans_give_the_sum_of_their_words(
            spans in proptest::collection::vec((0..40_000_u64, 1..20_000_u64), 0..20),
        ) {
            let device = CpuDevice::new(2).unwrap();
            let buffer = device.generate(60_000 * 8, SEED).unwrap();
            let gather = Gather::new(spans.iter().map(|(first, words)| Span {
                offset_bytes: first * 8,
                bytes: words * 8,
            }));
            let expected = spans
                .iter()
                .map(|(first, words)| generator::sum(SEED, *first..first + words))
                .fold(0, u64::wrapping_add);
            proptest::prop_assert_eq!(device.gather(&buffer, &gather.unwrap()).unwrap(), expected);
        }
    }
}
