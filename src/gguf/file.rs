//! A GGUF file that was read and found sound. Knows no model.

use std::path::Path;

use super::metadata::find_by_name;
use super::parse::{self, Contents};
use super::{GgufError, Map, Metadata, TensorInfo};

/// A GGUF file: its header in memory, its tensors' bytes borrowed from `B`.
#[derive(Debug)]
pub struct Gguf<B = Map> {
    bytes: B,
    contents: Contents,
}

impl Gguf<Map> {
    /// Maps and checks `path`. Touches the header's pages alone, so a file of any size opens at once.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let map = Map::open(path).map_err(|source| GgufError::Open {
            path: path.to_owned(),
            source,
        })?;
        Gguf::parse(map).map_err(|problem| GgufError::InFile {
            path: path.to_owned(),
            problem: Box::new(problem),
        })
    }
}

impl<B: AsRef<[u8]>> Gguf<B> {
    /// Checks the bytes of a whole file.
    pub fn parse(bytes: B) -> Result<Self, GgufError> {
        let whole = bytes.as_ref();
        let contents = parse::contents(whole, whole.len() as u64)?;
        Ok(Gguf { bytes, contents })
    }

    /// Version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.contents.version
    }

    /// Every tensor begins at a multiple of this many bytes in the data section; a power of two.
    pub fn alignment(&self) -> u32 {
        self.contents.alignment
    }

    /// The key-value pairs.
    pub fn metadata(&self) -> &Metadata {
        &self.contents.metadata
    }

    /// The tensor table in file order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.contents.tensors
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        find_by_name(
            &self.contents.tensors,
            &self.contents.by_name,
            name,
            |tensor| &tensor.name,
        )
    }

    /// All bytes of the file.
    pub fn whole(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The bytes of a tensor of this file; empty for a tensor of another that lies beyond this file's end.
    pub fn bytes(&self, tensor: &TensorInfo) -> &[u8] {
        let range = usize::try_from(tensor.offset)
            .ok()
            .zip(usize::try_from(tensor.end()).ok());
        range
            .and_then(|(start, end)| self.bytes.as_ref().get(start..end))
            .unwrap_or_default()
    }

    /// Where the data section begins, in bytes from the start of the file.
    pub fn data_offset(&self) -> u64 {
        self.contents.data_offset
    }

    /// Length of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.bytes.as_ref().len() as u64
    }
}
