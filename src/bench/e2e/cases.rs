//! The cases of a model: a witness that a CPU can replay in minutes, and the contexts that its targets name.

use std::collections::BTreeMap;

use super::super::{Case, Platform};
use super::Weights;
use crate::result::{Cache, CaseKind, Comparison, DeviceKind, Rotation, Work, traced_steps};

/// Prompt and new tokens of the witness.
const WITNESS_TOKENS: u64 = 64;
/// Tokens chosen behind longer prompts.
const NEW_TOKENS: u64 = 128;
/// Timed runs; one more goes before them and one behind, untimed.
const RUNS: u64 = 3;
/// Memory of an engine beside weights, KV cache and state. Modelled.
const WORKSPACE_BYTES: u64 = 512 << 20;
/// Bytes per nanosecond at which a CPU engine reads weights, and how much more of them prefill reads per token than a
/// decoded token does. Modelled.
const CPU_GBPS: f64 = 1.0;
const PREFILL_SHARE: f64 = 0.3;

/// What an engine is asked to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationJob {
    /// `name` of the model's configuration.
    pub model: String,
    /// Ids of the prompt.
    pub prompt_tokens: u64,
    /// Tokens to be chosen behind it.
    pub new_tokens: u64,
    /// Timed runs.
    pub runs: u64,
    /// Whether the case is the one that a CPU can replay.
    pub witness: bool,
}

impl GenerationJob {
    /// Steps whose experts are asked for, counted from 0.
    pub fn traced(&self) -> Vec<u32> {
        traced_steps(self.new_tokens)
            .map(|step| step as u32)
            .collect()
    }
}

/// The cases of a model's weights: the witness, and each of `contexts` on a GPU.
pub fn generation_cases(
    platform: &Platform,
    weights: &Weights,
    contexts: &[u64],
) -> Vec<Case<GenerationJob>> {
    let mut cases = vec![case(
        platform,
        weights,
        WITNESS_TOKENS,
        WITNESS_TOKENS,
        true,
    )];
    // A CPU would take hours over them.
    if platform.device == DeviceKind::Cuda {
        let longer = contexts.iter().map(|&context| {
            let prompt = context.saturating_sub(NEW_TOKENS).max(1);
            case(platform, weights, prompt, NEW_TOKENS, false)
        });
        cases.extend(longer);
    }
    cases
}

fn case(
    platform: &Platform,
    weights: &Weights,
    prompt_tokens: u64,
    new_tokens: u64,
    witness: bool,
) -> Case<GenerationJob> {
    let context = prompt_tokens + new_tokens;
    // The context grows while tokens are chosen: on average it is half way.
    let half_way = weights.at(prompt_tokens + new_tokens / 2);
    let moved_bytes = half_way.map_or(0, |at| at.moved_bytes);
    let resident_bytes = weights.at(context).map_or(0, |at| at.resident_bytes);
    let state_bytes = weights.architecture.state_bytes();
    let name = match witness {
        true => "witness".to_owned(),
        false => context.to_string(),
    };
    let gbps = match platform.device {
        DeviceKind::Cuda => platform.read_gbps / 2.0,
        DeviceKind::Cpu => CPU_GBPS,
    };
    let forward_ns = moved_bytes as f64 / gbps;
    let run_ns = forward_ns * (new_tokens as f64 + PREFILL_SHARE * prompt_tokens as f64);
    let mut labels = BTreeMap::from([
        ("sampling".to_owned(), "greedy".to_owned()),
        ("fill".to_owned(), "prompt".to_owned()),
    ]);
    if witness {
        labels.insert("replay".to_owned(), "cpu".to_owned());
    }
    let mut sizes = BTreeMap::from([
        ("prompt_tokens".to_owned(), prompt_tokens),
        ("new_tokens".to_owned(), new_tokens),
        ("runs".to_owned(), RUNS),
    ]);
    if !witness {
        sizes.insert("context_tokens".to_owned(), context);
    }
    Case {
        id: format!("e2e/{}/{name}", weights.model.name),
        kind: CaseKind::Generation,
        sizes,
        labels,
        work: Work {
            bytes_read: moved_bytes - state_bytes.min(moved_bytes),
            bytes_written: state_bytes.min(moved_bytes),
            operations: 0,
        },
        cache: Cache::NotApplicable,
        operations_per_sample: 1,
        rotation: Rotation {
            buffers: 1,
            bytes_per_buffer: weights.file_bytes,
            total_bytes: weights.file_bytes,
            cache_bytes: platform.cache_bytes,
        },
        memory_bytes: resident_bytes.max(weights.file_bytes) + WORKSPACE_BYTES,
        estimate_ns: (run_ns * (RUNS + 2) as f64) as u64,
        reference: "the ids of the first run, once more behind its prompt; a replay holds all to the weights",
        comparison: Comparison::Exact,
        tolerance: 0.0,
        job: GenerationJob {
            model: weights.model.name.clone(),
            prompt_tokens,
            new_tokens,
            runs: RUNS,
            witness,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::model::Scale;

    fn platform(device: DeviceKind) -> Platform {
        let machine = load::machine("h100").unwrap();
        Platform {
            device,
            ..Platform::of_machine(&machine)
        }
    }

    #[test]
    fn a_token_moves_what_the_configuration_states() {
        let model = load::model("qwen35_35b_a3b").unwrap();
        let weights = Weights::synthetic(&model, Scale::Full).unwrap();
        let cases = generation_cases(&platform(DeviceKind::Cuda), &weights, &[2048, 32_768]);
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "e2e/qwen35_35b_a3b/witness",
                "e2e/qwen35_35b_a3b/2048",
                "e2e/qwen35_35b_a3b/32768"
            ]
        );
        // The mean context of the second case is 1984 tokens.
        let stated = &model.stated;
        assert_eq!(
            cases[1].bytes_per_operation(),
            stated.token_bytes_at_2048_context - 64 * stated.kv_bytes_per_token_f16
        );
        assert_eq!(cases[1].work.bytes_written, stated.recurrent_state_bytes);
    }

    #[test]
    fn a_cpu_generates_the_witness_alone() {
        let model = load::model("gemma4_26b_a4b").unwrap();
        let weights = Weights::synthetic(&model, Scale::Tiny).unwrap();
        let cases = generation_cases(&platform(DeviceKind::Cpu), &weights, &[2048]);
        assert_eq!(cases.len(), 1);
        assert!(cases[0].job.witness);
        assert_eq!(cases[0].job.traced(), [0, 8, 16, 24, 32, 40, 48, 56, 63]);
    }
}
