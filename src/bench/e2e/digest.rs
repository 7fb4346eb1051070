//! Digests of a weights file: of the whole and of every tensor, in one pass over all cores.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::build_info::{hex, sha256_hex};
use crate::gguf::{Gguf, Map};
use crate::model::synth::SynthPlan;
use crate::result::TensorRecord;

/// Bytes between two reports of progress.
const STEP: usize = 64 << 20;

/// Digests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// The tensors in the order of the file.
    pub tensors: Vec<TensorRecord>,
}

/// Reads the whole file. `progress` is told how many of its bytes the whole file's digest has seen.
pub fn digest(file: &Gguf<Map>, progress: &(dyn Fn(u64) + Sync)) -> FileDigest {
    let (sha256, tensors) = rayon::join(
        || whole(file.whole(), progress),
        || {
            file.tensors()
                .par_iter()
                .map(|tensor| TensorRecord {
                    name: tensor.name.clone(),
                    r#type: tensor.ty.to_string(),
                    bytes: tensor.bytes,
                    sha256: sha256_hex(file.bytes(tensor)),
                })
                .collect()
        },
    );
    FileDigest { sha256, tensors }
}

fn whole(bytes: &[u8], progress: &(dyn Fn(u64) + Sync)) -> String {
    let mut hasher = Sha256::new();
    let mut done = 0;
    for step in bytes.chunks(STEP) {
        hasher.update(step);
        done += step.len() as u64;
        progress(done);
    }
    hex(&hasher.finalize())
}

/// Where a file is not the synthetic one that `plan` makes: `header`, and the names of tensors.
pub fn differing(file: &Gguf<Map>, plan: &SynthPlan) -> Vec<String> {
    let mut names = Vec::new();
    let header = plan.header();
    if file.whole().get(..header.len()) != Some(header) {
        names.push("header".to_owned());
    }
    let tensors: Vec<_> = plan.tensors().collect();
    let differs: Vec<String> = tensors
        .into_par_iter()
        .filter(|tensor| {
            let there = file.tensor(&tensor.name);
            let made = plan.tensor_bytes(&tensor.name);
            there.map(|found| file.bytes(found)) != made.as_deref()
        })
        .map(|tensor| tensor.name.clone())
        .collect();
    names.extend(differs);
    names
}
