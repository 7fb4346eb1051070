//! `spark-engine score`: teacher-forced logits of a text.

use std::path::PathBuf;

use sparkbench::engine::{self, ScoreError};

use super::error::CommandError;
use super::text::{TextArguments, cannot_write, write_array};

#[derive(clap::Args)]
pub struct ScoreArguments {
    #[command(flatten)]
    text: TextArguments,
    /// Where to write the logits: a .npy file of float32, [tokens, vocabulary], one row behind each token
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Lengths of prompts that the first tokens are read in, each as a whole, with one row behind it; the tokens behind
    /// them are read one by one
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    prompts: Vec<usize>,
}

pub fn score(arguments: &ScoreArguments) -> Result<(), CommandError> {
    let (ids, mut engine) = arguments.text.open()?;
    let path = &arguments.out;
    write_array(path, |file| {
        let scored = engine::score(engine.as_mut(), &ids, &arguments.prompts, file);
        scored.map_err(|error| match error {
            ScoreError::Engine(error) => error.into(),
            ScoreError::Write(cause) => cannot_write(path, cause),
            prompts @ ScoreError::Prompts { .. } => CommandError::Prompts(prompts),
        })
    })
}
