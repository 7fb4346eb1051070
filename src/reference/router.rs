//! Which experts a token uses, and with what weights. Knows no experts.

use super::norm::rms_unit;
use super::softmax::softmax;

/// One expert of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Its number in the layer.
    pub expert: u32,
    /// The router's probability of it among all experts.
    pub probability: f64,
    /// Its share in the output: the probability over the sum of those chosen.
    pub weight: f64,
}

/// The router's decision for one token in one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// The probability of every expert, [experts].
    pub probabilities: Vec<f64>,
    /// The experts that the token uses, by falling probability; of equals the lower number first.
    pub chosen: Vec<Choice>,
}

/// Softmax over all experts, then the `used` largest, then their weights made to sum to one. The same in both
/// architectures.
pub fn route(logits: &[f64], used: usize) -> Routing {
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a])); // stable: of equals the lower number first
    order.truncate(used);
    let total: f64 = order.iter().map(|expert| probabilities[*expert]).sum();
    let choice = |expert: usize| Choice {
        expert: expert as u32,
        probability: probabilities[expert],
        weight: probabilities[expert] / total,
    };
    Routing {
        chosen: order.into_iter().map(choice).collect(),
        probabilities,
    }
}

impl Routing {
    /// The numbers of the chosen experts, by falling probability.
    pub fn experts(&self) -> Vec<u32> {
        self.chosen.iter().map(|choice| choice.expert).collect()
    }
}

/// What Gemma's router projects: the residual stream at unit RMS, times a learned scale, over the root of its width.
pub fn scaled_router_input(x: &[f64], scale: &[f64], epsilon: f64) -> Vec<f64> {
    let root = (x.len() as f64).sqrt();
    let unit = rms_unit(x, epsilon);
    unit.iter().zip(scale).map(|(x, s)| x * s / root).collect()
}
