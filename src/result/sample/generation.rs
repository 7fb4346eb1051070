//! An end-to-end case: an engine that generated eight tokens twice, and the weights that it was given.

use std::collections::BTreeMap;

use super::draft::{Draft, SEED};
use crate::build_info::sha256_hex;
use crate::config::{SyntheticScale, load};
use crate::result::*;

const MODEL: &str = "gemma4_26b_a4b";
const NEW_TOKENS: u64 = 8;
const PROMPT_TOKENS: u64 = 8;
const MOVED_BYTES: u64 = 2_610_000_000;

pub(super) fn engine() -> EngineRecord {
    EngineRecord {
        driver: "native".to_owned(),
        name: "spark-engine 0.1.0".to_owned(),
        program_sha256: sha256_hex(b"spark-engine"),
        arguments: vec!["serve".to_owned()],
        environment: BTreeMap::from([
            ("LC_ALL".to_owned(), "C".to_owned()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ]),
    }
}

/// The pinned synthetic file, with two tensors in place of its hundreds.
pub(super) fn weights() -> WeightsRecord {
    let model = load::model(MODEL).unwrap();
    let pin = model
        .synthetic
        .iter()
        .find(|pin| pin.scale == SyntheticScale::Full)
        .unwrap();
    let tensor = |name: &str, r#type: &str, bytes| TensorRecord {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        bytes,
        sha256: sha256_hex(name.as_bytes()),
    };
    let tensors = vec![
        tensor("token_embd.weight", "Q6_K", 605_552_640),
        tensor("output_norm.weight", "F32", 11_264),
    ];
    WeightsRecord {
        model: MODEL.to_owned(),
        file_bytes: pin.bytes,
        sha256: pin.sha256.clone(),
        pin: Reading::of(WeightsPinRecord {
            origin: WeightsOrigin::Synthetic,
            name: pin.scale.name().to_owned(),
        }),
        vocabulary: model.vocabulary_size,
        layers: u64::from(model.layer_count),
        experts: u64::from(model.experts.count),
        experts_used: u64::from(model.experts.per_token),
        tensors_sha256: tensors_sha256(&tensors),
        tensors,
    }
}

/// The case on a GPU, begun at `clock`, which moves to its end.
pub(super) fn case(clock: &mut u64, cache_bytes: u64) -> CaseRecord {
    let weights = weights();
    let run = |index: u32, sent_ns: u64, first_ns: u64| GenerationRun {
        prompt_sha256: ids_sha256(&prompt(index)),
        prompt_ids: Reading::of(prompt(index)),
        ids: ids(index),
        ids_sha256: ids_sha256(&ids(index)),
        routing: traced_steps(NEW_TOKENS)
            .map(|step| token(&weights, PROMPT_TOKENS - 1 + step))
            .collect(),
        sent_ns,
        token_ns: (0..NEW_TOKENS)
            .map(|i| first_ns + i * 1_900_000 + i % 3 * 10_000)
            .collect(),
        self_reported: BTreeMap::from([("threads".to_owned(), "2".to_owned())]),
        findings: vec![],
    };
    let begin = *clock + 60_000_000;
    let runs = vec![
        run(0, begin, 25_000_000),
        run(1, begin + 60_000_000, 24_000_000),
    ];
    let samples_ns: Vec<u64> = runs.iter().flat_map(GenerationRun::gaps_ns).collect();
    let mut case = Draft::new(
        &format!("e2e/{MODEL}/witness"),
        CaseKind::Generation,
        DeviceKind::Cuda,
        cache_bytes,
    )
    .size("prompt_tokens", PROMPT_TOKENS)
    .size("new_tokens", NEW_TOKENS)
    .size("runs", runs.len() as u64)
    .label("fill", "prompt")
    .label("replay", "cpu")
    .label("sampling", "greedy")
    .work(MOVED_BYTES, 0, 0)
    .buffer(weights.file_bytes)
    .cache(Cache::NotApplicable)
    .time(1_900_000, 1)
    .record(clock);
    case.family = "e2e".to_owned();
    case.ended_ns = begin + 140_000_000;
    *clock = case.ended_ns + 1_000_000;
    if let Some(measurement) = &mut case.measurement {
        let count = samples_ns.len() as u64;
        measurement.timer = Timer::MonotonicRaw;
        measurement.samples_ns = samples_ns;
        measurement.inputs = Inputs {
            generator: "sparkbench.plain_ids/1".to_owned(),
            seed: case_seed(SEED, &case.id),
        };
        measurement.warmup = Warmup {
            samples: NEW_TOKENS,
            duration_ns: 55_000_000,
            reason: WarmupReason::Fixed,
        };
        measurement.stopping = Stopping {
            rule: StoppingRule {
                relative_error: 0.01,
                min_samples: count,
                max_samples: count,
                min_time_ns: 0,
                max_time_ns: 1_000_000_000_000,
            },
            reason: StoppingReason::Fixed,
            duration_ns: 120_000_000,
        };
        measurement.check.poisoned = false;
        measurement.check.outputs_checked = NEW_TOKENS;
        measurement.check.expected_sha256 = ids_sha256(&ids(0));
        measurement.check.observed_sha256 = ids_sha256(&ids(0));
    }
    case.generation = Some(GenerationRecord {
        model: MODEL.to_owned(),
        weights_sha256: weights.sha256.clone(),
        engine_sha256: engine().program_sha256,
        prompt: PromptRecord {
            generator: "sparkbench.plain_ids/1".to_owned(),
            corpus_sha256: Reading::missing("the prompt is plain ids"),
            tokens: PROMPT_TOKENS,
        },
        witness: true,
        derived: GenerationFigures::of(PROMPT_TOKENS, &runs, weights.experts).unwrap(),
        runs,
        resources: None,
        stages: Some(Reading::of(stages())),
    });
    case
}

/// A token whose parts move together what the case's token moves.
fn stages() -> StagesRecord {
    let part = |part: &str, kernel: &str, numbers: [u64; 5]| StagePartRecord {
        part: part.to_owned(),
        kernel: kernel.to_owned(),
        launches: numbers[0],
        bytes: numbers[1],
        ns: numbers[2],
        with_ns: numbers[3],
        without_ns: numbers[4],
        derived: StagePartFigures::none(),
    };
    let input = [25, 1_900_000_000, 1_350_000, 1_880_000, 520_000];
    let attention = [25, 200_704, 116_900, 1_880_000, 1_696_200];
    let head = [1, 605_552_640, 225_300, 1_880_000, 1_656_000];
    let next = [1, 2310, 2500, 1_888_000, 1_880_000];
    StagesRecord::new(
        PROMPT_TOKENS + NEW_TOKENS / 2,
        1_888_000,
        vec![
            part("sliding input", "project_k", input),
            part("sliding attention", "attention", attention),
            part("head", "head", head),
            part("next token", "next_token", next),
        ],
    )
}

fn prompt(run: u32) -> Vec<u32> {
    (0..PROMPT_TOKENS as u32)
        .map(|i| 300 + run + i * 7)
        .collect()
}

fn ids(run: u32) -> Vec<u32> {
    (0..NEW_TOKENS as u32)
        .map(|i| 1000 + run + i * 31 % 17)
        .collect()
}

fn token(weights: &WeightsRecord, position: u64) -> RoutingRecord {
    let experts = |layer: u64| {
        let chosen =
            (0..weights.experts_used).map(|i| (layer + position + i * 5) % weights.experts);
        chosen.map(|id| id as u16).collect()
    };
    RoutingRecord {
        position,
        experts: (0..weights.layers).map(experts).collect(),
    }
}
