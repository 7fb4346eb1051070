//! Looks up a model's tensors by name, whichever variant of the layout its file has.

use crate::gguf::Gguf;
use crate::model::ModelError;

use super::ReferenceError;
use super::matrix::{ExpertMatrices, Matrix};

/// The tensors of a file whose names begin with a prefix: those of one layer, or of none.
pub(super) struct Weights<'f, B> {
    file: &'f Gguf<B>,
    prefix: String,
}

impl<'f, B: AsRef<[u8]>> Weights<'f, B> {
    /// All tensors of `file`.
    pub fn new(file: &'f Gguf<B>) -> Self {
        Weights {
            file,
            prefix: String::new(),
        }
    }

    /// Those of `layer`.
    pub fn layer(&self, layer: usize) -> Self {
        Weights {
            file: self.file,
            prefix: format!("blk.{layer}."),
        }
    }

    /// The matrix called `name`, if there is one.
    pub fn optional(&self, name: &str) -> Result<Option<Matrix<'f>>, ReferenceError> {
        let name = format!("{}{name}", self.prefix);
        let Some(info) = self.file.tensor(&name) else {
            return Ok(None);
        };
        Matrix::new(info, self.file.bytes(info))
            .map(Some)
            .map_err(|source| ReferenceError::Tensor {
                tensor: name,
                source,
            })
    }

    /// The matrix called `name`.
    pub fn matrix(&self, name: &str) -> Result<Matrix<'f>, ReferenceError> {
        self.optional(name)?.ok_or_else(|| {
            let name = format!("{}{name}", self.prefix);
            ModelError::MissingTensor { name }.into()
        })
    }

    /// All elements of the tensor called `name`, however many of its dimensions are 1.
    pub fn vector(&self, name: &str) -> Result<Vec<f64>, ReferenceError> {
        Ok(self.matrix(name)?.to_rows().concat())
    }

    /// The down projections of all experts, `[width][expert width]` each.
    pub fn expert_down(&self, width: usize) -> Result<ExpertMatrices<'f>, ReferenceError> {
        Ok(ExpertMatrices {
            all: self.matrix("ffn_down_exps.weight")?,
            stride: width,
            first: 0,
            rows: width,
        })
    }

    /// The gate and the up projections of all experts, `[expert width][width]` each: two tensors, or one that has the
    /// gate's rows before the up projection's in each expert.
    pub fn expert_gate_up(
        &self,
        expert_width: usize,
    ) -> Result<[ExpertMatrices<'f>; 2], ReferenceError> {
        let part = |all, stride, first| ExpertMatrices {
            all,
            stride,
            first,
            rows: expert_width,
        };
        if let Some(fused) = self.optional("ffn_gate_up_exps.weight")? {
            return Ok([0, expert_width].map(|first| part(fused, 2 * expert_width, first)));
        }
        let gate = self.matrix("ffn_gate_exps.weight")?;
        let up = self.matrix("ffn_up_exps.weight")?;
        Ok([gate, up].map(|all| part(all, expert_width, 0)))
    }
}
