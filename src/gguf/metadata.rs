//! The key-value pairs of a file, read by key and by the type that the caller needs. Knows no key's meaning.

use super::error::shown;
use super::{Array, GgufError, Strings, Value};

/// Metadata in file order; every key occurs once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    pairs: Vec<(String, Value)>,
    /// Indices into `pairs`, sorted by key.
    by_key: Vec<usize>,
}

impl Metadata {
    /// Takes pairs in file order, or gives back the index and key of the first that repeats an earlier key.
    pub(super) fn new(pairs: Vec<(String, Value)>) -> Result<Self, (usize, String)> {
        match sorted_by_name(&pairs, |pair| &pair.0) {
            Ok(by_key) => Ok(Metadata { pairs, by_key }),
            Err(index) => Err((index, pairs[index].0.clone())),
        }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// All pairs in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key`, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        find_by_name(&self.pairs, &self.by_key, key, |pair| &pair.0).map(|pair| &pair.1)
    }

    /// What `read` finds under `key`, or `None` if the key is absent; a wrong type stays an error.
    ///
    /// `metadata.optional("a.b", Metadata::u32)?`
    pub fn optional<'a, T>(
        &'a self,
        key: &str,
        read: impl FnOnce(&'a Self, &str) -> Result<T, GgufError>,
    ) -> Result<Option<T>, GgufError> {
        match self.get(key) {
            Some(_) => read(self, key).map(Some),
            None => Ok(None),
        }
    }

    /// An integer of any type whose value fits `u32`; writers differ in the width that they choose.
    pub fn u32(&self, key: &str) -> Result<u32, GgufError> {
        self.read(key, "an integer that fits u32", |value| {
            value.as_integer()?.try_into().ok()
        })
    }

    /// An integer of any type whose value fits `u64`.
    pub fn u64(&self, key: &str) -> Result<u64, GgufError> {
        self.read(key, "an integer that fits u64", |value| {
            value.as_integer()?.try_into().ok()
        })
    }

    /// An integer of any type whose value fits `i64`.
    pub fn i64(&self, key: &str) -> Result<i64, GgufError> {
        self.read(key, "an integer that fits i64", |value| {
            value.as_integer()?.try_into().ok()
        })
    }

    /// An `f32`.
    pub fn f32(&self, key: &str) -> Result<f32, GgufError> {
        self.read(key, "f32", |value| match value {
            Value::F32(v) => Some(*v),
            _ => None,
        })
    }

    /// An `f32` or `f64`.
    pub fn f64(&self, key: &str) -> Result<f64, GgufError> {
        self.read(key, "f32 or f64", |value| match value {
            Value::F32(v) => Some((*v).into()),
            Value::F64(v) => Some(*v),
            _ => None,
        })
    }

    /// A `bool`.
    pub fn bool(&self, key: &str) -> Result<bool, GgufError> {
        self.read(key, "bool", |value| match value {
            Value::Bool(v) => Some(*v),
            _ => None,
        })
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<&str, GgufError> {
        self.read(key, "string", |value| match value {
            Value::String(v) => Some(v.as_str()),
            _ => None,
        })
    }

    /// An array of any integer type, every value fitting `i64`.
    pub fn integers(&self, key: &str) -> Result<Vec<i64>, GgufError> {
        fn widen<T: Copy + TryInto<i64>>(values: &[T]) -> Option<Vec<i64>> {
            values.iter().map(|v| (*v).try_into().ok()).collect()
        }
        self.read(key, "array of integers that fit i64", |value| match value {
            Value::Array(Array::U8(v)) => widen(v),
            Value::Array(Array::I8(v)) => widen(v),
            Value::Array(Array::U16(v)) => widen(v),
            Value::Array(Array::I16(v)) => widen(v),
            Value::Array(Array::U32(v)) => widen(v),
            Value::Array(Array::I32(v)) => widen(v),
            Value::Array(Array::U64(v)) => widen(v),
            Value::Array(Array::I64(v)) => widen(v),
            _ => None,
        })
    }

    /// An array of `f32`.
    pub fn floats(&self, key: &str) -> Result<&[f32], GgufError> {
        self.read(key, "array of f32", |value| match value {
            Value::Array(Array::F32(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of `bool`.
    pub fn bools(&self, key: &str) -> Result<&[bool], GgufError> {
        self.read(key, "array of bool", |value| match value {
            Value::Array(Array::Bool(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<&Strings, GgufError> {
        self.read(key, "array of string", |value| match value {
            Value::Array(Array::String(v)) => Some(v),
            _ => None,
        })
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, GgufError> {
        let value = self
            .get(key)
            .ok_or_else(|| GgufError::MissingKey { key: shown(key) })?;
        convert(value).ok_or_else(|| GgufError::WrongType {
            key: shown(key),
            expected,
            found: value.describe(),
        })
    }
}

/// Indices of `items` sorted by name, or the index of the first item that repeats an earlier name.
pub(super) fn sorted_by_name<T>(
    items: &[T],
    name: impl Fn(&T) -> &str,
) -> Result<Vec<usize>, usize> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| name(&items[*a]).cmp(name(&items[*b]))); // stable: equal names stay in file order
    let repeated = order
        .windows(2)
        .filter(|pair| name(&items[pair[0]]) == name(&items[pair[1]]));
    match repeated.map(|pair| pair[1]).min() {
        Some(index) => Err(index),
        None => Ok(order),
    }
}

/// The item called `wanted`, by the order that `sorted_by_name` gave.
pub(super) fn find_by_name<'a, T>(
    items: &'a [T],
    order: &[usize],
    wanted: &str,
    name: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    let found = order
        .binary_search_by(|index| name(&items[*index]).cmp(wanted))
        .ok()?;
    items.get(order[found])
}
