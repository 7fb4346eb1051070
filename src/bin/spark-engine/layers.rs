//! `spark-engine layers`: what each layer begins with, for each token of a text.

use std::path::PathBuf;

use sparkbench::engine::{self, LayersError};

use super::error::CommandError;
use super::text::{TextArguments, cannot_write, write_array};

#[derive(clap::Args)]
pub struct LayersArguments {
    #[command(flatten)]
    text: TextArguments,
    /// Where to write the residual streams: a .npy file of float32, [tokens, layers, embedding]; that of the first layer
    /// is the embedding
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn layers(arguments: &LayersArguments) -> Result<(), CommandError> {
    let (ids, mut engine) = arguments.text.open()?;
    let path = &arguments.out;
    write_array(path, |file| {
        engine::layers(engine.as_mut(), &ids, file).map_err(|error| match error {
            LayersError::Engine(error) => error.into(),
            LayersError::Write(cause) => cannot_write(path, cause),
        })
    })
}
