//! Decode's buffers of one token's numbers, found by what its stages read and write, and a batch's in their place.

use crate::kernels::decode::{Address, NormKind, Norms, Stage};
use crate::kernels::prefill::Rows;

use super::planner::Planner;

/// Bytes of a number.
const NUMBER: u64 = 4;

/// A buffer of decode.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    start: u64,
    end: u64,
    /// The batch's.
    rows: Address,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct RowBuffers {
    /// Without overlaps, by address, once they have their places.
    buffers: Vec<Buffer>,
}

impl RowBuffers {
    /// Notes that `numbers` numbers are used at `at`.
    pub fn add(&mut self, at: Address, numbers: u32) {
        if at != Address::NULL {
            self.buffers.push(Buffer {
                start: at.0,
                end: at.0 + u64::from(numbers) * NUMBER,
                rows: Address::NULL,
            });
        }
    }

    /// Notes what `stage` uses.
    pub fn add_stage(&mut self, stage: &Stage) {
        match stage {
            Stage::Project(project) => {
                self.add_norms(&project.norms);
                for segment in &project.segments {
                    self.add(segment.out, segment.rows);
                }
            }
            Stage::Attention(attention) => {
                let keys = attention.kv_heads * attention.head_dim;
                let queries = (attention.heads - 1) * attention.query_stride;
                self.add(attention.query, queries + attention.head_dim);
                self.add(attention.key, keys);
                self.add(attention.value, keys);
                let gates = (attention.heads - 1) * attention.gate_stride;
                self.add(attention.gate, gates + attention.head_dim);
                self.add(attention.out, attention.heads * attention.head_dim);
            }
            Stage::Delta(delta) => {
                let values = delta.value_heads * delta.value_dim;
                let channels = 2 * delta.key_heads * delta.key_dim + values;
                self.add(delta.projected, channels);
                self.add(delta.alpha, delta.value_heads);
                self.add(delta.beta, delta.value_heads);
                self.add(delta.out, values);
            }
            Stage::ExpertsUp(up) => {
                self.add_norms(&up.norms);
                self.add(up.router, up.experts);
            }
            Stage::ExpertsDown(down) => {
                self.add(down.shared_hidden, down.shared_width);
                self.add(down.shared_gate, 1);
                self.add(down.out, down.rows);
                self.add(down.shared_out, down.rows);
            }
            Stage::Combine(_) | Stage::Head(_) | Stage::NextToken(_) => {}
        }
    }

    fn add_norms(&mut self, norms: &Norms) {
        let columns = norms.columns;
        self.add(norms.x, columns);
        let others = match norms.kind {
            NormKind::Plain | NormKind::Norm => [Address::NULL; 3],
            NormKind::AddNorm { a, residual, .. } => [a, residual, Address::NULL],
            NormKind::GemmaNext {
                dense,
                experts,
                residual,
                ..
            } => [dense, experts, residual],
            NormKind::HeadsGated { gate, .. } => [gate, Address::NULL, Address::NULL],
        };
        others.into_iter().for_each(|at| self.add(at, columns));
    }

    /// Gives each a place with a row for every one of `tokens` tokens.
    pub fn place(&mut self, planner: &mut Planner, tokens: u32) {
        self.buffers
            .sort_by_key(|buffer| (buffer.start, std::cmp::Reverse(buffer.end)));
        let mut whole: Vec<Buffer> = Vec::new();
        for part in self.buffers.drain(..) {
            match whole.last_mut() {
                Some(last) if part.start < last.end => last.end = last.end.max(part.end),
                _ => whole.push(part),
            }
        }
        for buffer in &mut whole {
            buffer.rows = planner.take(u64::from(tokens) * (buffer.end - buffer.start));
        }
        self.buffers = whole;
    }

    /// The batch's rows in place of the number at `at`; null where nothing was noted, as for null.
    pub fn of(&self, at: Address) -> Rows {
        let found = self
            .buffers
            .iter()
            .find(|buffer| (buffer.start..buffer.end).contains(&at.0));
        match found {
            Some(buffer) => Rows {
                at: buffer.rows.offset(at.0 - buffer.start),
                stride: ((buffer.end - buffer.start) / NUMBER) as u32,
            },
            None => Rows {
                at: Address::NULL,
                stride: 0,
            },
        }
    }
}
