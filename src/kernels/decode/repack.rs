//! The planes that a tensor's blocks are cut into, so that every load of a kernel is an aligned one: the same bits as in
//! the file, in another order.

use crate::{device::cuda::Parameters, quant::TensorType};

use super::matrix::Address;

/// Planes begin at multiples of this many bytes.
const ALIGNMENT: u64 = 256;
/// Most planes of a tensor.
const MOST: usize = 4;

/// Words of every block that lie together, block after block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    /// The first of them in a block of the file, counted in 16-bit words.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// How the tensors of a type lie in device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planes {
    ty: TensorType,
    /// None for a type that stays as it is in the file.
    cut: &'static [Plane],
}

const fn plane(first: u32, count: u32) -> Plane {
    Plane { first, count }
}

// 128 bytes of nibbles, 64 of upper bit pairs, 16 scales, one factor.
const Q6_K: &[Plane] = &[plane(0, 64), plane(64, 32), plane(96, 8), plane(104, 1)];
// 32 values behind a factor.
const Q8_0: &[Plane] = &[plane(1, 16), plane(0, 1)];
// 16 bytes of nibbles behind 4 of fifth bits behind a factor, or a factor and a minimum.
const Q5_0: &[Plane] = &[plane(3, 8), plane(1, 2), plane(0, 1)];
const Q5_1: &[Plane] = &[plane(4, 8), plane(2, 2), plane(0, 2)];

/// The planes of a type, or none where kernels do not know the type.
pub fn planes(ty: TensorType) -> Option<Planes> {
    let cut: &[Plane] = match ty {
        TensorType::F32
        | TensorType::F16
        | TensorType::BF16
        | TensorType::Q4_K
        | TensorType::Q5_K => &[],
        TensorType::Q6_K => Q6_K,
        TensorType::Q8_0 => Q8_0,
        TensorType::Q5_0 => Q5_0,
        TensorType::Q5_1 => Q5_1,
        _ => return None,
    };
    Some(Planes { ty, cut })
}

impl Planes {
    /// Whether the file's bytes are cut at all.
    pub fn is_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    /// Where each plane of a tensor of `blocks` blocks begins, and the bytes of all together.
    pub fn layout(&self, blocks: u64) -> ([Option<u64>; MOST], u64) {
        let mut starts = [None; MOST];
        if self.cut.is_empty() {
            starts[0] = Some(0);
            return (starts, blocks * self.ty.block_bytes());
        }
        let mut end = 0u64;
        for (start, plane) in starts.iter_mut().zip(self.cut) {
            let begin = end.next_multiple_of(ALIGNMENT);
            *start = Some(begin);
            end = begin + blocks * u64::from(plane.count) * 2;
        }
        // What does not begin at a multiple of 16 bytes is read with what is around it.
        (starts, end.next_multiple_of(16))
    }

    /// Bytes that a tensor of `blocks` blocks takes.
    pub fn bytes(&self, blocks: u64) -> u64 {
        self.layout(blocks).1
    }

    /// The cutting of `blocks` blocks at `file` into the planes of a tensor at `planes`, of which they are the blocks
    /// from `first` on.
    pub fn repack(
        &self,
        file: Address,
        planes: [Address; MOST],
        first: u64,
        blocks: u64,
    ) -> Repack {
        let mut here = [Address::NULL; MOST];
        for ((here, plane), cut) in here.iter_mut().zip(planes).zip(self.cut) {
            *here = plane.offset(first * u64::from(cut.count) * 2);
        }
        Repack {
            file,
            planes: here,
            blocks,
            words: (self.ty.block_bytes() / 2) as u32,
            cut: self.cut,
        }
    }
}

/// `repack` and `restore`: blocks to planes and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repack {
    /// Blocks as in the file.
    pub file: Address,
    /// The planes' parts for these blocks.
    pub planes: [Address; MOST],
    /// Number of blocks.
    pub blocks: u64,
    words: u32,
    cut: &'static [Plane],
}

impl Repack {
    pub(super) fn parameters(&self) -> Parameters {
        let nothing = plane(0, 0);
        let cut = |field: fn(&Plane) -> u32, all: Parameters| {
            let planes = self.cut.iter().chain(std::iter::repeat(&nothing));
            planes
                .take(MOST)
                .fold(all, |all, plane| all.u32(field(plane)))
        };
        let pointers = self.planes.iter();
        let all = pointers
            .fold(Parameters::new().pointer(self.file.0), |all, plane| {
                all.pointer(plane.0)
            })
            .u64(self.blocks)
            .u32(self.words);
        let all = cut(|plane| plane.first, all);
        cut(|plane| plane.count, all).u32(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_keep_every_byte_of_a_block_once() {
        let types = [
            TensorType::F32,
            TensorType::F16,
            TensorType::BF16,
            TensorType::Q8_0,
            TensorType::Q5_0,
            TensorType::Q5_1,
            TensorType::Q4_K,
            TensorType::Q5_K,
            TensorType::Q6_K,
        ];
        for ty in types {
            let planes = planes(ty).unwrap();
            assert_eq!(planes.bytes(256), 256 * ty.block_bytes(), "{ty}");
            let (starts, bytes) = planes.layout(3);
            assert!(bytes >= 3 * ty.block_bytes());
            assert!(
                starts
                    .iter()
                    .flatten()
                    .all(|start| start.is_multiple_of(256))
            );
            assert_eq!(planes.is_cut(), starts[1].is_some());
        }
        assert_eq!(planes(TensorType::Q4_0), None);
    }

    #[test]
    fn a_part_of_a_tensor_goes_to_its_part_of_the_planes() {
        let planes = planes(TensorType::Q5_0).unwrap();
        let all = [0x1000, 0x2000, 0x3000, 0].map(Address);
        let part = planes.repack(Address(0x9000), all, 10, 4);
        assert_eq!(part.planes, [0x10a0, 0x2028, 0x3014, 0].map(Address));
        assert_eq!(part.blocks, 4);
    }
}
