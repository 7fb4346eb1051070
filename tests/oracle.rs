//! The reference and the CPU engine compute what other programs compute: tiny models of both architectures, whose
//! logits transformers and llama.cpp gave for the same file. `oracle/README.md` says how the fixtures were made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use sparkbench::engine::{self, Device, Options};
use sparkbench::gguf::Gguf;
use sparkbench::reference::Decoder;

/// Files whose weights are all F32: two of each architecture, of other sizes and layer patterns.
const F32: [&str; 4] = ["qwen35moe_a", "qwen35moe_b", "gemma4_a", "gemma4_b"];
/// Files that llama.cpp quantised as Q4_K_M.
const Q4_K_M: [&str; 2] = ["qwen35moe_q4_k_m", "gemma4_q4_k_m"];

fn fixture(name: &str, suffix: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    folder.join(format!("{name}.{suffix}"))
}

/// Logits behind positions of a prompt: all of them, or those that can be seen.
type Logits = BTreeMap<usize, Vec<f64>>;

fn ids(name: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(fixture(name, "ids")).unwrap();
    let ids = text.split_whitespace().map(|id| id.parse().unwrap());
    ids.collect()
}

/// The logits of another program: a NumPy file of version 1 with little-endian float32 in C order.
fn recorded(name: &str, program: &str) -> Logits {
    let bytes = std::fs::read(fixture(name, &format!("{program}.npy"))).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = str::from_utf8(&bytes[10..header]).unwrap();
    assert!(
        text.contains("'descr': '<f4', 'fortran_order': False"),
        "{text}"
    );
    let (numbers, rest) = bytes[header..].as_chunks::<4>();
    assert!(rest.is_empty());
    let numbers: Vec<f64> = numbers
        .iter()
        .map(|b| f32::from_le_bytes(*b).into())
        .collect();
    let rows = ids(name).len();
    assert_eq!(numbers.len() % rows, 0);
    let rows = numbers.chunks(numbers.len() / rows).map(<[f64]>::to_vec);
    rows.enumerate().collect()
}

/// A way in which our code gives logits for ids.
#[derive(Debug, Clone, Copy)]
enum Ours {
    ReferenceSteps,
    ReferenceBatch,
    EngineSteps,
    /// Batches of 1, 2, 3, ... tokens, each continuing the context; only the logits behind each are seen.
    EngineBatches,
    /// All ids at once; only the last logits are seen.
    EngineBatch,
}

impl Ours {
    const ALL: [Ours; 5] = [
        Ours::ReferenceSteps,
        Ours::ReferenceBatch,
        Ours::EngineSteps,
        Ours::EngineBatches,
        Ours::EngineBatch,
    ];

    fn logits(self, name: &str) -> Logits {
        let (path, ids) = (fixture(name, "gguf"), ids(name));
        let file = Gguf::open(&path).unwrap();
        let mut reference = Decoder::new(&file).unwrap();
        let mut logits = Logits::new();
        match self {
            Ours::ReferenceSteps => {
                let row = |id: &u32| reference.step(*id).unwrap().to_vec();
                logits.extend(ids.iter().map(row).enumerate());
            }
            Ours::ReferenceBatch => {
                let each = |position, row: &[f64]| {
                    logits.insert(position, row.to_vec());
                };
                reference.score(&ids, &mut (), each).unwrap();
            }
            Ours::EngineSteps => in_batches(&path, &ids, |_| 1, &mut logits),
            Ours::EngineBatches => in_batches(&path, &ids, |batch| batch + 1, &mut logits),
            Ours::EngineBatch => in_batches(&path, &ids, |_| ids.len(), &mut logits),
        }
        logits
    }
}

/// What the CPU engine says behind each batch; `size` is that of the n-th, where one token is a step.
fn in_batches(path: &Path, ids: &[u32], size: impl Fn(usize) -> usize, logits: &mut Logits) {
    let mut engine = engine::open(Device::Cpu, path, Options::default()).unwrap();
    let mut rest = ids;
    for batch in 0.. {
        let (now, later) = rest.split_at(size(batch).min(rest.len()));
        match now {
            [] => break,
            [id] => engine.step(*id).unwrap(),
            ids => engine.prefill(ids).unwrap(),
        }
        let row = engine.logits().iter().map(|logit| f64::from(*logit));
        logits.insert(engine.position() - 1, row.collect());
        rest = later;
    }
}

/// How far our logits lie from those of another program.
struct Distance {
    /// Largest difference of a logit, over the standard deviation of all of the other program's logits.
    max_over_sigma: f64,
    /// Mean Kullback-Leibler divergence of our distribution from the other's, over the positions.
    kl_nats: f64,
    /// Positions where the largest logit is another one.
    other_argmax: Vec<usize>,
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "max {:.1e} sigma, KL {:.1e} nats, other argmax at {:?}",
            self.max_over_sigma, self.kl_nats, self.other_argmax
        )
    }
}

/// Compares `ours` with `theirs` where ours are seen; two largest logits nearer than `tie_over_sigma` to each other may change places.
fn compare(ours: &Logits, theirs: &Logits, tie_over_sigma: f64) -> Distance {
    assert!(ours.contains_key(&(theirs.len() - 1)));
    let sigma = deviation(theirs);
    let mut distance = Distance {
        max_over_sigma: 0.0,
        kl_nats: 0.0,
        other_argmax: Vec::new(),
    };
    for (position, ours) in ours {
        let theirs = &theirs[position];
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs) {
            assert!(a.is_finite() && b.is_finite());
            distance.max_over_sigma = distance.max_over_sigma.max((a - b).abs() / sigma);
        }
        let (p, q) = (log_softmax(theirs), log_softmax(ours));
        distance.kl_nats += p
            .iter()
            .zip(&q)
            .map(|(p, q)| p.exp() * (p - q))
            .sum::<f64>();
        let (first, second) = (ranked(theirs, 0), ranked(theirs, 1));
        let tied = theirs[first] - theirs[second] <= tie_over_sigma * sigma;
        if ranked(ours, 0) != first && !tied {
            distance.other_argmax.push(*position);
        }
    }
    distance.kl_nats /= ours.len() as f64;
    distance
}

fn deviation(logits: &Logits) -> f64 {
    let count = logits.values().flatten().count() as f64;
    let mean = logits.values().flatten().sum::<f64>() / count;
    let squares = logits.values().flatten().map(|x| (x - mean).powi(2));
    (squares.sum::<f64>() / count).sqrt()
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = logits.iter().map(|x| (x - most).exp()).sum::<f64>();
    logits.iter().map(|x| x - most - sum.ln()).collect()
}

/// The id of the logit with `rank`, 0 for the largest.
fn ranked(logits: &[f64], rank: usize) -> usize {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order[rank]
}

/// What is asked of our logits, beside which program's.
struct Demand {
    program: &'static str,
    max_over_sigma: f64,
    kl_nats: f64,
    /// The largest logit is the same one wherever the next lies further below it than this.
    tie_over_sigma: f64,
}

/// Holds each of our ways to each of `demands` on the file `name`.
fn hold(name: &str, demands: &[Demand]) {
    for ours in Ours::ALL {
        let logits = ours.logits(name);
        for demand in demands {
            let theirs = recorded(name, demand.program);
            let distance = compare(&logits, &theirs, demand.tie_over_sigma);
            let what = format!("{name} {ours:?} {}: {distance}", demand.program);
            println!("{what}");
            assert!(distance.max_over_sigma <= demand.max_over_sigma, "{what}");
            assert!(distance.kl_nats <= demand.kl_nats, "{what}");
            assert!(distance.other_argmax.is_empty(), "{what}");
        }
    }
}

#[test]
fn f32_weights_give_the_logits_of_transformers_and_llama_cpp() {
    for name in F32 {
        let close = |program, max_over_sigma| Demand {
            program,
            max_over_sigma,
            kl_nats: 1e-4,
            tie_over_sigma: max_over_sigma,
        };
        hold(
            name,
            &[close("transformers", 1e-3), close("llama_cpp", 5e-3)],
        );
    }
}

/// llama.cpp rounds activations to eight bits before it multiplies them with quantised weights; float64 rounds nothing.
#[test]
fn q4_k_m_weights_give_the_logits_of_float64_and_nearly_those_of_llama_cpp() {
    for name in Q4_K_M {
        let close = |program, max_over_sigma, kl_nats| Demand {
            program,
            max_over_sigma,
            kl_nats,
            tie_over_sigma: max_over_sigma,
        };
        let demands = [
            close("transformers", 0.1, 1e-3),
            close("llama_cpp", 0.2, 1e-2),
        ];
        hold(name, &demands);
    }
}

/// A comparison that cannot fail shows nothing: the rows of other positions are far apart.
#[test]
fn logits_of_another_position_are_not_close() {
    for name in F32.iter().chain(&Q4_K_M) {
        let theirs = recorded(name, "transformers");
        let next = |(position, _)| (position, theirs[&((position + 1) % theirs.len())].clone());
        let shifted = theirs.clone().into_iter().map(next).collect();
        let distance = compare(&shifted, &theirs, 0.1);
        assert!(distance.max_over_sigma > 1.0, "{name}: {distance}");
        assert!(distance.kl_nats > 0.1, "{name}: {distance}");
        assert!(
            distance.other_argmax.len() > theirs.len() / 2,
            "{name}: {distance}"
        );
    }
}
