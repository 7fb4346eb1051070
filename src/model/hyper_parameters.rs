//! Reads hyper-parameters out of metadata, within the bounds that keep every later product small. Knows no architecture.

use crate::gguf::{Metadata, TensorInfo, Value};

use super::architecture::predictors;
use super::{LayerKind, ModelError};

/// Largest width, head count or expert count taken: far above any model, and small enough that bytes fit 64 bits.
const MAX_DIMENSION: u64 = 1 << 16;
/// Most layers taken.
const MAX_LAYERS: u64 = 1 << 10;

/// The hyper-parameters of one architecture: keys are read below its name.
pub(super) struct HyperParameters<'a> {
    pub metadata: &'a Metadata,
    pub architecture: &'static str,
}

impl HyperParameters<'_> {
    /// The full key of a hyper-parameter.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A width or a count.
    pub fn dimension(&self, name: &str) -> Result<u64, ModelError> {
        self.bounded(name, MAX_DIMENSION)
    }

    /// A count that divides evenly among `groups`.
    pub fn multiple(&self, name: &str, groups: u64) -> Result<u64, ModelError> {
        let found = self.dimension(name)?;
        self.require(name, found.is_multiple_of(groups), found, || {
            format!("a multiple of {groups}")
        })
    }

    /// The width of each of `count` equal parts of the width `name`.
    pub fn parts(&self, name: &str, count: u64) -> Result<u64, ModelError> {
        let limit = MAX_DIMENSION * count;
        let found = self.bounded(name, limit)?;
        let whole = self.require(name, found.is_multiple_of(count), found, || {
            format!("a multiple of {count}")
        })?;
        Ok(whole / count)
    }

    /// Rotated dimensions of a head, which go in pairs; all of them where the file does not say.
    pub fn rotary_dim(&self, name: &str, head_dim: u64) -> Result<u64, ModelError> {
        let found = match self.metadata.get(&self.key(name)) {
            Some(_) => self.bounded(name, head_dim)?,
            None => head_dim,
        };
        self.require(name, found.is_multiple_of(2), found, || "even".to_owned())
    }

    /// A number above 0.
    pub fn positive(&self, name: &str) -> Result<f32, ModelError> {
        let found = self.metadata.f32(&self.key(name))?;
        let sound = found.is_finite() && found > 0.0;
        self.require(name, sound, found, || "a number above 0".to_owned())
    }

    /// Refuses a part that this architecture is computed without: the key is absent or 0.
    pub fn absent(&self, name: &str) -> Result<(), ModelError> {
        match self.metadata.get(&self.key(name)) {
            Some(_) => self.expect(name, 0),
            None => Ok(()),
        }
    }

    /// `found`, or an error that says what was expected instead.
    fn require<T: ToString>(
        &self,
        name: &str,
        sound: bool,
        found: T,
        expected: impl FnOnce() -> String,
    ) -> Result<T, ModelError> {
        if sound {
            return Ok(found);
        }
        Err(ModelError::Inconsistent {
            key: self.key(name),
            expected: expected(),
            found: found.to_string(),
        })
    }

    /// A whole number from 1 to `limit`.
    pub fn bounded(&self, name: &str, limit: u64) -> Result<u64, ModelError> {
        let key = self.key(name);
        let found = self.metadata.u64(&key)?;
        within(key, found, limit)
    }

    /// Layers that decoding runs: all blocks but those that only multi-token prediction uses, which carry `nextn`
    /// tensors and come last.
    pub fn decode_layers(&self, tensors: &[TensorInfo]) -> Result<usize, ModelError> {
        let blocks = self.bounded("block_count", MAX_LAYERS)?;
        let first = predictors(tensors).first().copied();
        Ok(first.map_or(blocks as usize, |first| first.min(blocks as usize)))
    }

    /// KV heads of the layers of one kind: files state one number for all layers, or an array with one for each.
    pub fn kv_heads(&self, layers: &[LayerKind], kind: LayerKind) -> Result<u64, ModelError> {
        const NAME: &str = "attention.head_count_kv";
        let key = self.key(NAME);
        if !matches!(self.metadata.get(&key), Some(Value::Array(_))) {
            return self.dimension(NAME);
        }
        let counts = self.metadata.integers(&key)?;
        self.expect_layers(NAME, counts.len(), layers.len())?;
        let mut of_kind = layers
            .iter()
            .zip(counts)
            .filter(|(of, _)| **of == kind)
            .map(|(_, count)| count);
        let first = of_kind.next().unwrap_or(1);
        match of_kind.find(|count| *count != first) {
            None => within(key, u64::try_from(first).unwrap_or(0), MAX_DIMENSION),
            Some(other) => Err(ModelError::Inconsistent {
                key,
                expected: format!("{first} in every layer of one kind"),
                found: other.to_string(),
            }),
        }
    }

    /// Refuses an array of fewer entries than layers.
    pub fn expect_layers(&self, name: &str, found: usize, layers: usize) -> Result<(), ModelError> {
        if found >= layers {
            return Ok(());
        }
        Err(ModelError::Inconsistent {
            key: self.key(name),
            expected: format!("{layers} entries, one per layer"),
            found: found.to_string(),
        })
    }

    /// Refuses a value other than the one that follows from the rest.
    pub fn expect(&self, name: &str, expected: u64) -> Result<(), ModelError> {
        let key = self.key(name);
        match self.metadata.u64(&key)? {
            found if found == expected => Ok(()),
            found => Err(ModelError::Inconsistent {
                key,
                expected: expected.to_string(),
                found: found.to_string(),
            }),
        }
    }
}

fn within(key: String, found: u64, limit: u64) -> Result<u64, ModelError> {
    if (1..=limit).contains(&found) {
        Ok(found)
    } else {
        Err(ModelError::OutOfRange { key, found, limit })
    }
}

/// Tokens of the embedding: its second dimension.
pub(super) fn vocabulary(tensors: &[TensorInfo]) -> Result<u64, ModelError> {
    const NAME: &str = "token_embd.weight";
    tensors
        .iter()
        .find(|tensor| tensor.name == NAME)
        .and_then(|tensor| tensor.dims.get(1).copied())
        .ok_or_else(|| ModelError::MissingTensor {
            name: NAME.to_owned(),
        })
}

/// A hyper-parameter as files store it. Those read are below 2^32, as are the constants here.
pub(super) fn u32_value(value: u64) -> Value {
    Value::U32(value as u32)
}
