//! The cases on a GPU: what is queued before, what is timed, what is compared afterwards.

use super::{gpu::Gpu, reference::bytes_of};
use crate::{
    device::{
        DeviceError,
        cuda::{Arena, CudaError, Graph, Span},
    },
    measure::{Outcome, Sample, Timed},
};

/// Byte that outputs are filled with before every sample.
pub(super) const POISON: u8 = 0xA5;
/// Words that the host compares itself, beside the device's comparison of all.
const HOST_WORDS: usize = 4096;

pub(super) type Step<'a> = Box<dyn FnMut() -> Result<(), CudaError> + 'a>;
type Compare<'a> = Box<dyn FnMut() -> Result<Outputs, CudaError> + 'a>;

/// Outputs beside their reference.
pub(super) struct Outputs {
    expected: Vec<u8>,
    observed: Vec<u8>,
    checked: u64,
    wrong: u64,
}

/// Compares words one by one.
pub(super) fn compare(expected: &[u64], observed: &[u64]) -> Outputs {
    let differing = expected
        .iter()
        .zip(observed)
        .filter(|(a, b)| a != b)
        .count();
    Outputs {
        expected: bytes_of(expected),
        observed: bytes_of(observed),
        checked: expected.len() as u64,
        wrong: (differing + expected.len().abs_diff(observed.len())) as u64,
    }
}

/// A prepared case.
pub(super) struct GpuWork<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) before: Step<'a>,
    pub(super) timed: Step<'a>,
    pub(super) compare: Compare<'a>,
    pub(super) last: (Vec<u8>, Vec<u8>),
}

impl Timed for GpuWork<'_> {
    fn run(&mut self) -> Result<Sample, DeviceError> {
        (self.before)()?;
        let gpu = self.gpu;
        Ok(gpu
            .timer
            .time(&gpu.stream, &gpu.calibration, &mut self.timed)?)
    }

    fn check(&mut self) -> Result<Outcome, DeviceError> {
        let outputs = (self.compare)()?;
        self.last = (outputs.expected, outputs.observed);
        Ok(Outcome {
            checked: outputs.checked,
            max_error: outputs.wrong as f64,
        })
    }

    fn outputs(&self) -> (Vec<u8>, Vec<u8>) {
        self.last.clone()
    }
}

pub(super) fn replay<'a>(gpu: &'a Gpu, graph: Graph) -> Step<'a> {
    Box::new(move || gpu.stream.replay(&graph))
}

/// The sums that `launches` launches left in `out`, each of the same number of blocks.
pub(super) fn launch_sums(gpu: &Gpu, out: Span, launches: usize) -> Result<Vec<u64>, CudaError> {
    let words = (out.bytes() / 8) as usize;
    let blocks: Vec<u64> = gpu.stream.download(out, words)?;
    Ok(blocks
        .chunks((words / launches.max(1)).max(1))
        .map(|blocks| {
            blocks
                .iter()
                .fold(0, |sum: u64, block| sum.wrapping_add(*block))
        })
        .collect())
}

/// Work whose launches each leave block sums: `out` is poisoned before, and the sums of launch i must add up to
/// `expected[i]`.
pub(super) fn summing<'a>(
    gpu: &'a Gpu,
    out: Span,
    expected: Vec<u64>,
    timed: Step<'a>,
) -> GpuWork<'a> {
    GpuWork {
        gpu,
        before: Box::new(move || gpu.stream.fill(out, POISON)),
        timed,
        compare: Box::new(move || Ok(compare(&expected, &launch_sums(gpu, out, expected.len())?))),
        last: Default::default(),
    }
}

/// Work that writes all of `out`: the device counts wrong words, the host looks at the first few thousand itself.
pub(super) fn writing<'a>(
    gpu: &'a Gpu,
    out: Span,
    counter: Span,
    before: Step<'a>,
    timed: Step<'a>,
    mut count: Step<'a>,
    expected_word: impl Fn(u64) -> u64 + 'a,
) -> GpuWork<'a> {
    GpuWork {
        gpu,
        before,
        timed,
        compare: Box::new(move || {
            gpu.stream.fill(counter, 0)?;
            count()?;
            let wrong = gpu.stream.download::<u64>(counter, 1)?;
            let head = HOST_WORDS.min((out.bytes() / 8) as usize);
            let expected: Vec<u64> = (0..head as u64).map(&expected_word).collect();
            let seen = compare(&expected, &gpu.stream.download(out, head)?);
            Ok(Outputs {
                checked: seen.checked + out.bytes() / 8,
                wrong: seen.wrong + wrong.iter().sum::<u64>(),
                ..seen
            })
        }),
        last: Default::default(),
    }
}

/// A span of generated words.
pub(super) fn input(
    gpu: &Gpu,
    arena: &mut Arena,
    bytes: u64,
    seed: u64,
) -> Result<Span, CudaError> {
    let span = arena.take(bytes)?;
    gpu.calibration.fill_words(&gpu.stream, span, seed)?;
    gpu.stream.synchronize()?;
    Ok(span)
}
