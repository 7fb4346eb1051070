//! Whether the text that prompts are cut from is the one that the targets pin.

use super::{Request, RunError};
use crate::prompt::Corpus;

/// Reads the corpus of a request, so that what is wrong with it is known before anything is measured.
///
/// # Errors
///
/// [`RunError::Prompt`] if it cannot be read; [`RunError::OtherCorpus`] if a target pins another.
pub fn check(request: &Request) -> Result<(), RunError> {
    let Some(path) = &request.corpus else {
        return Ok(());
    };
    let corpus = Corpus::read(path)?;
    let pins = request.targets.iter();
    let pins = pins.filter_map(|target| Some((target, target.corpus.as_ref()?)));
    match pins
        .into_iter()
        .find(|(_, pin)| pin.sha256 != corpus.sha256())
    {
        None => Ok(()),
        Some((target, pin)) => Err(RunError::OtherCorpus {
            path: path.clone(),
            target: target.name.clone(),
            name: pin.name.clone(),
            expected: pin.sha256.clone(),
            found: corpus.sha256().to_owned(),
        }),
    }
}
