//! `spark-engine score`: teacher-forced logits of a text.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sparkbench::engine::{self, Device, Engine, Options, ScoreError};

use super::error::CommandError;

#[derive(clap::Args)]
pub struct ScoreArguments {
    /// GGUF file of the model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Token ids, decimal, separated by white space; - for standard input
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// Where to write the logits: a .npy file of float32, [tokens, vocabulary], one row behind each token
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Lengths of prompts that the first tokens are read in, each as a whole, with one row behind it; the tokens behind
    /// them are read one by one
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    prompts: Vec<usize>,
    /// What to compute on
    #[arg(long, value_enum, default_value_t = DeviceArgument::Cpu)]
    device: DeviceArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum DeviceArgument {
    Cpu,
    Cuda,
}

impl From<DeviceArgument> for Device {
    fn from(argument: DeviceArgument) -> Self {
        match argument {
            DeviceArgument::Cpu => Device::Cpu,
            DeviceArgument::Cuda => Device::Cuda,
        }
    }
}

pub fn score(arguments: &ScoreArguments) -> Result<(), CommandError> {
    let ids = read_ids(&arguments.tokens)?;
    let options = Options {
        context: Some(ids.len()),
        ..Options::default()
    };
    let mut engine = engine::open(arguments.device.into(), &arguments.model, options)?;
    let written = write_scores(engine.as_mut(), &ids, arguments);
    // Half an array is none.
    if written.is_err() && arguments.out.is_file() {
        let _ = fs::remove_file(&arguments.out);
    }
    written
}

fn write_scores(
    engine: &mut dyn Engine,
    ids: &[u32],
    arguments: &ScoreArguments,
) -> Result<(), CommandError> {
    let path = &arguments.out;
    let failed = |cause| CommandError::Write {
        path: path.clone(),
        cause,
    };
    let file = File::create(path).map_err(failed)?;
    let mut file = BufWriter::new(file);
    engine::score(engine, ids, &arguments.prompts, &mut file).map_err(|error| match error {
        ScoreError::Engine(error) => error.into(),
        ScoreError::Write(cause) => failed(cause),
        prompts @ ScoreError::Prompts { .. } => CommandError::Prompts(prompts),
    })
}

fn read_ids(path: &Path) -> Result<Vec<u32>, CommandError> {
    let text = match path == Path::new("-") {
        true => io::read_to_string(io::stdin().lock()),
        false => fs::read_to_string(path),
    };
    let text = text.map_err(|cause| CommandError::Read {
        path: path.to_owned(),
        cause,
    })?;
    engine::parse_ids(&text).map_err(|error| CommandError::Ids {
        path: path.to_owned(),
        error,
    })
}
