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

    /// Appends the keys and values of the next position, [KV heads × head dimension] each.
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
