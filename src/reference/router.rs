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
    /// The probability of every expert, `[experts]`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Logits that are logarithms of 1, 4, 2, 3: probabilities 0.1, 0.4, 0.2, 0.3.
    #[test]
    fn the_softmax_is_over_all_and_the_weights_over_the_chosen() {
        let routing = route(&[1f64.ln(), 4f64.ln(), 2f64.ln(), 3f64.ln()], 2);
        assert_eq!(routing.experts(), [1, 3]);
        for (choice, (probability, weight)) in routing
            .chosen
            .iter()
            .zip([(0.4, 4.0 / 7.0), (0.3, 3.0 / 7.0)])
        {
            assert!((choice.probability - probability).abs() < 1e-15);
            assert!((choice.weight - weight).abs() < 1e-15);
        }
    }

    #[test]
    fn of_equal_experts_the_lower_numbers_are_chosen() {
        assert_eq!(route(&[0.5, 1.0, 0.5, 0.5], 3).experts(), [1, 0, 2]);
    }

    /// x = (3, 4) has mean square 12.5; two dimensions.
    #[test]
    fn the_scaled_router_divides_by_the_root_of_the_width() {
        let found = scaled_router_input(&[3.0, 4.0], &[1.0, 10.0], 0.0);
        assert!((found[0] - 3.0 / 5.0).abs() < 1e-15 && (found[1] - 8.0).abs() < 1e-14);
    }

    proptest! {
        #[test]
        fn choices_fall_and_their_weights_sum_to_one(logits in prop::collection::vec(-20.0..20.0, 8..40), used in 1usize..8) {
            let routing = route(&logits, used);
            prop_assert_eq!(routing.chosen.len(), used);
            prop_assert!(routing.chosen.is_sorted_by(|a, b| a.probability >= b.probability));
            let total: f64 = routing.chosen.iter().map(|choice| choice.weight).sum();
            prop_assert!((total - 1.0).abs() < 1e-12);
            let least = routing.chosen[used - 1].probability;
            let larger = routing.probabilities.iter().filter(|p| **p > least).count();
            prop_assert!(larger < used);
        }
    }
}
