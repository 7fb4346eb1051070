//! The header of a file, from bytes. Trusts no number in it; knows nothing of files.

use super::cursor::Cursor;
use super::error::shown;
use super::metadata::sorted_by_name;
use super::tensor::{MAX_DIMS, tensor_bytes};
use super::{Array, GgufError, Metadata, Strings, TensorInfo, Value, ValueType};
use crate::quant::TensorType;

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
pub(super) const DEFAULT_ALIGNMENT: u32 = 32;

// No public file comes near these. They bound the work that a hostile one can ask for; memory is bounded by a small
// multiple of its header's length in any case.
const MAX_HEADER_BYTES: u64 = 1 << 30; // the longest known, with 262,144 tokens and 514,906 merges, has 16 MB
const MAX_TENSORS: u64 = 1 << 16;
const MAX_PAIRS: u64 = 1 << 16;
const MAX_NAME_BYTES: u64 = (1 << 16) - 1;
const MAX_STRING_BYTES: u64 = 1 << 24;
const MAX_ELEMENTS: u64 = 1 << 24;
const MAX_NESTING: u32 = 4;
const MAX_ALIGNMENT: u32 = 1 << 20;

/// Everything that a header says, checked.
#[derive(Debug)]
pub(super) struct Contents {
    pub version: u32,
    pub alignment: u32,
    pub metadata: Metadata,
    pub tensors: Vec<TensorInfo>,
    /// Indices into `tensors`, sorted by name.
    pub by_name: Vec<usize>,
    pub data_offset: u64,
}

/// Reads the header at the start of `bytes` and checks it against a file of `file_bytes` bytes, which need not all be
/// there.
pub(super) fn contents(bytes: &[u8], file_bytes: u64) -> Result<Contents, GgufError> {
    let mut cursor = Cursor::new(bytes, MAX_HEADER_BYTES);
    let found = cursor.array("magic")?;
    if found != MAGIC {
        return Err(GgufError::NotGguf { found });
    }
    let version = match cursor.u32("version")? {
        version @ (2 | 3) => version,
        found if matches!(found.swap_bytes(), 1..=3) => {
            let version = found.swap_bytes();
            return Err(GgufError::BigEndian { version });
        }
        found => return Err(GgufError::Version { found }),
    };
    let tensor_count = cursor.count("tensors", MAX_TENSORS)?;
    let pair_count = cursor.count("key-value pairs", MAX_PAIRS)?;
    let metadata = read_metadata(&mut cursor, pair_count)?;
    let alignment = read_alignment(&metadata)?;
    let rows = read_table(&mut cursor, tensor_count)?;
    let data_offset = cursor.offset().next_multiple_of(alignment.into());

    let by_name =
        sorted_by_name(&rows, |row| &row.name).map_err(|index| GgufError::DuplicateTensor {
            tensor: shown(&rows[index].name),
            offset: rows[index].stated_at,
        })?;
    let tensors = rows
        .into_iter()
        .map(|row| row.place(alignment, data_offset, file_bytes))
        .collect::<Result<Vec<_>, _>>()?;
    refuse_overlap(&tensors)?;
    Ok(Contents {
        version,
        alignment,
        metadata,
        tensors,
        by_name,
        data_offset,
    })
}

fn read_metadata(cursor: &mut Cursor, count: u64) -> Result<Metadata, GgufError> {
    let mut pairs = Vec::new(); // grows as pairs are found, not as the count promises
    let mut stated_at = Vec::new();
    for _ in 0..count {
        stated_at.push(cursor.offset());
        let key = cursor.str("key", "bytes of key", MAX_NAME_BYTES)?;
        let ty = read_type(cursor, key)?;
        pairs.push((key.to_owned(), read_value(cursor, key, ty)?));
    }
    Metadata::new(pairs).map_err(|(index, key)| GgufError::DuplicateKey {
        key: shown(&key),
        offset: stated_at[index],
    })
}

fn read_alignment(metadata: &Metadata) -> Result<u32, GgufError> {
    match metadata.optional(ALIGNMENT_KEY, Metadata::u32)? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(found) => check_alignment(found),
    }
}

/// Refuses an alignment that is no power of two, or so large that padding would be most of a file.
pub(super) fn check_alignment(found: u32) -> Result<u32, GgufError> {
    if !found.is_power_of_two() || found > MAX_ALIGNMENT {
        return Err(GgufError::Alignment {
            found,
            most: MAX_ALIGNMENT,
        });
    }
    Ok(found)
}

fn read_type(cursor: &mut Cursor, key: &str) -> Result<ValueType, GgufError> {
    let offset = cursor.offset();
    let found = cursor.u32("value type")?;
    ValueType::from_id(found).ok_or_else(|| GgufError::UnknownValueType {
        key: shown(key),
        offset,
        found,
    })
}

fn read_value(cursor: &mut Cursor, key: &str, ty: ValueType) -> Result<Value, GgufError> {
    const WHAT: &str = "value";
    Ok(match ty {
        ValueType::U8 => Value::U8(u8::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::I8 => Value::I8(i8::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::U16 => Value::U16(u16::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::I16 => Value::I16(i16::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::U32 => Value::U32(u32::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::I32 => Value::I32(i32::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::F32 => Value::F32(f32::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::U64 => Value::U64(u64::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::I64 => Value::I64(i64::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::F64 => Value::F64(f64::from_le_bytes(cursor.array(WHAT)?)),
        ValueType::Bool => {
            let offset = cursor.offset();
            let [byte] = cursor.array(WHAT)?;
            Value::Bool(to_bool(key, offset, byte)?)
        }
        ValueType::String => Value::String(read_string(cursor)?.to_owned()),
        ValueType::Array => Value::Array(read_array(cursor, key, 1)?),
    })
}

fn read_string<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, GgufError> {
    cursor.str("string", "bytes of string", MAX_STRING_BYTES)
}

fn to_bool(key: &str, offset: u64, byte: u8) -> Result<bool, GgufError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(GgufError::NotBool {
            key: shown(key),
            offset,
            found,
        }),
    }
}

fn read_array(cursor: &mut Cursor, key: &str, depth: u32) -> Result<Array, GgufError> {
    let ty = read_type(cursor, key)?;
    let count = cursor.count("array elements", MAX_ELEMENTS)?;
    Ok(match ty {
        ValueType::U8 => Array::U8(numbers(cursor, count, u8::from_le_bytes)?),
        ValueType::I8 => Array::I8(numbers(cursor, count, i8::from_le_bytes)?),
        ValueType::U16 => Array::U16(numbers(cursor, count, u16::from_le_bytes)?),
        ValueType::I16 => Array::I16(numbers(cursor, count, i16::from_le_bytes)?),
        ValueType::U32 => Array::U32(numbers(cursor, count, u32::from_le_bytes)?),
        ValueType::I32 => Array::I32(numbers(cursor, count, i32::from_le_bytes)?),
        ValueType::F32 => Array::F32(numbers(cursor, count, f32::from_le_bytes)?),
        ValueType::U64 => Array::U64(numbers(cursor, count, u64::from_le_bytes)?),
        ValueType::I64 => Array::I64(numbers(cursor, count, i64::from_le_bytes)?),
        ValueType::F64 => Array::F64(numbers(cursor, count, f64::from_le_bytes)?),
        ValueType::Bool => {
            let start = cursor.offset();
            let bytes = cursor.take("array elements", count)?;
            let bools = (start..)
                .zip(bytes)
                .map(|(offset, byte)| to_bool(key, offset, *byte));
            Array::Bool(bools.collect::<Result<_, _>>()?)
        }
        ValueType::String => {
            cursor.expect_room("array elements", count, 8)?; // the length of each
            let mut strings = Strings::with_capacity(count as usize, 0);
            for _ in 0..count {
                strings.push(read_string(cursor)?);
            }
            Array::String(strings)
        }
        ValueType::Array => {
            if depth == MAX_NESTING {
                return Err(GgufError::TooDeep {
                    key: shown(key),
                    offset: cursor.offset(),
                    most: MAX_NESTING,
                });
            }
            cursor.expect_room("array elements", count, 12)?; // the type and length of each
            let inner = (0..count).map(|_| read_array(cursor, key, depth + 1));
            Array::Array(inner.collect::<Result<_, _>>()?)
        }
    })
}

fn numbers<T, const N: usize>(
    cursor: &mut Cursor,
    count: u64,
    from_le: fn([u8; N]) -> T,
) -> Result<Vec<T>, GgufError> {
    let bytes = cursor.take("array elements", count.saturating_mul(N as u64))?;
    let (chunks, _) = bytes.as_chunks::<N>();
    Ok(chunks.iter().map(|chunk| from_le(*chunk)).collect())
}

/// A row of the tensor table, before the data section's place is known.
struct Row {
    name: String,
    stated_at: u64,
    dims: Vec<u64>,
    ty: TensorType,
    bytes: u64,
    relative: u64,
}

fn read_table(cursor: &mut Cursor, count: u64) -> Result<Vec<Row>, GgufError> {
    let mut rows = Vec::new(); // grows as rows are found, not as the count promises
    for _ in 0..count {
        rows.push(read_row(cursor)?);
    }
    Ok(rows)
}

fn read_row(cursor: &mut Cursor) -> Result<Row, GgufError> {
    let stated_at = cursor.offset();
    let name = cursor.str("tensor name", "bytes of tensor name", MAX_NAME_BYTES)?;
    let offset = cursor.offset();
    let dim_count = cursor.u32("dimensions")?;
    if dim_count > MAX_DIMS {
        return Err(GgufError::TooMany {
            what: "dimensions",
            offset,
            most: MAX_DIMS.into(),
            found: dim_count.into(),
        });
    }
    let mut dims = (0..dim_count)
        .map(|_| cursor.u64("dimensions"))
        .collect::<Result<Vec<_>, _>>()?;
    if dims.is_empty() {
        dims.push(1); // a scalar, as llama.cpp reads it
    }
    let offset = cursor.offset();
    let id = cursor.u32("tensor type")?;
    let ty = TensorType::from_id(id).ok_or_else(|| GgufError::UnknownTensorType {
        tensor: shown(name),
        offset,
        id,
    })?;
    Ok(Row {
        name: name.to_owned(),
        stated_at,
        bytes: tensor_bytes(name, &dims, ty)?,
        dims,
        ty,
        relative: cursor.u64("tensor offset")?,
    })
}

impl Row {
    fn place(
        self,
        alignment: u32,
        data_offset: u64,
        file_bytes: u64,
    ) -> Result<TensorInfo, GgufError> {
        if !self.relative.is_multiple_of(alignment.into()) {
            return Err(GgufError::Misaligned {
                tensor: shown(&self.name),
                relative: self.relative,
                alignment,
            });
        }
        let offset = data_offset.checked_add(self.relative);
        let inside = offset.filter(|offset| {
            offset
                .checked_add(self.bytes)
                .is_some_and(|end| end <= file_bytes)
        });
        let Some(offset) = inside else {
            return Err(GgufError::OutOfFile {
                tensor: shown(&self.name),
                relative: self.relative,
                bytes: self.bytes,
                data_offset,
                file_bytes,
            });
        };
        Ok(TensorInfo {
            name: self.name,
            dims: self.dims,
            ty: self.ty,
            offset,
            bytes: self.bytes,
        })
    }
}

fn refuse_overlap(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_by_key(|tensor| tensor.offset);
    match order.windows(2).find(|pair| pair[1].offset < pair[0].end()) {
        None => Ok(()),
        Some(pair) => Err(GgufError::Overlap {
            first: shown(&pair[0].name),
            second: shown(&pair[1].name),
            offset: pair[1].offset,
            end: pair[0].end(),
        }),
    }
}
