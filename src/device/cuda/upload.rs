//! Large copies to the device: through pinned chunks, one of which is filled while the other is copied.

use std::thread;

use cudarc::driver::sys;

use super::{
    context::Cuda,
    error::{CudaError, check},
    memory::Span,
    pinned::Pinned,
    stream::{Event, Stream},
};

/// Bytes from which on a chunk is filled by several threads.
const WORTH_THREADS: usize = 4 << 20;
/// Most threads that fill a chunk: enough to outrun PCIe from the page cache.
const MOST_THREADS: usize = 8;

/// Copies host memory to the device. The driver copies pageable memory through a small buffer of its own by one thread;
/// this fills large ones by several.
pub struct Uploader<'a> {
    stream: &'a Stream,
    chunks: [Chunk; 2],
    current: usize,
    threads: usize,
}

struct Chunk {
    memory: Pinned,
    /// Bytes that copies may still be reading.
    used: usize,
    /// Behind the last copy.
    copied: Event,
}

impl<'a> Uploader<'a> {
    /// Copies go to `stream`, through two chunks of `chunk_bytes`.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn new(cuda: &Cuda, stream: &'a Stream, chunk_bytes: usize) -> Result<Self, CudaError> {
        let chunk = || {
            Ok::<_, CudaError>(Chunk {
                memory: Pinned::new(cuda, chunk_bytes.max(1))?,
                used: 0,
                copied: Event::new(cuda)?,
            })
        };
        Ok(Self {
            stream,
            chunks: [chunk()?, chunk()?],
            current: 0,
            threads: thread::available_parallelism().map_or(1, usize::from),
        })
    }

    /// Bytes that one copy may have at most to stay in one piece.
    pub fn chunk_bytes(&self) -> usize {
        self.chunks[0].memory.bytes()
    }

    /// Queues a copy of `bytes` to the front of `to`. They are read before this returns.
    ///
    /// # Errors
    ///
    /// [`CudaError::OutOfSpan`]; [`CudaError::Call`].
    pub fn upload(&mut self, bytes: &[u8], to: Span) -> Result<(), CudaError> {
        let mut to = to.part(0, bytes.len() as u64)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room()?;
            let (piece, behind) = rest.split_at(rest.len().min(room));
            let length = piece.len() as u64;
            let target = to.part(0, length)?;
            let chunk = &mut self.chunks[self.current];
            let staged = chunk.fill(piece, self.threads);
            // SAFETY: pinned memory of this chunk, which is neither filled again nor freed before `copied`; the target is
            // a span of a live arena, of the same length.
            check("cuMemcpyHtoDAsync", unsafe {
                sys::cuMemcpyHtoDAsync_v2(
                    target.address(),
                    staged.cast(),
                    piece.len(),
                    self.stream.handle,
                )
            })?;
            self.stream.record(&chunk.copied)?;
            to = to.part(length, to.bytes() - length)?;
            rest = behind;
        }
        Ok(())
    }

    /// Bytes free in the current chunk, at least one; the next chunk becomes the current one when this is full.
    fn room(&mut self) -> Result<usize, CudaError> {
        let chunk = &self.chunks[self.current];
        if chunk.used < chunk.memory.bytes() {
            return Ok(chunk.memory.bytes() - chunk.used);
        }
        self.current = (self.current + 1) % self.chunks.len();
        let chunk = &mut self.chunks[self.current];
        chunk.copied.wait()?;
        chunk.used = 0;
        Ok(chunk.memory.bytes())
    }
}

impl Chunk {
    /// Copies `piece`, which fits, behind what is there, and says where it begins.
    fn fill(&mut self, piece: &[u8], threads: usize) -> *const u8 {
        let start = self.used;
        self.used += piece.len();
        debug_assert!(self.used <= self.memory.bytes());
        // SAFETY: within the allocation; no copy reads behind `start` any more, and `self` is borrowed exclusively.
        let target =
            unsafe { std::slice::from_raw_parts_mut(self.memory.host().add(start), piece.len()) };
        let threads = match piece.len() >= WORTH_THREADS {
            true => threads.clamp(1, MOST_THREADS),
            false => 1,
        };
        if threads == 1 {
            target.copy_from_slice(piece);
        } else {
            let share = piece.len().div_ceil(threads);
            thread::scope(|scope| {
                for (from, to) in piece.chunks(share).zip(target.chunks_mut(share)) {
                    scope.spawn(|| to.copy_from_slice(from));
                }
            });
        }
        target.as_ptr()
    }
}

impl Drop for Uploader<'_> {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // The device may still be reading; without it there is nothing left to wait for.
            let _ = chunk.copied.wait();
        }
    }
}
