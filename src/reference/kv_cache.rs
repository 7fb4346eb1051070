//! Keys and values of the positions that one layer may still look at.

use std::collections::VecDeque;

use super::attention::{attend, attend_streaming};
use super::pass::Form;

/// Keys and values of one layer, in f64. Keys are those after norm and rotation.
#[derive(Debug, Clone)]
pub struct KvCache {
    head_dim: usize,
    /// Positions that a query sees, its own included.
    window: usize,
    /// The position of the oldest entry.
    first: usize,
    /// One entry per position: all heads, one after another.
    keys: VecDeque<Vec<f64>>,
    values: VecDeque<Vec<f64>>,
}

impl KvCache {
    /// An empty cache whose queries see `window` positions, or all of them.
    pub fn new(head_dim: usize, window: Option<usize>) -> Self {
        KvCache {
            head_dim,
            window: window.unwrap_or(usize::MAX),
            first: 0,
            keys: VecDeque::new(),
            values: VecDeque::new(),
        }
    }

    /// Appends the keys and values of the next position, `[KV heads × head dimension]` each.
    pub fn push(&mut self, keys: Vec<f64>, values: Vec<f64>) {
        self.keys.push_back(keys);
        self.values.push_back(values);
    }

    /// Attention of one query head at `position` over what is visible from there: no later position, and none that
    /// the window has left behind.
    pub fn attend(
        &self,
        query: &[f64],
        kv_head: usize,
        position: usize,
        scale: f64,
        form: Form,
    ) -> Vec<f64> {
        let oldest = (position + 1).saturating_sub(self.window).max(self.first);
        let visible = oldest - self.first..(position + 1 - self.first).min(self.keys.len());
        let dims = kv_head * self.head_dim..(kv_head + 1) * self.head_dim;
        let keys = self.keys.range(visible.clone());
        let keys: Vec<&[f64]> = keys.map(|key| &key[dims.clone()]).collect();
        let values = self.values.range(visible);
        let values: Vec<&[f64]> = values.map(|value| &value[dims.clone()]).collect();
        match form {
            Form::Stepwise => attend(query, &keys, &values, scale),
            Form::Batched => attend_streaming(query, &keys, &values, scale),
        }
    }

    /// Drops the positions that no later query sees.
    pub fn trim(&mut self) {
        while self.keys.len() >= self.window {
            self.keys.pop_front();
            self.values.pop_front();
            self.first += 1;
        }
    }

    /// Forgets all positions.
    pub fn clear(&mut self) {
        *self = KvCache::new(self.head_dim, Some(self.window));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two heads of one dimension; at position p all keys are 0, the values are p and 100 + p.
    fn push(cache: &mut KvCache, positions: std::ops::Range<usize>) {
        for position in positions {
            let value = position as f64;
            cache.push(vec![0.0, 0.0], vec![value, 100.0 + value]);
        }
    }

    /// With equal keys attention is the mean of the positions seen, here in thousandths.
    fn mean_seen(cache: &KvCache, head: usize, position: usize) -> f64 {
        let mean = cache.attend(&[1.0], head, position, 1.0, Form::Stepwise)[0];
        (mean * 1000.0).round()
    }

    #[test]
    fn a_query_sees_no_later_position() {
        let mut cache = KvCache::new(1, None);
        push(&mut cache, 0..11);
        assert_eq!(mean_seen(&cache, 0, 10), 5_000.0);
        assert_eq!(mean_seen(&cache, 1, 4), 102_000.0);
        cache.clear();
        push(&mut cache, 0..1);
        assert_eq!(mean_seen(&cache, 0, 0), 0.0);
    }

    #[test]
    fn a_window_counts_the_query_itself() {
        let mut cache = KvCache::new(1, Some(3));
        push(&mut cache, 0..11);
        assert_eq!(mean_seen(&cache, 0, 10), 9_000.0); // 8, 9, 10
        assert_eq!(mean_seen(&cache, 0, 1), 500.0); // 0, 1
        let mut alone = KvCache::new(1, Some(1));
        push(&mut alone, 0..4);
        alone.trim();
        push(&mut alone, 4..5);
        assert_eq!(mean_seen(&alone, 0, 4), 4_000.0);
    }

    proptest! {
        #[test]
        fn positions_that_are_dropped_are_never_missed(window in 1usize..8, batches in prop::collection::vec(1usize..9, 1..6)) {
            let mut whole = KvCache::new(1, Some(window));
            let mut trimmed = whole.clone();
            let mut first = 0;
            for batch in batches {
                let positions = first..first + batch;
                push(&mut whole, positions.clone());
                push(&mut trimmed, positions.clone());
                for position in positions.clone() {
                    prop_assert_eq!(mean_seen(&trimmed, 1, position), mean_seen(&whole, 1, position));
                }
                trimmed.trim();
                prop_assert!(trimmed.keys.len() < window);
                first = positions.end;
            }
        }
    }
}
