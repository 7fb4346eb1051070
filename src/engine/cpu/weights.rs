//! Takes tensors out of a file by name: matrices stay where they are mapped, vectors are copied as `f32`.

use std::sync::Arc;

use crate::engine::EngineError;
use crate::gguf::{Gguf, TensorInfo};
use crate::model::ModelError;

use super::experts::{ExpertMatrix, Experts, Gate, Mlp};
use super::matrix::Matrix;

/// The tensors whose names begin with a prefix. Their dimensions have been checked.
pub(super) struct Weights<'a> {
    file: &'a Arc<Gguf>,
    prefix: String,
}

impl<'a> Weights<'a> {
    /// The tensors that belong to no layer.
    pub fn of_model(file: &'a Arc<Gguf>) -> Self {
        let prefix = String::new();
        Weights { file, prefix }
    }

    /// The tensors of a layer.
    pub fn of_layer(file: &'a Arc<Gguf>, layer: usize) -> Self {
        let prefix = format!("blk.{layer}.");
        Weights { file, prefix }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn tensor(&self, name: &str) -> Result<&'a TensorInfo, EngineError> {
        let name = self.name(name);
        match self.file.tensor(&name) {
            Some(tensor) => Ok(tensor),
            None => Err(ModelError::MissingTensor { name }.into()),
        }
    }

    /// A matrix that some files have.
    pub fn optional(&self, name: &str) -> Result<Option<Matrix>, EngineError> {
        match self.file.tensor(&self.name(name)) {
            Some(_) => self.matrix(name).map(Some),
            None => Ok(None),
        }
    }

    /// A matrix, or the stacked matrices of all experts.
    pub fn matrix(&self, name: &str) -> Result<Matrix, EngineError> {
        Matrix::new(self.file, self.tensor(name)?).map_err(|source| EngineError::TensorType {
            name: self.name(name),
            source,
        })
    }

    /// All elements of a small tensor.
    pub fn vector(&self, name: &str) -> Result<Vec<f32>, EngineError> {
        let matrix = self.matrix(name)?;
        let mut vector = vec![0.0; matrix.columns() * matrix.rows()];
        matrix.all().dequantize(&mut vector);
        Ok(vector)
    }

    /// The MLP of `ffn_gate`, `ffn_up` and `ffn_down`, each with `suffix` behind it.
    pub fn mlp(&self, suffix: &str, function: Gate) -> Result<Mlp, EngineError> {
        Ok(Mlp {
            gate: self.matrix(&format!("ffn_gate{suffix}.weight"))?,
            up: self.matrix(&format!("ffn_up{suffix}.weight"))?,
            down: self.matrix(&format!("ffn_down{suffix}.weight"))?,
            function,
        })
    }

    /// The routed experts, of hidden width `width`, their gate and up projections in one tensor or in two.
    pub fn experts(
        &self,
        width: usize,
        embedding: usize,
        function: Gate,
    ) -> Result<Experts, EngineError> {
        let gate = |matrix, stride| ExpertMatrix {
            matrix,
            stride,
            first: 0,
            rows: width,
        };
        let (gate, up) = match self.optional("ffn_gate_up_exps.weight")? {
            // In each expert the gate's rows come first.
            Some(fused) => {
                let gate = gate(fused, 2 * width);
                let first = width;
                (gate.clone(), ExpertMatrix { first, ..gate })
            }
            None => (
                gate(self.matrix("ffn_gate_exps.weight")?, width),
                gate(self.matrix("ffn_up_exps.weight")?, width),
            ),
        };
        Ok(Experts {
            gate,
            up,
            down: ExpertMatrix {
                matrix: self.matrix("ffn_down_exps.weight")?,
                stride: embedding,
                first: 0,
                rows: embedding,
            },
            function,
        })
    }
}
