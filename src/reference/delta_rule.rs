//! The gated delta rule of one value head (Yang, Kautz, Hatamizadeh 2024), as a recurrence and in chunks.

use super::matrix::dot;

/// The state of one value head, [value dimension][key dimension]: a linear map from keys to values.
pub type DeltaState = Vec<Vec<f64>>;

/// What one position brings to one value head.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaInput {
    /// Query of unit length over the root of the key dimension.
    pub query: Vec<f64>,
    /// Key of unit length.
    pub key: Vec<f64>,
    /// Value.
    pub value: Vec<f64>,
    /// Logarithm of the share of the state that stays; at most 0.
    pub log_decay: f64,
    /// Share of the difference between the value and what the state recalls that is written; 0 to 1.
    pub beta: f64,
}

/// One position: the state decays, the key's value moves towards the new one, the query reads.
///
/// S ← e^g S;  u = β (v − S k);  S ← S + u kᵀ;  o = S q.
pub fn delta_step(state: &mut DeltaState, input: &DeltaInput) -> Vec<f64> {
    let decay = input.log_decay.exp();
    let read = |(row, value): (&mut Vec<f64>, &f64)| {
        row.iter_mut().for_each(|cell| *cell *= decay);
        let change = input.beta * (value - dot(row, &input.key));
        for (cell, key) in row.iter_mut().zip(&input.key) {
            *cell += change * key;
        }
        dot(row, &input.query)
    };
    state.iter_mut().zip(&input.value).map(read).collect()
}

/// Several positions at once, from the state before the first of them. With G_t the sum of log decays up to t,
///
/// u_t = β_t (v_t − e^{G_t} S k_t − Σ_{s<t} e^{G_t − G_s} (k_s·k_t) u_s),
/// o_t = e^{G_t} S q_t + Σ_{s≤t} e^{G_t − G_s} (k_s·q_t) u_s,
///
/// and the state behind the last, T, is e^{G_T} S + Σ_s e^{G_T − G_s} u_s k_sᵀ. Equal to as many steps, which follows
/// from writing out the recurrence.
pub fn delta_chunk(state: &mut DeltaState, inputs: &[DeltaInput]) -> Vec<Vec<f64>> {
    let mut decayed = 0.0;
    let sums: Vec<f64> = inputs
        .iter()
        .map(|input| {
            decayed += input.log_decay;
            decayed
        })
        .collect();
    // What the chunk's own writes before and at `t` add to a reading with `vector`.
    let recall = |changes: &[Vec<f64>], t: usize, vector: &[f64]| {
        let mut out: Vec<f64> = state
            .iter()
            .map(|row| sums[t].exp() * dot(row, vector))
            .collect();
        for (s, change) in changes.iter().enumerate() {
            let weight = (sums[t] - sums[s]).exp() * dot(&inputs[s].key, vector);
            for (out, change) in out.iter_mut().zip(change) {
                *out += weight * change;
            }
        }
        out
    };
    let mut changes: Vec<Vec<f64>> = Vec::new();
    let mut outputs = Vec::new();
    for (t, input) in inputs.iter().enumerate() {
        let recalled = recall(&changes, t, &input.key);
        let change = input.value.iter().zip(&recalled);
        changes.push(change.map(|(v, r)| input.beta * (v - r)).collect());
        outputs.push(recall(&changes, t, &input.query));
    }
    for (value, row) in state.iter_mut().enumerate() {
        row.iter_mut().for_each(|cell| *cell *= decayed.exp());
        for ((input, change), sum) in inputs.iter().zip(&changes).zip(&sums) {
            let weight = (decayed - sum).exp() * change[value];
            for (cell, key) in row.iter_mut().zip(&input.key) {
                *cell += weight * key;
            }
        }
    }
    outputs
}
