//! The figures that follow from a generation, computed here alone, for `run` and for `verify`.

use std::collections::BTreeSet;

use super::{GenerationFigures, GenerationRecord, GenerationRun, Reading, RoutingRecord};
use crate::build_info::sha256_hex;
use crate::stats::{ascending, median, quantile};

impl GenerationRun {
    /// Times between neighbouring tokens, in ns.
    pub fn gaps_ns(&self) -> impl Iterator<Item = u64> {
        let pairs = self.token_ns.iter().zip(self.token_ns.iter().skip(1));
        pairs.map(|(before, after)| after.saturating_sub(*before))
    }

    /// Time from the first token to the last over the tokens in between; none below two tokens.
    pub fn decode_ns_per_token(&self) -> Option<f64> {
        let (first, last) = (self.token_ns.first()?, self.token_ns.last()?);
        let gaps = self.token_ns.len() - 1;
        (gaps > 0).then(|| last.saturating_sub(*first) as f64 / gaps as f64)
    }
}

impl GenerationFigures {
    /// The figures of a generation of `experts` experts per layer; none where no run has a token or the first took no
    /// time.
    pub fn of(prompt_tokens: u64, runs: &[GenerationRun], experts: u64) -> Option<Self> {
        let ttfts = runs
            .iter()
            .map(|run| run.token_ns.first().copied())
            .collect::<Option<Vec<u64>>>()?;
        let ttft_ns = median(&ascending(&ttfts)).filter(|ns| *ns > 0.0)?;
        let one = "one token has no time between tokens";
        let mut decodes: Vec<f64> = runs
            .iter()
            .filter_map(GenerationRun::decode_ns_per_token)
            .collect();
        decodes.sort_by(f64::total_cmp);
        let decode = median(&decodes);
        let gaps: Vec<u64> = runs.iter().flat_map(GenerationRun::gaps_ns).collect();
        let gaps = ascending(&gaps);
        let tbt = |q| Reading::from_option(quantile(&gaps, q), one);
        let rate = match decode {
            Some(ns) if ns > 0.0 => Reading::of(1e9 / ns),
            Some(_) => Reading::missing("all tokens arrived at one time"),
            None => Reading::missing(one),
        };
        Some(Self {
            ttft_ns,
            prefill_tokens_per_s: prompt_tokens as f64 * 1e9 / ttft_ns,
            decode_ns_per_token: Reading::from_option(decode, one),
            decode_tokens_per_s: rate,
            tbt_p50_ns: tbt(0.5),
            tbt_p90_ns: tbt(0.9),
            tbt_p99_ns: tbt(0.99),
            unique_experts: unique_experts(runs),
            expert_uses: expert_uses(runs, experts),
        })
    }
}

impl GenerationRecord {
    /// Its figures, computed anew.
    pub fn figures(&self, experts: u64) -> Option<GenerationFigures> {
        GenerationFigures::of(self.prompt.tokens, &self.runs, experts)
    }
}

/// The sampled tokens of all runs.
fn sampled(runs: &[GenerationRun]) -> impl Iterator<Item = &RoutingRecord> {
    runs.iter().flat_map(|run| &run.routing)
}

fn unique_experts(runs: &[GenerationRun]) -> Vec<u64> {
    let layers = sampled(runs).map(|token| token.experts.len()).max();
    (0..layers.unwrap_or(0))
        .map(|layer| {
            let used: BTreeSet<u16> = sampled(runs)
                .filter_map(|token| token.experts.get(layer))
                .flatten()
                .copied()
                .collect();
            used.len() as u64
        })
        .collect()
}

fn expert_uses(runs: &[GenerationRun], experts: u64) -> Vec<u64> {
    // An expert's id is 16 bits wide.
    let mut uses = vec![0; experts.min(1 << 16) as usize];
    for id in sampled(runs).flat_map(|token| token.experts.iter().flatten()) {
        if let Some(uses) = uses.get_mut(usize::from(*id)) {
            *uses += 1;
        }
    }
    uses
}

/// Digest of a list of tensors as `WeightsRecord::tensors_sha256` states it.
pub fn tensors_sha256(tensors: &[super::TensorRecord]) -> String {
    let lines: String = tensors
        .iter()
        .map(|t| format!("{} {} {} {}\n", t.name, t.r#type, t.bytes, t.sha256))
        .collect();
    sha256_hex(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(token_ns: &[u64]) -> GenerationRun {
        GenerationRun {
            prompt_ids: Reading::missing("a test"),
            prompt_sha256: String::new(),
            ids: vec![],
            ids_sha256: String::new(),
            routing: vec![],
            sent_ns: 5,
            token_ns: token_ns.to_vec(),
            self_reported: Default::default(),
            findings: vec![],
        }
    }

    #[test]
    fn figures_follow_from_arrivals() {
        let runs = [
            run(&[100, 110, 130, 160]),
            run(&[300, 310, 320, 330]),
            run(&[200, 220, 240, 260]),
        ];
        let figures = GenerationFigures::of(50, &runs, 4).unwrap();
        assert_eq!(figures.ttft_ns, 200.0);
        assert_eq!(figures.prefill_tokens_per_s, 0.25e9);
        // 20, 10 and 20 ns per token in the three runs
        assert_eq!(figures.decode_ns_per_token, Reading::of(20.0));
        assert_eq!(figures.decode_tokens_per_s, Reading::of(5e7));
        // gaps: 10 10 10 10 20 20 20 20 30
        assert_eq!(figures.tbt_p50_ns, Reading::of(20.0));
        assert_eq!(figures.expert_uses, [0; 4]);
    }

    #[test]
    fn one_token_has_a_first_and_no_next() {
        let figures = GenerationFigures::of(5, &[run(&[100])], 0).unwrap();
        assert_eq!(figures.ttft_ns, 100.0);
        assert_eq!(
            figures.tbt_p99_ns.reason(),
            Some("one token has no time between tokens")
        );
        assert_eq!(GenerationFigures::of(5, &[run(&[])], 0), None);
        assert_eq!(GenerationFigures::of(5, &[], 0), None);
    }

    #[test]
    fn experts_are_counted_by_layer_and_by_id() {
        let token = |position, experts: [[u16; 2]; 2]| RoutingRecord {
            position,
            experts: experts.iter().map(|layer| layer.to_vec()).collect(),
        };
        let mut runs = [run(&[100]), run(&[100])];
        runs[0].routing = vec![token(7, [[0, 3], [1, 2]])];
        runs[1].routing = vec![token(8, [[3, 2], [1, 2]])];
        let figures = GenerationFigures::of(5, &runs, 4).unwrap();
        assert_eq!(figures.unique_experts, [3, 2]);
        assert_eq!(figures.expert_uses, [1, 2, 3, 2]);
    }
}
