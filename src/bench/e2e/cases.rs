//! The cases of a model: a witness that a CPU can replay in minutes, and the contexts that its targets name.

use std::collections::BTreeMap;

use super::super::{Case, Platform};
use super::Weights;
use crate::result::{Cache, CaseKind, Comparison, DeviceKind, Rotation, Work, traced_steps};

/// Prompt and new tokens of the witness.
const WITNESS_TOKENS: u64 = 64;
/// Longest context that is read from a prompt unless somebody asks for more: a longer one takes an engine minutes for each
/// run, and decoding behind it does not depend on what it says.
const LONGEST_PROMPTED: u64 = 32_768;
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

/// Whence the context of a longer case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// From a prompt up to 32,768 tokens; beyond, the engine makes it up.
    #[default]
    Auto,
    /// From a prompt, however long that takes.
    Prompt,
    /// The engine makes it up.
    Synthetic,
}

impl Fill {
    /// Ids of the prompt of a case of `context` tokens; the engine makes up what lies in front of them.
    fn prompt_tokens(self, context: u64) -> u64 {
        let prompt = context.saturating_sub(NEW_TOKENS).max(1);
        let made_up = match self {
            Self::Auto => context > LONGEST_PROMPTED,
            Self::Prompt => false,
            Self::Synthetic => true,
        };
        match made_up {
            true => prompt.min(WITNESS_TOKENS),
            false => prompt,
        }
    }
}

/// What an engine is asked to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationJob {
    /// `name` of the model's configuration.
    pub model: String,
    /// Tokens that the engine makes up in front of the prompt; 0 but for cases of synthetic fill.
    pub filled_tokens: u64,
    /// Ids of the prompt.
    pub prompt_tokens: u64,
    /// Tokens to be chosen behind it.
    pub new_tokens: u64,
    /// Timed runs.
    pub runs: u64,
    /// Whether the case is the one that a CPU can replay.
    pub witness: bool,
    /// Whether it is run by the engine beside, in turn with the case in front of it.
    pub beside: bool,
}

impl GenerationJob {
    /// Tokens that the context holds at the end.
    pub fn context(&self) -> u64 {
        self.filled_tokens + self.prompt_tokens + self.new_tokens
    }

    /// Tokens in the context half way through the new ones: what the figures of a token are of.
    pub fn half_way(&self) -> u64 {
        self.filled_tokens + self.prompt_tokens + self.new_tokens / 2
    }

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
    fill: Fill,
) -> Vec<Case<GenerationJob>> {
    let job = |filled_tokens, prompt_tokens, new_tokens, witness| GenerationJob {
        model: weights.model.name.clone(),
        filled_tokens,
        prompt_tokens,
        new_tokens,
        runs: RUNS,
        witness,
        beside: false,
    };
    let witness = job(0, WITNESS_TOKENS, WITNESS_TOKENS, true);
    let mut cases = vec![case(platform, weights, witness)];
    // A CPU would take hours over them.
    if platform.device == DeviceKind::Cuda {
        let longer = contexts.iter().map(|&context| {
            let prompt = fill.prompt_tokens(context);
            let filled = context.saturating_sub(prompt + NEW_TOKENS);
            let job = job(filled, prompt, NEW_TOKENS, false);
            case(platform, weights, job)
        });
        cases.extend(longer);
    }
    cases
}

/// Each case, and behind it the same for an engine that runs beside: with both, memory must hold two.
pub fn with_beside(cases: Vec<Case<GenerationJob>>) -> Vec<Case<GenerationJob>> {
    let pair = |mut case: Case<GenerationJob>| {
        case.memory_bytes = case.memory_bytes.saturating_mul(2);
        let mut other = case.clone();
        if let Some((parent, name)) = case.id.rsplit_once('/') {
            other.id = format!("{parent}/beside/{name}");
        }
        other.labels.insert("beside".to_owned(), case.id.clone());
        other.job.beside = true;
        [case, other]
    };
    cases.into_iter().flat_map(pair).collect()
}

fn case(platform: &Platform, weights: &Weights, job: GenerationJob) -> Case<GenerationJob> {
    let (context, witness) = (job.context(), job.witness);
    // The context grows while tokens are chosen: on average it is half way.
    let half_way = weights.at(job.half_way());
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
    let run_ns = forward_ns * (job.new_tokens as f64 + PREFILL_SHARE * job.prompt_tokens as f64);
    let fill = match job.filled_tokens {
        0 => "prompt",
        _ => "synthetic",
    };
    let mut labels = BTreeMap::from([
        ("sampling".to_owned(), "greedy".to_owned()),
        ("fill".to_owned(), fill.to_owned()),
    ]);
    if witness {
        labels.insert("replay".to_owned(), "cpu".to_owned());
    }
    let mut sizes = BTreeMap::from([
        ("prompt_tokens".to_owned(), job.prompt_tokens),
        ("new_tokens".to_owned(), job.new_tokens),
        ("runs".to_owned(), job.runs),
    ]);
    if job.filled_tokens > 0 {
        sizes.insert("filled_tokens".to_owned(), job.filled_tokens);
    }
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
        estimate_ns: (run_ns * (job.runs + 2) as f64) as u64,
        reference: "the ids of the first run, once more behind its prompt; a replay holds all to the weights",
        comparison: Comparison::Exact,
        tolerance: 0.0,
        job,
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
        let contexts = [2048, 32_768];
        let cases = generation_cases(&platform(DeviceKind::Cuda), &weights, &contexts, Fill::Auto);
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
    fn deep_contexts_are_made_up_in_front_of_a_prompt_and_say_so() {
        let model = load::model("qwen35_35b_a3b").unwrap();
        let weights = Weights::synthetic(&model, Scale::Full).unwrap();
        let of = |fill, context| {
            let platform = platform(DeviceKind::Cuda);
            let case = generation_cases(&platform, &weights, &[context], fill).remove(1);
            let fill = case.labels["fill"].clone();
            let size = |name: &str| case.sizes.get(name).copied();
            assert_eq!(size("context_tokens"), Some(context));
            assert_eq!(case.job.context(), context);
            (fill, size("filled_tokens"), case.job.prompt_tokens)
        };
        let prompt = |tokens| ("prompt".to_owned(), None, tokens);
        let made_up = |filled| ("synthetic".to_owned(), Some(filled), 64);
        assert_eq!(of(Fill::Auto, 32_768), prompt(32_640));
        // The last token is the 262,144th.
        assert_eq!(of(Fill::Auto, 262_144), made_up(262_144 - 64 - 128));
        assert_eq!(of(Fill::Prompt, 262_144), prompt(262_016));
        assert_eq!(of(Fill::Synthetic, 2048), made_up(2048 - 64 - 128));
        // Nothing is left to be made up.
        assert_eq!(of(Fill::Synthetic, 192), prompt(64));
    }

    #[test]
    fn an_engine_beside_has_the_same_cases_in_turn() {
        let model = load::model("gemma4_26b_a4b").unwrap();
        let weights = Weights::synthetic(&model, Scale::Tiny).unwrap();
        let platform = platform(DeviceKind::Cuda);
        let alone = generation_cases(&platform, &weights, &[2048], Fill::Auto);
        let cases = with_beside(alone.clone());
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        let expected = ["witness", "beside/witness", "2048", "beside/2048"];
        assert_eq!(ids, expected.map(|id| format!("e2e/gemma4_26b_a4b/{id}")));
        assert_eq!(cases[3].labels["beside"], cases[2].id);
        assert_eq!(cases[3].memory_bytes, 2 * alone[1].memory_bytes);
        assert_eq!(cases[3].job.prompt_tokens, alone[1].job.prompt_tokens);
    }

    #[test]
    fn a_cpu_generates_the_witness_alone() {
        let model = load::model("gemma4_26b_a4b").unwrap();
        let weights = Weights::synthetic(&model, Scale::Tiny).unwrap();
        let cases = generation_cases(&platform(DeviceKind::Cpu), &weights, &[2048], Fill::Auto);
        assert_eq!(cases.len(), 1);
        assert!(cases[0].job.witness);
        assert_eq!(cases[0].job.traced(), [0, 8, 16, 24, 32, 40, 48, 56, 63]);
    }
}
