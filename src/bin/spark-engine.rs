//! The system under test: hands over its kernel images; the harness loads, launches, times and checks them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use sparkbench::build_info::{self, BuildInfoError, EmbeddedImage, ImageManifest};
use sparkbench::cli::interrupt;

/// The system under test of sparkbench: a MoE inference engine at batch size 1
#[derive(Parser)]
#[command(name = "spark-engine", version = build_info::version_line(), arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the manifest of the engine's kernel images as JSON
    Kernels {
        /// Also write each image and its manifest to DIR, as <family>.fatbin and <family>.json
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What `spark-engine kernels` prints.
#[derive(Serialize)]
struct Handover {
    format: &'static str,
    version: &'static str,
    source_sha256: &'static str,
    images: BTreeMap<&'static str, &'static ImageManifest>,
}

#[derive(Debug, thiserror::Error)]
enum EngineError {
    #[error(transparent)]
    BuildInfo(#[from] BuildInfoError),
    #[error("this binary has no kernel images: {reason}")]
    NoImages { reason: &'static str },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
    #[error("cannot take over signals: {0}")]
    Signals(io::Error),
    #[error("cannot state the manifest as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::BuildInfo(error) => error.hint(),
            Self::NoImages { .. } => Some(
                "install nvcc with scripts/nvcc, then build with SPARKBENCH_CUDA=require"
                    .to_owned(),
            ),
            Self::Write { .. } | Self::Print(_) | Self::Signals(_) | Self::Json(_) => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::BuildInfo(BuildInfoError::Embedded { .. }) | Self::Signals(_) | Self::Json(_) => {
                1
            }
            Self::BuildInfo(_) => 2,
            Self::NoImages { .. } => 4,
            Self::Write { .. } | Self::Print(_) => 8,
        }
    }
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let result = interrupt::outlive_file_size_limit()
        .map_err(EngineError::Signals)
        .and_then(|()| match command {
            Command::Kernels { out } => kernels(out.as_deref()),
        });
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Whoever reads the output may stop early.
    if let EngineError::Print(cause) = &error
        && cause.kind() == io::ErrorKind::BrokenPipe
    {
        return ExitCode::SUCCESS;
    }
    // With standard error gone too, the exit code still tells.
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(error.exit_code())
}

fn kernels(out: Option<&Path>) -> Result<(), EngineError> {
    let build = build_info::build()?;
    if let Some(reason) = &build.images_reason {
        return Err(EngineError::NoImages { reason });
    }
    let own: Vec<EmbeddedImage> = build_info::images()?
        .iter()
        .copied()
        .filter(|image| !image.is_ruler())
        .collect();
    if let Some(directory) = out {
        write_images(&own, directory)?;
    }
    let handover = Handover {
        format: "sparkbench.kernels/1",
        version: &build.version,
        source_sha256: &build.source_sha256,
        images: own
            .iter()
            .map(|image| (image.family, image.manifest))
            .collect(),
    };
    let json = serde_json::to_string_pretty(&handover)?;
    writeln!(io::stdout().lock(), "{json}").map_err(EngineError::Print)
}

fn write_images(images: &[EmbeddedImage], directory: &Path) -> Result<(), EngineError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |cause| EngineError::Write { path, cause }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    for image in images {
        let path = directory.join(format!("{}.fatbin", image.family));
        fs::write(&path, image.bytes).map_err(failed(&path))?;
        let path = directory.join(format!("{}.json", image.family));
        let manifest = serde_json::to_string_pretty(image.manifest)? + "\n";
        fs::write(&path, manifest).map_err(failed(&path))?;
    }
    Ok(())
}
