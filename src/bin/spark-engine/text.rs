//! A text, the model that reads it, and the file for the array that comes of it.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sparkbench::engine::{self, Device, Engine, Options};

use super::error::CommandError;

#[derive(clap::Args)]
pub struct TextArguments {
    /// GGUF file of the model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Token ids, decimal, separated by white space; - for standard input
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
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

impl TextArguments {
    /// The text's ids, and the model with room for them.
    pub fn open(&self) -> Result<(Vec<u32>, Box<dyn Engine>), CommandError> {
        let ids = read_ids(&self.tokens)?;
        let options = Options {
            context: Some(ids.len()),
            ..Options::default()
        };
        let engine = engine::open(self.device.into(), &self.model, options)?;
        Ok((ids, engine))
    }
}

/// Makes the file at `path`, which `write` fills.
pub fn write_array(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let file = File::create(path).map_err(|cause| cannot_write(path, cause))?;
    let written = write(&mut BufWriter::new(file));
    // Half an array is none.
    if written.is_err() && path.is_file() {
        let _ = fs::remove_file(path);
    }
    written
}

pub fn cannot_write(path: &Path, cause: io::Error) -> CommandError {
    CommandError::Write {
        path: path.to_owned(),
        cause,
    }
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
