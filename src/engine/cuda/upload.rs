//! Carries out the copies of a plan: the file's bytes to their planes, small tensors as numbers. Knows no layer.

use crate::device::cuda::{Cuda, CudaError, Span, Stream, Uploader};
use crate::gguf::Gguf;
use crate::kernels::decode::{Address, Decode, Planes};

use super::plan::Plan;
use super::planner::{Content, Upload, values};

/// Bytes of each of the two pinned chunks that copies go through.
const CHUNK_BYTES: u64 = 64 << 20;

/// Copies everything that `plan` places in `memory`, which begins at the plan's base, and waits.
///
/// # Errors
///
/// [`CudaError`].
pub(super) fn upload(
    cuda: &Cuda,
    stream: &Stream,
    kernels: &Decode,
    file: &Gguf,
    plan: &Plan,
    memory: Span,
) -> Result<(), CudaError> {
    // What kernels read before anything was written there, and do not use, is not left to chance either.
    stream.fill(memory, 0)?;
    // A small model needs no large chunks.
    let chunk_bytes = file.file_bytes().min(CHUNK_BYTES) as usize;
    let mut copies = Copies {
        uploader: Uploader::new(cuda, stream, chunk_bytes)?,
        stream,
        kernels,
        memory,
        staging: (plan.staging, plan.staging_bytes),
    };
    for upload in &plan.uploads {
        copies.carry_out(file, upload)?;
    }
    stream.synchronize()
}

struct Copies<'a> {
    uploader: Uploader<'a>,
    stream: &'a Stream,
    kernels: &'a Decode,
    memory: Span,
    staging: (Address, u64),
}

impl Copies<'_> {
    fn carry_out(&mut self, file: &Gguf, upload: &Upload) -> Result<(), CudaError> {
        let [to, ..] = upload.to;
        match &upload.content {
            Content::Tensor { tensor, planes } if planes.is_cut() => {
                let block_bytes = tensor.ty.block_bytes();
                self.cut(file.bytes(tensor), block_bytes, planes, upload.to)
            }
            Content::Tensor { tensor, .. } => self.copy(file.bytes(tensor), to),
            Content::Values { tensor, divisor } => {
                let values = values(file.bytes(tensor), tensor);
                let bytes = values
                    .into_iter()
                    .flat_map(|value| (value / divisor).to_le_bytes());
                self.copy(&bytes.collect::<Vec<u8>>(), to)
            }
            Content::Doubles(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                self.copy(&bytes.collect::<Vec<u8>>(), to)
            }
        }
    }

    fn copy(&mut self, bytes: &[u8], to: Address) -> Result<(), CudaError> {
        let offset = to.0.saturating_sub(self.memory.address());
        let place = self.memory.part(offset, bytes.len() as u64)?;
        self.uploader.upload(bytes, place)
    }

    /// Part by part through the staging buffer: copies and cuts follow each other on one stream.
    fn cut(
        &mut self,
        bytes: &[u8],
        block_bytes: u64,
        planes: &Planes,
        to: [Address; 4],
    ) -> Result<(), CudaError> {
        let (staging, staging_bytes) = self.staging;
        let part = staging_bytes - staging_bytes % block_bytes;
        let mut first = 0;
        for piece in bytes.chunks(part.max(block_bytes) as usize) {
            self.copy(piece, staging)?;
            let blocks = piece.len() as u64 / block_bytes;
            let repack = planes.repack(staging, to, first, blocks);
            self.kernels.repack(self.stream, &repack)?;
            first += blocks;
        }
        Ok(())
    }
}
