//! Gives every tensor and every buffer its place in device memory, and refuses what there are no kernels for. Touches no
//! device: addresses count from a base that may be any number.

use std::collections::HashMap;

use crate::engine::{Device, EngineError};
use crate::gguf::{Gguf, TensorInfo};
use crate::kernels::decode::{
    Address, Attention, ExpertsDown, ExpertsUp, Matrix, NormKind, Planes, Segment, Stage, planes,
};
use crate::kernels::tuning;
use crate::model::ModelError;
use crate::quant::{QuantError, TensorType, dequantizer};

use super::plan::Place;

/// Places begin at multiples of this many bytes: enough for every vector load.
const ALIGNMENT: u64 = 256;

/// A file as a plan sees it: its tensor table, and the bytes of those tensors whose values the plan itself needs.
pub(super) struct Source<'a> {
    pub tensors: &'a [TensorInfo],
    pub bytes: &'a dyn Fn(&TensorInfo) -> &'a [u8],
}

impl<'a> Source<'a> {
    /// What `bytes` is called for lies in `file`.
    pub fn of<B: AsRef<[u8]>>(
        file: &'a Gguf<B>,
        bytes: &'a dyn Fn(&TensorInfo) -> &'a [u8],
    ) -> Self {
        Source {
            tensors: file.tensors(),
            bytes,
        }
    }
}

/// What is to be copied to a place in device memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Upload {
    pub content: Content,
    /// Where it begins; for a tensor cut into planes where each of them does.
    pub to: [Address; 4],
}

/// A stage, and the part of the model that it is. The same part of every layer has the same name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub part: &'static str,
    pub stage: Stage,
}

/// Where the bytes come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// The file's own bytes.
    Tensor { tensor: TensorInfo, planes: Planes },
    /// A tensor's values as f32, each divided by `divisor`.
    Values { tensor: TensorInfo, divisor: f32 },
    /// Numbers of double precision.
    Doubles(Vec<f64>),
}

/// Places handed out one behind another, and the stages made with them.
pub(super) struct Planner<'a> {
    tensors: HashMap<&'a str, &'a TensorInfo>,
    bytes: &'a dyn Fn(&TensorInfo) -> &'a [u8],
    /// Of tensors that more than one stage uses.
    matrices: HashMap<String, Matrix>,
    base: u64,
    used: u64,
    sm_count: u32,
    splits_most: Option<u32>,
    pub uploads: Vec<Upload>,
    pub steps: Vec<Step>,
    /// How many steps were there when each layer began.
    pub begins: Vec<usize>,
}

impl<'a> Planner<'a> {
    /// Nothing placed yet; the first place is at the base, which is not 0.
    pub fn new(source: &Source<'a>, place: &Place) -> Self {
        let by_name = source.tensors.iter();
        Planner {
            tensors: by_name
                .map(|tensor| (tensor.name.as_str(), tensor))
                .collect(),
            bytes: source.bytes,
            matrices: HashMap::new(),
            base: place.base,
            used: 0,
            sm_count: place.sm_count,
            splits_most: place.splits_most,
            uploads: Vec::new(),
            steps: Vec::new(),
            begins: Vec::new(),
        }
    }

    /// Bytes that all places take.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Room for `bytes`.
    pub fn take(&mut self, bytes: u64) -> Address {
        let address = Address(self.base.saturating_add(self.used));
        let rounded = bytes
            .checked_next_multiple_of(ALIGNMENT)
            .unwrap_or(u64::MAX);
        self.used = self.used.saturating_add(rounded);
        address
    }

    /// Room for numbers of single precision.
    pub fn take_f32(&mut self, count: u32) -> Address {
        self.take(u64::from(count) * 4)
    }

    fn tensor(&self, name: &str) -> Result<&'a TensorInfo, EngineError> {
        let found = self.tensors.get(name).copied();
        found.ok_or_else(|| {
            ModelError::MissingTensor {
                name: name.to_owned(),
            }
            .into()
        })
    }

    /// A matrix, or the stacked matrices of all experts.
    pub fn matrix(&mut self, name: &str) -> Result<Matrix, EngineError> {
        if let Some(matrix) = self.matrices.get(name) {
            return Ok(*matrix);
        }
        let tensor = self.tensor(name)?;
        let planes = planes(tensor.ty).ok_or_else(|| EngineError::TensorType {
            name: name.to_owned(),
            source: QuantError::Unsupported { ty: tensor.ty },
        })?;
        let columns = tensor.dims.first().copied().unwrap_or(1);
        let unit = match tensor.ty {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 8,
            other => other.block_elements(),
        };
        if !columns.is_multiple_of(unit) {
            return Err(unsupported(
                format!("tensor {name}"),
                format!("rows of a multiple of {unit} {} elements", tensor.ty),
                columns,
            ));
        }
        // Kernels count a tensor's units of 16 bytes of quants in 32 bits.
        narrow(&format!("tensor {name}"), tensor.elements() / 4)?;
        let (starts, bytes) = planes.layout(tensor.bytes / tensor.ty.block_bytes());
        let start = self.take(bytes);
        let to = starts.map(|plane| plane.map_or(Address::NULL, |plane| start.offset(plane)));
        self.uploads.push(Upload {
            content: Content::Tensor {
                tensor: tensor.clone(),
                planes,
            },
            to,
        });
        let matrix = Matrix {
            planes: to,
            ty: tensor.ty,
            columns: narrow(name, columns)?,
        };
        self.matrices.insert(name.to_owned(), matrix);
        Ok(matrix)
    }

    /// A matrix that some files have.
    pub fn optional(&mut self, name: &str) -> Result<Option<Matrix>, EngineError> {
        match self.tensors.contains_key(name) {
            true => self.matrix(name).map(Some),
            false => Ok(None),
        }
    }

    /// All elements of a small tensor as f32.
    pub fn vector(&mut self, name: &str) -> Result<Address, EngineError> {
        self.vector_divided(name, 1.0)
    }

    /// All elements of a small tensor as f32, each divided by `divisor`.
    pub fn vector_divided(&mut self, name: &str, divisor: f32) -> Result<Address, EngineError> {
        let tensor = self.readable(name)?.clone();
        let address = self.take(tensor.elements() * 4);
        self.uploads.push(Upload {
            content: Content::Values { tensor, divisor },
            to: [address, Address::NULL, Address::NULL, Address::NULL],
        });
        Ok(address)
    }

    /// Room for `count` words that are 0 in front of the first token.
    pub fn zeros(&mut self, count: u32) -> Address {
        self.doubles(vec![0.0; count.div_ceil(2) as usize])
    }

    /// Numbers of double precision.
    pub fn doubles(&mut self, values: Vec<f64>) -> Address {
        let address = self.take(values.len() as u64 * 8);
        self.uploads.push(Upload {
            content: Content::Doubles(values),
            to: [address, Address::NULL, Address::NULL, Address::NULL],
        });
        address
    }

    /// The values of a small tensor, for the plan itself; none where the source has no bytes.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, EngineError> {
        let tensor = self.readable(name)?;
        Ok(values((self.bytes)(tensor), tensor))
    }

    fn readable(&self, name: &str) -> Result<&'a TensorInfo, EngineError> {
        let tensor = self.tensor(name)?;
        match dequantizer(tensor.ty) {
            Ok(_) => Ok(tensor),
            Err(source) => Err(EngineError::TensorType {
                name: name.to_owned(),
                source,
            }),
        }
    }

    /// Parts that attention over `capacity` positions is cut into, where `heads` query heads share `kv_heads`.
    pub fn splits(&self, heads: u32, kv_heads: u32, capacity: u32) -> u32 {
        self.splits_in(tuning::ATTENTION_BLOCKS_PER_SM, heads, kv_heads, capacity)
    }

    /// The same with a block for every SM, while the context is short or over a window.
    pub fn short_splits(&self, heads: u32, kv_heads: u32, capacity: u32) -> u32 {
        self.splits_in(1, heads, kv_heads, capacity)
    }

    fn splits_in(&self, blocks_per_sm: u32, heads: u32, kv_heads: u32, capacity: u32) -> u32 {
        let blocks = self.sm_count * blocks_per_sm;
        let splits = Attention::splits(heads, kv_heads, capacity, blocks);
        self.splits_most
            .map_or(splits, |most| splits.min(most.max(1)))
    }

    /// What is pushed from here on belongs to the next layer.
    pub fn begin_layer(&mut self) {
        self.begins.push(self.steps.len());
    }

    /// Appends a stage, which there is a kernel for.
    pub fn push(&mut self, part: &'static str, stage: Stage) -> Result<(), EngineError> {
        check_stage(&stage)?;
        self.steps.push(Step { part, stage });
        Ok(())
    }
}

/// Refuses a stage whose vectors do not fit the kernel's loads or its shared memory, or whose matrices it does not take
/// together.
pub(super) fn check_stage(stage: &Stage) -> Result<(), EngineError> {
    let name = || format!("stage {}", stage.name());
    let (norms, columns_most) = match stage {
        Stage::Project(project) => (Some(&project.norms), tuning::NORM_COLUMNS),
        Stage::ExpertsUp(up) => (Some(&up.norms), tuning::NORM_COLUMNS_UP),
        Stage::Head(head) => (Some(&head.norms), tuning::NORM_COLUMNS),
        _ => (None, 0),
    };
    if let Some(norms) = norms {
        let columns = norms.columns;
        if !columns.is_multiple_of(8) {
            let expected = "vectors of a multiple of 8 elements".to_owned();
            return Err(unsupported(name(), expected, columns));
        }
        if columns > columns_most && norms.kind != NormKind::Plain {
            let expected = format!("vectors of at most {columns_most} elements");
            return Err(unsupported(name(), expected, columns));
        }
        if let NormKind::HeadsGated { head, .. } = norms.kind
            && !head.is_multiple_of(8)
        {
            let expected = "heads of a multiple of 8 elements".to_owned();
            return Err(unsupported(name(), expected, head));
        }
    }
    let pairs: Vec<[Matrix; 2]> = match stage {
        Stage::Project(project) => project.segments.iter().filter_map(Segment::pair).collect(),
        Stage::ExpertsUp(up) if up.up != Matrix::NONE => vec![[up.gate, up.up]],
        _ => Vec::new(),
    };
    if let Some([gate, up]) = pairs.iter().find(|[gate, up]| gate.ty != up.ty) {
        let expected = format!("gate and up projections of one type, {}", gate.ty);
        return Err(unsupported(name(), expected, up.ty));
    }
    if let Stage::ExpertsUp(up) = stage {
        let rows = u64::from(up.used) * u64::from(up.width);
        if rows > ExpertsUp::MOST_ROWS {
            let expected = format!(
                "at most {} rows of the chosen experts",
                ExpertsUp::MOST_ROWS
            );
            return Err(unsupported(name(), expected, rows));
        }
    }
    if let Stage::ExpertsDown(down) = stage {
        if !down.width.is_multiple_of(8) || !down.shared_width.is_multiple_of(8) {
            let expected = "hidden vectors of a multiple of 8 elements".to_owned();
            let found = format!("{} and {}", down.width, down.shared_width);
            return Err(unsupported(name(), expected, found));
        }
        if !down.rows.is_multiple_of(2) {
            let expected = "an even number of rows".to_owned();
            return Err(unsupported(name(), expected, down.rows));
        }
        if down.parts() > ExpertsDown::MOST_PARTS {
            let expected = format!("at most {} pieces of a row", ExpertsDown::MOST_PARTS);
            return Err(unsupported(name(), expected, down.parts()));
        }
    }
    // Attention asks for its own, fixed amount.
    let bytes = stage.shared_bytes();
    if bytes > tuning::DYNAMIC_BYTES_MAX && !matches!(stage, Stage::Attention(_)) {
        let most = tuning::DYNAMIC_BYTES_MAX;
        let expected = format!("vectors of at most {most} bytes together");
        return Err(unsupported(name(), expected, bytes));
    }
    Ok(())
}

/// The values of a tensor with these bytes.
pub(super) fn values(bytes: &[u8], tensor: &TensorInfo) -> Vec<f32> {
    let count = (bytes.len() as u64 / tensor.ty.block_bytes()) * tensor.ty.block_elements();
    let mut values = vec![0.0; count as usize];
    if let Ok(dequantize) = dequantizer(tensor.ty) {
        dequantize(bytes, &mut values);
    }
    values
}

/// A size that kernels count in 32 bits.
pub(super) fn narrow(what: &str, size: u64) -> Result<u32, EngineError> {
    u32::try_from(size)
        .map_err(|_| unsupported(what.to_owned(), format!("at most {}", u32::MAX), size))
}

/// A refusal of what there are no kernels for.
pub(super) fn unsupported(what: String, expected: String, found: impl ToString) -> EngineError {
    EngineError::Unsupported {
        device: Device::Cuda,
        what,
        expected,
        found: found.to_string(),
    }
}
