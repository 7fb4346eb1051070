//! The gated delta rule of one value head (Yang, Kautz, Hatamizadeh 2024), as a recurrence and in chunks.

use super::matrix::dot;

/// The state of one value head, `[value dimension][key dimension]`: a linear map from keys to values.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expected: the four lines of the recurrence in NumPy.
    #[test]
    fn one_step_has_these_values() {
        let mut state = vec![vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]];
        let input = DeltaInput {
            query: vec![0.5, -0.25],
            key: vec![0.6, 0.8],
            value: vec![1.0, -1.0, 2.0],
            log_decay: 0.5f64.ln(),
            beta: 0.25,
        };
        let read = delta_step(&mut state, &input);
        let expected = [[0.485, 0.98], [0.975, 1.3], [2.215, 2.62]];
        for (row, expected) in state.iter().zip(expected) {
            assert!(
                row.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-15),
                "{row:?}"
            );
        }
        let expected = [-0.0025, 0.1625, 0.4525];
        assert!(
            read.iter()
                .zip(expected)
                .all(|(x, e)| (x - e).abs() < 1e-15),
            "{read:?}"
        );
    }

    /// A unit key with β = 1 and no decay is remembered exactly, and another value takes its place.
    #[test]
    fn what_is_written_is_read_back() {
        let mut state = vec![vec![0.0; 2]; 2];
        let write = |value: [f64; 2]| DeltaInput {
            query: vec![0.6, 0.8],
            key: vec![0.6, 0.8],
            value: value.to_vec(),
            log_decay: 0.0,
            beta: 1.0,
        };
        for value in [[1.0, 2.0], [-3.0, 5.0]] {
            let read = delta_step(&mut state, &write(value));
            assert!(
                read.iter().zip(value).all(|(x, v)| (x - v).abs() < 1e-14),
                "{read:?}"
            );
        }
    }

    prop_compose! {
        fn input()(
            query in prop::collection::vec(-1.0..1.0, 4),
            key in prop::collection::vec(-1.0..1.0, 4),
            value in prop::collection::vec(-2.0..2.0, 3),
            log_decay in prop_oneof![Just(0.0), -8.0..0.0, Just(-700.0)],
            beta in 0.0..1.0,
        ) -> DeltaInput {
            let key = super::super::norm::l2_unit(&key, 1e-6);
            DeltaInput { query, key, value, log_decay, beta }
        }
    }

    proptest! {
        #[test]
        fn a_chunk_is_as_many_steps(
            start in prop::collection::vec(prop::collection::vec(-1.0..1.0, 4), 3),
            inputs in prop::collection::vec(input(), 1..20),
        ) {
            let (mut stepped, mut chunked) = (start.clone(), start);
            let steps: Vec<Vec<f64>> = inputs.iter().map(|input| delta_step(&mut stepped, input)).collect();
            let chunk = delta_chunk(&mut chunked, &inputs);
            let pairs = steps.iter().chain(&stepped).zip(chunk.iter().chain(&chunked));
            for (step, chunk) in pairs.flat_map(|(a, b)| a.iter().zip(b)) {
                prop_assert!((step - chunk).abs() < 1e-12, "{step} and {chunk}");
            }
        }
    }
}
