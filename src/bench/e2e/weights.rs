//! The weights of one model as a plan sees them: what decoding with them costs. Reads no more than a header.

use std::path::{Path, PathBuf};

use super::{FileDigest, WeightsError};
use crate::config::{self, SyntheticPin};
use crate::gguf::{Gguf, TensorInfo};
use crate::model::inspect::{AtContext, Decode, decode};
use crate::model::synth::{self, SynthPlan};
use crate::model::{Architecture, Mix, Model, Scale};
use crate::result::{Reading, WeightsOrigin, WeightsPinRecord, WeightsRecord, tensors_sha256};

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    /// To be made on the spot.
    Synthetic(Scale),
}

/// The weights of one model.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The model.
    pub model: config::Model,
    /// Its hyper-parameters in these weights.
    pub architecture: Architecture,
    /// Bytes of the file.
    pub file_bytes: u64,
    tensors: Vec<TensorInfo>,
    source: Source,
}

/// The architecture that a configured model has in the suite.
fn known(model: &config::Model) -> Option<Model> {
    let same = |known: &Model| known.name() == model.name;
    Model::ALL.into_iter().find(same)
}

/// The pin and the plan of a model's synthetic file.
fn synthetic(
    model: &config::Model,
    scale: Scale,
) -> Result<(&SyntheticPin, SynthPlan), WeightsError> {
    let none = || WeightsError::NoSyntheticPin {
        model: model.name.clone(),
        scale: scale.name(),
    };
    let known = known(model).ok_or_else(none)?;
    let pin = model.synthetic.iter().find(|pin| pin.scale == scale);
    let pin = pin.ok_or_else(none)?;
    let mix = Mix::parse(known, &pin.mix)?;
    Ok((pin, synth::plan(known, scale, mix, pin.seed)?))
}

impl Weights {
    /// The synthetic file of `model` that its configuration pins.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NoSyntheticPin`]; what planning the file refuses.
    pub fn synthetic(model: &config::Model, scale: Scale) -> Result<Self, WeightsError> {
        let (_, plan) = synthetic(model, scale)?;
        // `synthetic` has found it.
        let known = known(model).ok_or_else(|| WeightsError::NoSyntheticPin {
            model: model.name.clone(),
            scale: scale.name(),
        })?;
        Ok(Self {
            model: model.clone(),
            architecture: known.architecture(scale),
            file_bytes: plan.file_bytes(),
            tensors: plan.tensors().cloned().collect(),
            source: Source::Synthetic(scale),
        })
    }

    /// A file with weights of one of `models`.
    ///
    /// # Errors
    ///
    /// What is wrong with the file; [`WeightsError::OtherModel`].
    pub fn file(path: &Path, models: &[config::Model]) -> Result<Self, WeightsError> {
        let file = Gguf::open(path)?;
        let architecture = Architecture::read(file.metadata(), file.tensors())?;
        architecture.check_tensors(file.tensors())?;
        let of = |model: &&config::Model| model.architecture == architecture.name();
        let model = models.iter().find(of);
        let model = model.ok_or_else(|| WeightsError::OtherModel {
            path: path.to_owned(),
            models: models.iter().map(|model| model.name.clone()).collect(),
            found: architecture.name().to_owned(),
        })?;
        Ok(Self {
            model: model.clone(),
            architecture,
            file_bytes: file.file_bytes(),
            tensors: file.tensors().to_vec(),
            source: Source::File(path.to_owned()),
        })
    }

    /// The file, if it is there already.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Synthetic(_) => None,
        }
    }

    /// The scale of weights that are to be made.
    pub fn scale(&self) -> Option<Scale> {
        match self.source {
            Source::File(_) => None,
            Source::Synthetic(scale) => Some(scale),
        }
    }

    /// The plan of weights that are to be made.
    ///
    /// # Errors
    ///
    /// As [`Weights::synthetic`].
    pub fn plan(&self, scale: Scale) -> Result<SynthPlan, WeightsError> {
        Ok(synthetic(&self.model, scale)?.1)
    }

    /// What decoding with `context_tokens` in the context costs.
    pub fn at(&self, context_tokens: u64) -> Option<AtContext> {
        let Decode { contexts, .. } =
            decode(&self.architecture, &self.tensors, &[context_tokens], &[]);
        contexts.into_iter().next()
    }

    /// Weights that every token reads, in bytes.
    pub fn read_bytes(&self) -> u64 {
        decode(&self.architecture, &self.tensors, &[], &[]).weights_read_bytes
    }

    /// What a result says of them.
    pub fn record(&self, digest: FileDigest) -> WeightsRecord {
        let (experts, experts_used) = self.architecture.experts();
        WeightsRecord {
            model: self.model.name.clone(),
            file_bytes: self.file_bytes,
            pin: self.pin(&digest),
            vocabulary: self.architecture.vocabulary(),
            layers: self.architecture.layers().len() as u64,
            experts,
            experts_used,
            tensors_sha256: tensors_sha256(&digest.tensors),
            sha256: digest.sha256,
            tensors: digest.tensors,
        }
    }

    /// The pin that the file is.
    fn pin(&self, digest: &FileDigest) -> Reading<WeightsPinRecord> {
        let published = self.model.weights.iter().map(|pin| {
            let pin_of = (WeightsOrigin::Published, pin.file.clone());
            (pin_of, pin.bytes, &pin.sha256)
        });
        let synthetic = self.model.synthetic.iter().map(|pin| {
            let pin_of = (WeightsOrigin::Synthetic, pin.scale.name().to_owned());
            (pin_of, pin.bytes, &pin.sha256)
        });
        let found = published
            .chain(synthetic)
            .find(|(_, bytes, sha256)| *bytes == self.file_bytes && **sha256 == digest.sha256)
            .map(|((origin, name), ..)| WeightsPinRecord { origin, name });
        Reading::from_option(found, "no pin of the model's configuration has this digest")
    }
}
