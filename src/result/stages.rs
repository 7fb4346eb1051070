//! A token taken apart by the engine that computes it, and the figures that follow, computed here alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::derive::percent;
use super::{Peaks, Reading};

/// The first integer that some JSON readers round.
const INTEGER_LIMIT: u64 = 1 << 53;

/// What each part of the model takes of a token, by the engine's own clock: stored and bounded, never scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagesRecord {
    /// Tokens in the context in front of the token; their contents were made up.
    pub depth_tokens: u64,
    /// Time of a whole token.
    pub token_ns: u64,
    /// The parts, in the order of a token.
    pub parts: Vec<StagePartRecord>,
    /// What follows for all parts together.
    pub derived: StagesFigures,
}

/// One part of the model: the same stage of all layers that have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagePartRecord {
    /// What it is.
    pub part: String,
    /// What computes it.
    pub kernel: String,
    /// Launches in a token.
    pub launches: u64,
    /// Bytes of weights, keys and values, and recurrent state that they read and write.
    pub bytes: u64,
    /// Time of the launches alone, one behind the other.
    pub ns: u64,
    /// Time of a token, or of the most of it that can be timed with and without the part.
    pub with_ns: u64,
    /// Time of the same without the part.
    pub without_ns: u64,
    /// What follows.
    pub derived: StagePartFigures,
}

/// What follows from the times of one part; `verify` recomputes every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagePartFigures {
    /// `ns / launches`.
    pub each_ns: Reading<f64>,
    /// `with_ns - without_ns`: by how much the part makes a token slower; below 0 where a token without it is slower.
    pub in_token_ns: f64,
    /// `bytes / ns`, in 10^9 B/s.
    pub bandwidth_gbps: Reading<f64>,
    /// That over the read peak measured in the session, in per cent.
    pub percent_of_measured_peak: Reading<f64>,
}

/// What follows from all parts; `verify` recomputes every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagesFigures {
    /// Launches of all parts.
    pub launches: u64,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Sum of the parts' times alone.
    pub ns: u64,
    /// `bytes / token_ns`, in 10^9 B/s.
    pub bandwidth_gbps: Reading<f64>,
    /// That over the read peak measured in the session, in per cent.
    pub percent_of_measured_peak: Reading<f64>,
}

impl StagesRecord {
    /// A table without figures; they follow when the session's peaks are known.
    pub fn new(depth_tokens: u64, token_ns: u64, parts: Vec<StagePartRecord>) -> Self {
        let mut record = Self {
            depth_tokens,
            token_ns,
            parts,
            derived: StagesFigures::of(0, &[], &Peaks::missing("the session goes on")),
        };
        record.derive(&Peaks::missing("the session goes on"));
        record
    }

    /// What makes it no table, if anything does: parts without a name of their own, times that are none.
    pub fn fault(&self) -> Option<String> {
        if self.parts.is_empty() {
            return Some("it has no parts".to_owned());
        }
        for (index, part) in self.parts.iter().enumerate() {
            let name = &part.part;
            if name.trim().is_empty() || part.kernel.trim().is_empty() {
                return Some(format!("part {index} or its kernel has no name"));
            }
            if self
                .parts
                .iter()
                .take(index)
                .any(|other| other.part == *name)
            {
                return Some(format!("`{name}` is there twice"));
            }
            if part.launches == 0 || [part.ns, part.with_ns, part.without_ns].contains(&0) {
                return Some(format!("`{name}` was not launched or took no time"));
            }
        }
        let numbers = |part: &StagePartRecord| {
            [
                part.launches,
                part.bytes,
                part.ns,
                part.with_ns,
                part.without_ns,
            ]
        };
        let mut numbers: Vec<u64> = self.parts.iter().flat_map(numbers).collect();
        numbers.push(self.token_ns);
        let sum = numbers.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
        match (self.token_ns, sum) {
            (0, _) => Some("the whole token took no time".to_owned()),
            (_, Some(..INTEGER_LIMIT)) => None,
            (_, _) => Some("its numbers are beyond 2^53".to_owned()),
        }
    }

    /// Computes its figures anew.
    pub fn derive(&mut self, peaks: &Peaks) {
        for part in &mut self.parts {
            part.derived = StagePartFigures::of(part, peaks);
        }
        self.derived = StagesFigures::of(self.token_ns, &self.parts, peaks);
    }
}

impl StagePartFigures {
    /// The figures of `part`.
    pub fn of(part: &StagePartRecord, peaks: &Peaks) -> Self {
        let bandwidth_gbps = ratio(part.bytes, part.ns, "it took no time");
        Self {
            each_ns: ratio(part.ns, part.launches, "it was not launched"),
            in_token_ns: part.with_ns as f64 - part.without_ns as f64,
            percent_of_measured_peak: of_peak(&bandwidth_gbps, peaks),
            bandwidth_gbps,
        }
    }

    /// No figures yet.
    pub fn none() -> Self {
        let none = || Reading::missing("not computed yet");
        Self {
            each_ns: none(),
            in_token_ns: 0.0,
            bandwidth_gbps: none(),
            percent_of_measured_peak: none(),
        }
    }
}

impl StagesFigures {
    /// The figures of a token of `token_ns` with these parts.
    pub fn of(token_ns: u64, parts: &[StagePartRecord], peaks: &Peaks) -> Self {
        let sum = |number: fn(&StagePartRecord) -> u64| {
            parts.iter().map(number).fold(0, u64::saturating_add)
        };
        let bytes = sum(|part| part.bytes);
        let bandwidth_gbps = ratio(bytes, token_ns, "it took no time");
        Self {
            launches: sum(|part| part.launches),
            bytes,
            ns: sum(|part| part.ns),
            percent_of_measured_peak: of_peak(&bandwidth_gbps, peaks),
            bandwidth_gbps,
        }
    }
}

/// `amount / per`, or `none` where there is nothing to divide by.
fn ratio(amount: u64, per: u64, none: &str) -> Reading<f64> {
    Reading::from_option((per > 0).then(|| amount as f64 / per as f64), none)
}

fn of_peak(bandwidth_gbps: &Reading<f64>, peaks: &Peaks) -> Reading<f64> {
    let peak = peaks.read_gbps.clone().map(|peak| peak.value);
    percent(bandwidth_gbps, &peak)
}

#[cfg(test)]
mod tests {
    use super::super::Peak;
    use super::*;

    fn part(name: &str, numbers: [u64; 5]) -> StagePartRecord {
        let [launches, bytes, ns, with_ns, without_ns] = numbers;
        StagePartRecord {
            part: name.to_owned(),
            kernel: "project".to_owned(),
            launches,
            bytes,
            ns,
            with_ns,
            without_ns,
            derived: StagePartFigures::none(),
        }
    }

    fn table() -> StagesRecord {
        let parts = vec![
            part("input", [4, 600, 200, 500, 350]),
            part("next", [1, 0, 10, 510, 520]),
        ];
        StagesRecord::new(64, 500, parts)
    }

    #[test]
    fn figures_follow_from_times_and_bytes() {
        let mut table = table();
        table.derive(&Peaks {
            read_gbps: Reading::of(Peak {
                case: "x".to_owned(),
                value: 6.0,
            }),
            ..Peaks::missing("none")
        });
        let [input, next] = &table.parts[..] else {
            panic!("{table:?}");
        };
        assert_eq!(input.derived.each_ns, Reading::of(50.0));
        assert_eq!(input.derived.in_token_ns, 150.0);
        assert_eq!(input.derived.bandwidth_gbps, Reading::of(3.0));
        assert_eq!(input.derived.percent_of_measured_peak, Reading::of(50.0));
        assert_eq!(next.derived.in_token_ns, -10.0);
        let all = &table.derived;
        assert_eq!((all.launches, all.bytes, all.ns), (5, 600, 210));
        assert_eq!(all.bandwidth_gbps, Reading::of(1.2));
        assert_eq!(all.percent_of_measured_peak, Reading::of(20.0));
    }

    #[test]
    fn without_a_peak_there_is_no_share_of_it() {
        let reason = table().derived.percent_of_measured_peak;
        assert_eq!(reason.reason(), Some("the session goes on"));
    }

    #[test]
    fn what_is_no_table_is_named() {
        assert_eq!(table().fault(), None);
        let faults = [
            StagesRecord::new(64, 500, vec![]),
            StagesRecord::new(64, 0, vec![part("a", [1; 5])]),
            StagesRecord::new(64, 5, vec![part("a", [1; 5]), part("a", [1; 5])]),
            StagesRecord::new(64, 5, vec![part(" ", [1; 5])]),
            StagesRecord::new(64, 5, vec![part("a", [0, 1, 1, 1, 1])]),
            StagesRecord::new(64, 5, vec![part("a", [1, 1, 1, 1, 0])]),
            StagesRecord::new(64, 5, vec![part("a", [1, u64::MAX, 1, 1, 1])]),
        ];
        insta::assert_debug_snapshot!(faults.map(|table| table.fault()));
    }
}
