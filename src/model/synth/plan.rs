//! A synthetic file before it is written: its header, and which bytes lie where. Touches no disk.

use crate::gguf::TensorInfo;
use crate::gguf::{Metadata, Value, writer};
use crate::model::{Architecture, Mix, Model, Scale};
use crate::quant::TensorType;

use super::blocks::Generator;
use super::values::distribution;
use super::{SynthError, tokenizer};

/// Most bytes that are made at once; whole blocks, so pieces are a little smaller.
const PIECE_BYTES: u64 = 4 << 20;

/// The word in `general.name` by which a file says that its weights and its tokenizer are invented.
const SYNTHETIC: &str = "synthetic";

/// Whether a file says of itself that its weights and its tokenizer are invented: its prompts are ids, not text.
pub fn is_synthetic(metadata: &Metadata) -> bool {
    metadata
        .str("general.name")
        .is_ok_and(|name| name.contains(SYNTHETIC))
}

/// A synthetic file: every byte of it follows from this.
#[derive(Debug, Clone)]
pub struct SynthPlan {
    header: Vec<u8>,
    tensors: Vec<(TensorInfo, Generator)>,
    file_bytes: u64,
}

/// Consecutive bytes of the file, made at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// First byte in the file.
    pub offset: u64,
    /// Number of bytes, padding included.
    pub bytes: u64,
    source: Source<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Header(&'a [u8]),
    Blocks {
        generator: &'a Generator,
        first: u64,
        /// Bytes without the padding.
        bytes: u64,
    },
}

/// Plans the synthetic twin of `model` at `scale`: the tensors, types and hyper-parameters of the file that `mix`
/// names, values from `seed`, an invented tokenizer. Equal arguments give equal files on every machine.
pub fn plan(model: Model, scale: Scale, mix: Mix, seed: u64) -> Result<SynthPlan, SynthError> {
    if !Mix::of(model).contains(&mix) {
        let known = Mix::of(model)
            .iter()
            .map(|mix| mix.name())
            .collect::<Vec<_>>()
            .join(", ");
        return Err(SynthError::Mix {
            model: model.name(),
            known,
            mix,
        });
    }
    let architecture = model.architecture(scale);
    let scaled = match scale {
        Scale::Full => "",
        Scale::Tiny => " tiny",
    };
    let text = |key: &str, value: String| (key.to_owned(), Value::String(value));
    let mut metadata = vec![
        text("general.architecture", architecture.name().to_owned()),
        text("general.type", "model".to_owned()),
        text(
            "general.name",
            format!("{}{scaled} {SYNTHETIC}, {mix}, seed {seed}", model.title()),
        ),
        ("general.quantization_version".to_owned(), Value::U32(2)),
        // Q4_K_M, llama.cpp's name for the mixes
        ("general.file_type".to_owned(), Value::U32(15)),
    ];
    metadata.extend(architecture.metadata());
    metadata.extend(tokenizer::metadata(&architecture));

    let shapes = architecture
        .tensors()
        .into_iter()
        .zip(mix.types(&architecture));
    let tensors: Vec<_> = shapes
        .map(|(shape, ty)| (shape.name, shape.dims, ty))
        .collect();
    lay_out(&architecture, &metadata, &tensors, seed)
}

/// Plans a file of these tensors (name, dimensions, type) of `architecture`, values from `seed`.
pub(in crate::model) fn lay_out(
    architecture: &Architecture,
    metadata: &[(String, Value)],
    tensors: &[(String, Vec<u64>, TensorType)],
    seed: u64,
) -> Result<SynthPlan, SynthError> {
    let header = writer::header(metadata, tensors, 32)?;
    let mut planned = Vec::new();
    for (index, info) in (0u64..).zip(header.tensors) {
        let row = info.dims.first().copied().unwrap_or(1);
        let values = distribution(architecture, &info.name, row);
        let generator =
            Generator::new(seed, index, info.ty, values, info.elements()).ok_or_else(|| {
                SynthError::Type {
                    tensor: info.name.clone(),
                    ty: info.ty,
                }
            })?;
        planned.push((info, generator));
    }
    Ok(SynthPlan {
        header: header.bytes,
        tensors: planned,
        file_bytes: header.file_bytes,
    })
}

impl SynthPlan {
    /// Length of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Everything before the first tensor.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The tensor table, with offsets in the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.tensors.iter().map(|(info, _)| info)
    }

    /// The bytes of one tensor, made in memory.
    pub fn tensor_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let (info, generator) = self.tensors.iter().find(|(info, _)| info.name == name)?;
        let mut bytes = vec![0; usize::try_from(info.bytes).ok()?];
        generator.fill(0, &mut bytes);
        Some(bytes)
    }

    /// All bytes of the file in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let header = Piece {
            offset: 0,
            bytes: self.header.len() as u64,
            source: Source::Header(&self.header),
        };
        let next_starts = self
            .tensors
            .iter()
            .skip(1)
            .map(|(info, _)| info.offset)
            .chain([self.file_bytes]);
        let tensors = self.tensors.iter().zip(next_starts);
        std::iter::once(header)
            .chain(tensors.flat_map(|((info, generator), end)| pieces_of(info, generator, end)))
    }
}

/// The pieces of one tensor; the last one reaches to `end`, where the next tensor begins.
fn pieces_of<'a>(
    info: &'a TensorInfo,
    generator: &'a Generator,
    end: u64,
) -> impl Iterator<Item = Piece<'a>> {
    let block = info.ty.block_bytes();
    let step = PIECE_BYTES / block * block;
    (0..info.bytes.div_ceil(step)).map(move |index| {
        let start = index * step;
        let offset = info.offset + start;
        let bytes = step.min(info.bytes - start);
        let last = start + bytes == info.bytes;
        Piece {
            offset,
            bytes: if last { end - offset } else { bytes },
            source: Source::Blocks {
                generator,
                first: start / block,
                bytes,
            },
        }
    })
}

impl Piece<'_> {
    /// Replaces the contents of `out` by this piece's bytes.
    pub fn make(&self, out: &mut Vec<u8>) {
        out.clear();
        match self.source {
            Source::Header(header) => out.extend(header),
            Source::Blocks {
                generator,
                first,
                bytes,
            } => {
                out.resize(bytes as usize, 0);
                generator.fill(first, out);
                out.resize(self.bytes as usize, 0);
            }
        }
    }
}
