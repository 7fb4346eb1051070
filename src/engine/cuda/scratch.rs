//! Buffers of a batch that no stage of decode has.

use crate::engine::EngineError;
use crate::kernels::decode::{Address, Stage};

use super::planner::{Planner, Step, narrow};

/// Each is used by one layer after another.
pub(super) struct Scratch {
    pub quants: Address,
    pub factors: Address,
    pub values: Address,
    pub chosen: Address,
    pub weight: Address,
    pub list: Address,
    pub counts: Address,
    pub hidden: Address,
    pub routed: Address,
    pub shared: Address,
    pub active: Address,
    pub gates: Address,
    pub products: Address,
    pub queries: Address,
    pub keys: Address,
    pub batch_values: Address,
}

impl Scratch {
    /// As many of each as the largest stage needs for `tokens` tokens.
    pub fn place(planner: &mut Planner, steps: &[Step], tokens: u32) -> Result<Self, EngineError> {
        let (mut columns, mut quants, mut factors) = (0u64, 0, 0);
        let (mut entries, mut experts, mut hidden, mut outputs) = (0u64, 0u64, 0, 0);
        let (mut channels, mut heads, mut queries, mut keys) = (0u64, 0u64, 0u64, 0u64);
        let mut vector = |each: u64, of: u64| {
            let (integers, groups) = integer_bytes(of);
            columns = columns.max(each * of);
            quants = quants.max(each * integers);
            factors = factors.max(each * groups);
        };
        for step in steps {
            match &step.stage {
                Stage::Project(project) => vector(1, project.norms.columns.into()),
                Stage::ExpertsUp(up) => {
                    vector(1, up.norms.columns.into());
                    experts = experts.max(up.experts.into());
                }
                Stage::ExpertsDown(down) => {
                    vector(down.used.into(), down.width.into());
                    vector(1, down.shared_width.into());
                    entries = entries.max(down.used.into());
                    hidden = hidden.max(u64::from(down.used) * u64::from(down.width));
                    outputs = outputs.max(down.rows.into());
                }
                Stage::Delta(delta) => {
                    let of_keys = 2 * u64::from(delta.key_heads) * u64::from(delta.key_dim);
                    let of_values = u64::from(delta.value_heads) * u64::from(delta.value_dim);
                    channels = channels.max(of_keys + of_values);
                    heads = heads.max(delta.value_heads.max(delta.key_heads).into());
                }
                Stage::Attention(attention) => {
                    let dim = u64::from(attention.head_dim);
                    queries = queries.max(u64::from(attention.heads) * dim);
                    keys = keys.max(u64::from(attention.kv_heads) * dim);
                }
                _ => {}
            }
        }
        // Entries and their numbers of vectors are counted in 32 bits.
        narrow("entries of a batch", entries * u64::from(tokens))?;
        let mut take = |bytes: u64| planner.take(u64::from(tokens) * bytes);
        Ok(Scratch {
            quants: take(quants),
            factors: take(factors),
            values: take(columns * 4),
            chosen: take(entries * 4),
            weight: take(entries * 4),
            list: take(experts * 4),
            hidden: take(hidden * 4),
            routed: take(entries * outputs * 4),
            shared: take(outputs * 4),
            active: take(channels * 4),
            gates: take(heads * 8),
            products: take(heads * 4),
            // Two parts of 16 bits each.
            queries: take(queries * 4),
            keys: take(keys * 2),
            batch_values: take(keys * 2),
            counts: planner.take(experts * 4),
        })
    }
}

/// Bytes of a vector of `columns` integers, and of its groups' factors.
fn integer_bytes(columns: u64) -> (u64, u64) {
    (columns * 2, columns.div_ceil(128) * 4 * 8)
}
