//! The command line as typed. Knows no meaning: names are resolved by the command that takes them.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::build_info::version_line;
use crate::model::Scale;

use super::exit::Exit;

/// A reproducible benchmark suite for edge MoE inference at batch size 1.
#[derive(Debug, Parser)]
#[command(
    name = "sparkbench",
    version = version_line(),
    after_help = Exit::help(),
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// When to colour what is printed: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure this machine and write a result file
    Run(RunArgs),
    /// Check result files; ends with 3 if one does not verify
    Verify(VerifyArgs),
    /// Show what a GGUF file holds and what it costs to decode with
    Inspect(InspectArgs),
    /// Make model files
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// List the built-in machines, models and targets
    Targets(JsonArgs),
    /// Show what this machine and this program can measure
    Doctor(DoctorArgs),
    /// Print the JSON Schema of result files
    Schema,
    /// Print a shell's completions
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Answer a harness in the place of spark-engine (docs/engine-protocol.md)
    #[command(hide = true)]
    Serve(ServeArgs),
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Use no more of the GPU than if it had this much memory
    #[arg(long, value_name = "BYTES")]
    pub memory_limit: Option<u64>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Benchmark families; all that exist if none is named
    #[arg(value_name = "FAMILY")]
    pub families: Vec<String>,
    /// What to measure for: a target, a machine (all its targets), or the file of either [default: the machine found]
    #[arg(long, value_name = "NAME|FILE")]
    pub target: Option<String>,
    /// Only this model's targets
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// Only cases whose id contains TEXT; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// Where to run: auto, cuda, cuda:N or cpu
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: Device,
    /// Weights for engines: a GGUF file, or `synthetic` for pinned files of full size, made in the user's cache
    /// [default: tiny synthetic ones on the CPU; on a GPU none, so that nothing is generated]
    #[arg(long, value_name = "FILE|synthetic")]
    pub weights: Option<PathBuf>,
    /// The engine to measure: one that speaks docs/engine-protocol.md, or a program called `llama-server` [default:
    /// the spark-engine beside this program, or the one within it]
    #[arg(long, value_name = "PROGRAM")]
    pub engine: Option<PathBuf>,
    /// Another engine, measured beside the first with the same prompts, run by run in turn; both are loaded at once
    #[arg(long, value_name = "PROGRAM")]
    pub beside: Option<PathBuf>,
    /// Hold engines to this much of the GPU's memory: a machine's, or a number of bytes. Finds out on a larger GPU what a
    /// smaller one could hold [default: all]
    #[arg(long, value_name = "MACHINE|BYTES")]
    pub memory_limit: Option<String>,
    /// Whence long contexts are: read from a prompt (prompt), made up by the engine in front of a short one (synthetic), or
    /// made up beyond 32768 tokens (auto)
    #[arg(long, value_enum, default_value_t = FillArgument::Auto, value_name = "HOW", hide_possible_values = true)]
    pub fill: FillArgument,
    /// Ask the engine what each stage of a token takes, beside each generation on a GPU; measures the read peak as well
    #[arg(long)]
    pub stages: bool,
    /// Text that prompts are cut from [default: text generated from the seed]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// Print the plan and stop; needs no GPU
    #[arg(long)]
    pub dry_run: bool,
    /// Directory for the result file
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Print the result file's text instead of the table
    #[arg(long)]
    pub json: bool,
    /// Store a salted hash instead of the GPU's UUID, and no host name or bus id
    #[arg(long)]
    pub redact: bool,
    /// Seed of all inputs, up to 16 hexadecimal digits [default: random]
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub seed: Option<u64>,
    /// Print the result file's path only, and no progress
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
}

/// A device as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The first GPU, or the CPU where there is none.
    Auto,
    /// A GPU by its CUDA ordinal.
    Cuda(u32),
    /// The host's processor.
    Cpu,
}

/// Whence long contexts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FillArgument {
    /// From a prompt up to 32,768 tokens.
    Auto,
    /// From a prompt.
    Prompt,
    /// From the engine.
    Synthetic,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Result files, or directories whose result files are checked
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Git checkout that must hold the commit and the flake.lock named by the result
    #[arg(long, value_name = "DIR")]
    pub git: Option<PathBuf>,
    /// Build that commit again and compare (level 3), by Nix if it built the program, else by the same nvcc; takes the
    /// checkout in `.` if --git names none
    #[arg(long)]
    pub rebuild: bool,
    /// Send the recorded tokens through this model file on the CPU and compare what it gives (level 4): the witness in
    /// full, in minutes for a file of full size; may be repeated, once for each model
    #[arg(long, value_name = "GGUF")]
    pub replay: Vec<PathBuf>,
    /// Replay longer cases, too, at these positions: of tokens behind which another was chosen, counted from 0
    #[arg(long, value_name = "N", value_delimiter = ',', requires = "replay")]
    pub positions: Vec<u64>,
    /// Text that the prompts of the replayed result were cut from
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub corpus: Option<PathBuf>,
    /// Accept results that are no pinned evidence (no commit, uncommitted changes, a stand-in for nixpkgs, weights that
    /// no configuration pins): for development, since nobody can make such a result again
    #[arg(long)]
    pub allow_unpinned: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The GGUF file
    pub file: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// `weights`.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Write a synthetic model file of a model's exact tensors; the same bytes on every machine
    Synth(SynthArgs),
}

/// `weights synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// The model's built-in name
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// The file to write; an existing file is not overwritten
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// All layers at full width, about 20 GB (full), or a few small ones, some megabytes (tiny)
    #[arg(long, value_enum, default_value_t = Scale::Full, value_name = "SCALE", hide_possible_values = true)]
    pub scale: Scale,
    /// Which published file's types the tensors have [default: the file that the model's configuration pins]
    #[arg(long, value_name = "NAME")]
    pub mix: Option<String>,
    /// Seed of the values; configurations pin the files of seed 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print length and SHA-256 as JSON
    #[arg(long)]
    pub json: bool,
}

impl ValueEnum for Scale {
    fn value_variants<'a>() -> &'a [Self] {
        &[Scale::Tiny, Scale::Full]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// A command whose only choice is the form of its output.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Directory whose writability is checked
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn device(text: &str) -> Result<Device, String> {
    match (text, text.strip_prefix("cuda:")) {
        ("auto", _) => Ok(Device::Auto),
        ("cuda", _) => Ok(Device::Cuda(0)),
        ("cpu", _) => Ok(Device::Cpu),
        (_, Some(ordinal)) => ordinal
            .parse()
            .map(Device::Cuda)
            .map_err(|_| format!("expected a device number after `cuda:`, found `{ordinal}`")),
        _ => Err("expected auto, cuda, cuda:N or cpu".to_owned()),
    }
}

fn hexadecimal(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match digits.len() {
        1..=16 if digits.chars().all(|c| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).map_err(|e| e.to_string())
        }
        _ => Err("expected 1 to 16 hexadecimal digits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn devices_are_named_as_documented() {
        assert_eq!(device("auto"), Ok(Device::Auto));
        assert_eq!(device("cuda"), Ok(Device::Cuda(0)));
        assert_eq!(device("cuda:3"), Ok(Device::Cuda(3)));
        assert_eq!(device("cpu"), Ok(Device::Cpu));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA"] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_seed_in_hexadecimal_is_read_back(seed: u64) {
            prop_assert_eq!(hexadecimal(&format!("{seed:x}")), Ok(seed));
            prop_assert_eq!(hexadecimal(&format!("0x{seed:016X}")), Ok(seed));
        }
    }

    #[test]
    fn a_seed_that_is_no_number_is_refused() {
        for wrong in ["", "0x", "g", "+1", "-1", "11112222333344445"] {
            assert!(hexadecimal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_command_of_the_readme_is_accepted() {
        let readme = include_str!("../../README.md");
        let commands: Vec<&str> = readme
            .lines()
            .filter(|line| line.starts_with("sparkbench "))
            .collect();
        assert!(commands.len() >= 5, "{commands:?}");
        for command in commands {
            let parsed = Cli::try_parse_from(command.split(' '));
            assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
        }
    }
}
