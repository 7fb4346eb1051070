//! The cases on the processor: the same definitions, host memory, threads in place of blocks.

use super::{
    super::{Case, ExpertSets, Job},
    reference::{ExpertMemory, bytes_of, fetches, range_sum},
};
use crate::{
    device::{
        DeviceError,
        cpu::{CpuDevice, CpuError, Gather, Span},
        generator,
    },
    kernels::Edge,
    measure::{Outcome, Sample, Timed},
    result::Cache,
    telemetry::monotonic_raw_ns,
};

/// The processor as a device.
pub struct Cpu {
    device: CpuDevice,
}

impl Cpu {
    /// A device of `threads` threads.
    ///
    /// # Errors
    ///
    /// [`CpuError`].
    pub fn open(threads: usize) -> Result<Self, CpuError> {
        Ok(Self {
            device: CpuDevice::new(threads)?,
        })
    }

    /// Puts the inputs of `case` in place and computes its reference.
    ///
    /// # Errors
    ///
    /// What the device refuses; a case that only GPUs have.
    pub fn prepare<'a>(
        &'a self,
        case: &Case,
        seed: u64,
    ) -> Result<Box<dyn Timed + 'a>, DeviceError> {
        let device = &self.device;
        let bytes = case.rotation.total_bytes;
        let operations = case.operations_per_sample;
        let work: CpuWork<'a> = match case.job {
            Job::ReadLoads | Job::ReadBulk | Job::Resident { .. } => {
                let buffer = device.generate(bytes, seed)?;
                CpuWork::returning(
                    vec![range_sum(seed, 0, bytes / 8); operations as usize],
                    move |_| Ok(device.read(&buffer)),
                )
            }
            Job::Write => {
                let mut buffer = device.generate(bytes, seed)?;
                let mut salt = seed;
                CpuWork {
                    timed: Box::new(move || {
                        salt = salt.wrapping_add(0x1234_5678_9ABC_DEF1);
                        buffer.words_mut().fill(POISON);
                        let begin = monotonic_raw_ns();
                        device.write(&mut buffer, salt);
                        let duration_ns = monotonic_raw_ns() - begin;
                        let expected = |index| generator::written(salt, index as u64);
                        Ok((duration_ns, Outputs::of(expected, buffer.words())))
                    }),
                    last: None,
                }
            }
            Job::Copy | Job::DriverCopy => {
                let from = device.generate(bytes, seed)?;
                let mut to = device.generate(bytes, !seed)?;
                CpuWork {
                    timed: Box::new(move || {
                        to.words_mut().fill(POISON);
                        let begin = monotonic_raw_ns();
                        device.copy(&from, &mut to)?;
                        let duration_ns = monotonic_raw_ns() - begin;
                        let expected = |index| generator::word(seed, index as u64);
                        Ok((duration_ns, Outputs::of(expected, to.words())))
                    }),
                    last: None,
                }
            }
            Job::Chase { stride, .. } => {
                let chain = device.chain(bytes, stride, seed)?;
                let next = generator::cycle(seed, (bytes / stride) as usize);
                let mut node = 0usize;
                CpuWork {
                    timed: Box::new(move || {
                        let begin = monotonic_raw_ns();
                        let end = chain.walk(node as u64 * stride / 8, operations);
                        let duration_ns = monotonic_raw_ns() - begin;
                        for _ in 0..operations {
                            node = next.get(node).copied().unwrap_or(0);
                        }
                        let expected = node as u64 * stride / 8;
                        Ok((duration_ns, Outputs::of(|_| expected, &[end])))
                    }),
                    last: None,
                }
            }
            Job::Edge {
                edge: Edge::Barrier | Edge::GridSync,
                ..
            } => {
                // One meeting leads to the next, so that the rounds of a sample are one call.
                CpuWork {
                    timed: Box::new(move || {
                        let begin = monotonic_raw_ns();
                        let met = device.meet(operations);
                        let duration_ns = monotonic_raw_ns() - begin;
                        Ok((duration_ns, Outputs::of(|_| operations, &[met])))
                    }),
                    last: None,
                }
            }
            Job::Edge { .. } => {
                let threads = device.threads() as u64;
                let expected = threads * (threads + 1) / 2;
                CpuWork::returning(vec![expected; operations as usize], move |_| {
                    Ok(device.fork_join())
                })
            }
            Job::KvRead { shape } => {
                let rotation = case.rotation;
                let buffer = device.generate(bytes, seed)?;
                let row = u64::from(shape.head_dim) * 2;
                let tokens = u64::from(shape.tokens);
                let heads = u64::from(shape.kv_heads);
                let gathers = (0..rotation.buffers)
                    .map(|index| {
                        let rows = (0..2 * heads).flat_map(move |head| {
                            let (half, head) = (head / heads, head % heads);
                            let base = index * rotation.bytes_per_buffer
                                + half * rotation.bytes_per_buffer / 2;
                            (0..tokens).map(move |token| Span {
                                offset_bytes: base + (token * heads + head) * row,
                                bytes: row,
                            })
                        });
                        Gather::new(rows)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let words = rotation.bytes_per_buffer / 8;
                let sums: Vec<u64> = (0..rotation.buffers)
                    .map(|index| range_sum(seed, index * words, words))
                    .collect();
                let expected = (0..operations as usize)
                    .map(|op| sums[op % sums.len()])
                    .collect();
                CpuWork::returning(expected, move |op| {
                    device.gather(&buffer, &gathers[op % gathers.len()])
                })
            }
            Job::ExpertFetch(ExpertSets {
                experts,
                used,
                bytes_per_expert,
                sets,
            }) => {
                let memory = ExpertMemory {
                    experts: u64::from(experts),
                    bytes_per_expert,
                };
                let fetches = fetches(seed, experts, used, sets);
                let layers = fetches
                    .iter()
                    .map(|fetch| fetch.layer + 1)
                    .max()
                    .unwrap_or(1);
                let buffer = device.generate(layers * memory.layer_bytes(), seed)?;
                let gathers = fetches
                    .iter()
                    .map(|fetch| {
                        let spans = fetch.ids.iter().flat_map(|&id| {
                            let parts = (0..3).filter(|&tensor| bytes_per_expert[tensor] > 0);
                            parts.map(move |tensor| Span {
                                offset_bytes: memory.tensor_offset(fetch.layer, tensor)
                                    + u64::from(id) * bytes_per_expert[tensor],
                                bytes: bytes_per_expert[tensor],
                            })
                        });
                        Gather::new(spans)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let sums = memory.sums(seed, &fetches);
                let warm = case.cache == Cache::Warm;
                let mut turn = 0;
                CpuWork {
                    timed: Box::new(move || {
                        // Cold: set after set. Warm: one set all the time, fetched before the clock starts.
                        let set = |operation: usize| match warm {
                            true => turn % gathers.len(),
                            false => operation % gathers.len(),
                        };
                        if warm {
                            device.gather(&buffer, &gathers[set(0)])?;
                        }
                        let mut observed = vec![POISON; operations as usize];
                        let begin = monotonic_raw_ns();
                        for (operation, word) in observed.iter_mut().enumerate() {
                            *word = device.gather(&buffer, &gathers[set(operation)])?;
                        }
                        let duration_ns = monotonic_raw_ns() - begin;
                        let outputs = Outputs::of(|operation| sums[set(operation)], &observed);
                        turn += 1;
                        Ok((duration_ns, outputs))
                    }),
                    last: None,
                }
            }
            Job::Tensor { .. } => {
                return Err(CpuError::Unsupported {
                    what: "tensor cores",
                }
                .into());
            }
        };
        Ok(Box::new(work))
    }
}

const POISON: u64 = 0xA5A5_A5A5_A5A5_A5A5;
/// Words that stand for the outputs in the record; all are compared.
const RECORDED_WORDS: usize = 4096;

struct Outputs {
    checked: u64,
    wrong: u64,
    expected: Vec<u8>,
    observed: Vec<u8>,
}

impl Outputs {
    /// Compares every word of `observed` with what `expected` gives for its index.
    fn of(expected: impl Fn(usize) -> u64, observed: &[u64]) -> Self {
        let wrong = (0..)
            .zip(observed)
            .filter(|(index, word)| expected(*index) != **word)
            .count();
        let head = observed.len().min(RECORDED_WORDS);
        Self {
            checked: observed.len() as u64,
            wrong: wrong as u64,
            expected: bytes_of(&(0..head).map(expected).collect::<Vec<_>>()),
            observed: bytes_of(&observed[..head]),
        }
    }
}

type TimedStep<'a> = Box<dyn FnMut() -> Result<(u64, Outputs), CpuError> + 'a>;

/// A prepared case. Outputs are fresh values of every run, so that poisoning them is making them.
struct CpuWork<'a> {
    timed: TimedStep<'a>,
    last: Option<Outputs>,
}

impl<'a> CpuWork<'a> {
    /// Operations that each return one word.
    fn returning(
        expected: Vec<u64>,
        mut operation: impl FnMut(usize) -> Result<u64, CpuError> + 'a,
    ) -> Self {
        let mut observed = vec![POISON; expected.len()];
        Self {
            timed: Box::new(move || {
                observed.fill(POISON);
                let begin = monotonic_raw_ns();
                for (index, word) in observed.iter_mut().enumerate() {
                    *word = operation(index)?;
                }
                let duration_ns = monotonic_raw_ns() - begin;
                Ok((duration_ns, Outputs::of(|index| expected[index], &observed)))
            }),
            last: None,
        }
    }
}

impl Timed for CpuWork<'_> {
    fn run(&mut self) -> Result<Sample, DeviceError> {
        let (duration_ns, outputs) = (self.timed)()?;
        self.last = Some(outputs);
        Ok(Sample {
            duration_ns,
            host_bound: false,
        })
    }

    fn check(&mut self) -> Result<Outcome, DeviceError> {
        Ok(self
            .last
            .as_ref()
            .map_or_else(Outcome::default, |outputs| Outcome {
                checked: outputs.checked,
                max_error: outputs.wrong as f64,
            }))
    }

    fn outputs(&self) -> (Vec<u8>, Vec<u8>) {
        self.last
            .as_ref()
            .map(|outputs| (outputs.expected.clone(), outputs.observed.clone()))
            .unwrap_or_default()
    }
}
