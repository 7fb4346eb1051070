//! Gated MLPs, and the routed experts that are many of them. Knows no layer.

use std::collections::BTreeMap;

use super::activations::Activations;
use super::matrix::{Matrix, Rows};
use super::norm::softmax;

/// The function between the gate projection and the product with the up projection.
pub(super) type Gate = fn(f32) -> f32;

/// down · (function(gate · x) ⊙ up · x)
#[derive(Debug)]
pub(super) struct Mlp {
    pub gate: Matrix,
    pub up: Matrix,
    pub down: Matrix,
    pub function: Gate,
}

impl Mlp {
    /// The MLP's output for each vector of `x`.
    pub fn apply(&self, x: &Activations) -> Activations {
        let (gate, up, down) = (self.gate.all(), self.up.all(), self.down.all());
        gated(x, gate, up, down, self.function)
    }
}

fn gated(x: &Activations, gate: Rows, up: Rows, down: Rows, function: Gate) -> Activations {
    let mut hidden = gate.times(x);
    hidden.combine(&up.times(x), |gate, up| *gate = function(*gate) * up);
    down.times(&hidden)
}

/// An expert that the router chose, and the weight of its output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    pub expert: usize,
    pub weight: f32,
}

/// What a layer's router made of several tokens.
pub(super) struct Routed {
    /// The experts of each token.
    pub choices: Vec<Vec<Choice>>,
    /// Of the last token, the probability of every expert.
    pub last: Vec<f32>,
}

impl Routed {
    /// Each token goes to the `used` experts that its `logits` make the most probable.
    pub fn of(logits: &Activations, used: usize) -> Self {
        let probabilities = |logits: &[f32]| {
            let mut probabilities = logits.to_vec();
            softmax(&mut probabilities);
            probabilities
        };
        let last = logits.rows().next_back().map(probabilities);
        Routed {
            choices: logits
                .rows()
                .map(|logits| choose(probabilities(logits), used))
                .collect(),
            last: last.unwrap_or_default(),
        }
    }
}

/// The `used` most probable experts by falling probability, the lower id first where two are equal. Their weights are
/// the probabilities (the softmax over all experts), divided by their sum.
fn choose(probabilities: Vec<f32>, used: usize) -> Vec<Choice> {
    let mut choices: Vec<Choice> = probabilities
        .into_iter()
        .enumerate()
        .map(|(expert, weight)| Choice { expert, weight })
        .collect();
    choices.sort_by(|a, b| b.weight.total_cmp(&a.weight)); // stable: equal ones stay in order
    choices.truncate(used);
    let sum: f32 = choices.iter().map(|choice| choice.weight).sum();
    choices.iter_mut().for_each(|choice| choice.weight /= sum);
    choices
}

/// One projection of every expert: expert e has `rows` rows from `first` + e · `stride` on. Gate and up projections
/// that share a tensor differ in `first`.
#[derive(Debug, Clone)]
pub(super) struct ExpertMatrix {
    pub matrix: Matrix,
    pub first: usize,
    pub stride: usize,
    pub rows: usize,
}

impl ExpertMatrix {
    fn of(&self, expert: usize) -> Rows<'_> {
        self.matrix
            .part(self.first + expert * self.stride, self.rows)
    }
}

/// The routed experts of a layer.
#[derive(Debug)]
pub(super) struct Experts {
    pub gate: ExpertMatrix,
    pub up: ExpertMatrix,
    pub down: ExpertMatrix,
    pub function: Gate,
}

impl Experts {
    /// For each vector of `x` the sum of its experts' outputs by their weights. An expert is read once for all the
    /// vectors that chose it.
    pub fn apply(&self, x: &Activations, choices: &[Vec<Choice>]) -> Activations {
        // Of each expert: the tokens that chose it, and as their which choice.
        let mut chosen: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (token, choices) in choices.iter().enumerate() {
            for (rank, choice) in choices.iter().enumerate() {
                chosen.entry(choice.expert).or_default().push((token, rank));
            }
        }
        let used = choices.first().map_or(0, Vec::len);
        let mut outputs = Activations::zeros(x.tokens() * used, self.down.rows);
        for (expert, places) in chosen {
            let tokens: Vec<usize> = places.iter().map(|(token, _)| *token).collect();
            let (gate, up, down) = (
                self.gate.of(expert),
                self.up.of(expert),
                self.down.of(expert),
            );
            let output = gated(&x.select(&tokens), gate, up, down, self.function);
            for ((token, rank), output) in places.into_iter().zip(output.rows()) {
                outputs.row_mut(token * used + rank).copy_from_slice(output);
            }
        }
        // Summed by rank, so that a token's sum does not depend on the tokens beside it.
        let mut sums = Activations::zeros(x.tokens(), self.down.rows);
        let choices = choices.iter().flatten();
        for (index, (choice, output)) in choices.zip(outputs.rows()).enumerate() {
            for (sum, output) in sums.row_mut(index / used).iter_mut().zip(output) {
                *sum += choice.weight * output;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(experts: usize, values: &[f32]) -> Activations {
        let mut logits = Activations::zeros(values.len() / experts, experts);
        logits.values_mut().copy_from_slice(values);
        logits
    }

    #[test]
    fn the_most_probable_experts_come_first_and_share_all_the_weight() {
        let logits = logits(4, &[7.0, 0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 2.0]);
        let routed = Routed::of(&logits, 3);
        assert_eq!(routed.choices[0][0].expert, 0);
        let choices = &routed.choices[1];
        let experts: Vec<usize> = choices.iter().map(|choice| choice.expert).collect();
        assert_eq!(experts, [1, 3, 2]);
        let sum: f32 = choices.iter().map(|choice| choice.weight).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((choices[0].weight / choices[2].weight - 1f32.exp()).abs() < 1e-5);
        // Of the last token alone, and of experts that were not chosen, too.
        assert!((routed.last[1] / routed.last[0] - 2f32.exp()).abs() < 1e-4);
        assert!((routed.last.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn logits_that_are_no_numbers_still_choose() {
        let logits = logits(4, &[f32::NAN; 4]);
        assert_eq!(Routed::of(&logits, 2).choices[0].len(), 2);
    }
}
