//! Matrices as kernels see them: device addresses, a type, a width.

use crate::{device::cuda::Parameters, quant::TensorType};

/// A device address; 0 is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Address(pub u64);

impl Address {
    /// No address.
    pub const NULL: Address = Address(0);

    /// `bytes` further on; null stays null.
    pub fn offset(self, bytes: u64) -> Self {
        match self {
            Self::NULL => Self::NULL,
            Self(address) => Self(address + bytes),
        }
    }
}

/// A matrix of `columns` wide rows. Experts' matrices are one, with the rows of all experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    /// Where each plane begins, at a multiple of 16; see [`planes`](super::planes).
    pub planes: [Address; 4],
    /// Type of its elements.
    pub ty: TensorType,
    /// Elements of a row.
    pub columns: u32,
}

impl Matrix {
    /// No matrix.
    pub const NONE: Matrix = Matrix {
        planes: [Address::NULL; 4],
        ty: TensorType::F32,
        columns: 0,
    };

    /// Whether products with it take the vector as numbers of single precision, not as integers.
    pub fn takes_values(&self) -> bool {
        takes_values(self.ty)
    }

    /// Chunks of 16 bytes of quants that a row has.
    pub(super) fn units(&self) -> u32 {
        match self.ty {
            TensorType::F32 => self.columns / 4,
            TensorType::F16 | TensorType::BF16 => self.columns / 8,
            TensorType::Q8_0 => self.columns / 16,
            _ => self.columns / 32,
        }
    }

    pub(in crate::kernels) fn parameters(&self) -> Parameters {
        let planes = self.planes.iter();
        planes
            .fold(Parameters::new(), |all, plane| all.pointer(plane.0))
            .u32(self.ty.id())
            .u32(self.columns)
    }
}

fn takes_values(ty: TensorType) -> bool {
    matches!(ty, TensorType::F32 | TensorType::F16 | TensorType::BF16)
}

/// Shared memory is handed out in multiples of this many bytes.
const PLACE: u32 = 128;

/// Bytes of shared memory that `count` numbers of 4 bytes take.
pub(super) fn numbers_bytes(count: u32) -> u32 {
    (4 * count).next_multiple_of(PLACE)
}

/// Bytes of shared memory that a vector of `columns` numbers takes in the form that a matrix asks for.
pub(super) fn vector_bytes(columns: u32, as_values: bool) -> u32 {
    match as_values {
        true => numbers_bytes(columns),
        // 16-bit integers, and four numbers for every 32 of them.
        false => (2 * columns).next_multiple_of(PLACE) + (columns / 2).next_multiple_of(PLACE),
    }
}

/// Bytes that a step of a row takes in a slot: `span` chunks of quants, and what they need, as in `blocks.cuh`.
pub(super) fn step_bytes(ty: TensorType, span: u32) -> u32 {
    let extras = match ty {
        TensorType::Q4_K => span / 8,
        TensorType::Q5_K => span / 8 * 3,
        TensorType::Q6_K => span / 8 * 5 + 2,
        TensorType::Q8_0 => span / 16 + 1,
        TensorType::Q5_0 => span / 4 + span / 8 + 2,
        TensorType::Q5_1 => 2 * (span / 4 + 1),
        _ => 0,
    };
    (16 * (span + extras)).next_multiple_of(32)
}
