//! A weights file that results are replayed with, and which part of a result is about it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::ReplayError;
use super::sitting::{Sitting, Wanted};
use crate::bench::e2e::{FileDigest, Prompts, digest};
use crate::gguf::Gguf;
use crate::model::{Architecture, Model, Scale};
use crate::result::{
    CaseRecord, GenerationRecord, Payload, Reading, WeightsRecord, tensors_sha256,
};
use crate::units::Bytes;

/// A weights file, hashed once for all results.
pub struct WeightsFile {
    pub(super) path: PathBuf,
    pub(super) architecture: Architecture,
    file: Gguf,
    digest: OnceLock<FileDigest>,
}

impl WeightsFile {
    /// Opens a GGUF file, of which only the header is read.
    ///
    /// # Errors
    ///
    /// [`ReplayError::File`], [`ReplayError::Model`].
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let file = Gguf::open(path)?;
        let architecture = Architecture::read(file.metadata(), file.tensors())?;
        architecture.check_tensors(file.tensors())?;
        Ok(Self {
            path: path.to_owned(),
            architecture,
            file,
            digest: OnceLock::new(),
        })
    }

    /// Finds the cases of this file's model in a result: what can be refused is refused before anything long begins.
    ///
    /// # Errors
    ///
    /// [`ReplayError::NoCase`], [`ReplayError::MadeUp`], [`ReplayError::NoPositions`], [`ReplayError::Position`], [`ReplayError::Prompts`].
    pub fn sitting<'a>(
        &'a self,
        payload: &'a Payload,
        wanted: Wanted<'a>,
    ) -> Result<Sitting<'a>, ReplayError> {
        let none = || ReplayError::NoCase {
            path: self.path.clone(),
            architecture: self.architecture.name(),
        };
        let mut records = payload.weights.iter();
        let stated = records.find(|record| self.is_of(record)).ok_or_else(none)?;
        let cases: Vec<(&CaseRecord, &GenerationRecord)> = payload
            .cases
            .iter()
            .filter_map(|case| Some((case, case.generation.as_ref()?)))
            .filter(|(_, generation)| generation.model == stated.model)
            .collect();
        if cases.is_empty() {
            return Err(none());
        }
        let cases: Vec<_> = cases
            .into_iter()
            .filter(|(case, _)| case.filled_tokens() == 0)
            .collect();
        if cases.is_empty() {
            return Err(ReplayError::MadeUp);
        }
        wanted.check(&cases)?;
        let of_corpus =
            |case: &(_, &GenerationRecord)| case.1.prompt.corpus_sha256.value().is_some();
        let corpus = wanted.corpus.filter(|_| cases.iter().any(of_corpus));
        Ok(Sitting {
            weights: self,
            prompts: Prompts::new(&self.file, self.architecture.vocabulary(), corpus)?,
            session_seed: &payload.session.seed,
            model: &stated.model,
            cases,
            wanted,
        })
    }

    /// Whether a result's weights are of this file's model. Digests do not count: they are what a replay looks at.
    fn is_of(&self, record: &WeightsRecord) -> bool {
        let same_name = |model: &Model| model.name() == record.model;
        match Model::ALL.into_iter().find(same_name) {
            Some(model) => model.architecture(Scale::Tiny).name() == self.architecture.name(),
            // A model of a user's own.
            None => {
                let (experts, experts_used) = self.architecture.experts();
                let shape = [self.architecture.vocabulary(), experts, experts_used];
                [record.vocabulary, record.experts, record.experts_used] == shape
            }
        }
    }

    /// The file as a result states one.
    pub(super) fn record(&self, model: &str, progress: &(dyn Fn(&str) + Sync)) -> WeightsRecord {
        let total = self.file.file_bytes();
        let hashed = |bytes| progress(&format!("hashing {} of {}", Bytes(bytes), Bytes(total)));
        let FileDigest { sha256, tensors } = self
            .digest
            .get_or_init(|| digest(&self.file, &hashed))
            .clone();
        let (experts, experts_used) = self.architecture.experts();
        WeightsRecord {
            model: model.to_owned(),
            file_bytes: total,
            sha256,
            pin: Reading::missing("a replay looks for none"),
            vocabulary: self.architecture.vocabulary(),
            layers: self.architecture.layers().len() as u64,
            experts,
            experts_used,
            tensors_sha256: tensors_sha256(&tensors),
            tensors,
        }
    }
}
