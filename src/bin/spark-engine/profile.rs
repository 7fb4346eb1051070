//! `spark-engine profile`: where a token's time on the GPU goes.

use std::io::{self, Write};
use std::path::PathBuf;

use sparkbench::engine::cuda::CudaEngine;
use sparkbench::engine::{Engine, Options, Profile};

use super::error::CommandError;

#[derive(clap::Args)]
pub struct ProfileArguments {
    /// GGUF file of the model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Tokens in the context, separated by commas; their keys, values and state are made up
    #[arg(
        long,
        value_name = "TOKENS",
        value_delimiter = ',',
        default_value = "0"
    )]
    depth: Vec<usize>,
}

pub fn profile(arguments: &ProfileArguments) -> Result<(), CommandError> {
    let deepest = arguments.depth.iter().copied().max().unwrap_or(0);
    let options = Options {
        context: Some(deepest.saturating_add(CudaEngine::PROFILED)),
        ..Options::default()
    };
    let mut engine = CudaEngine::open(&arguments.model, options)?;
    for depth in &arguments.depth {
        let profile = engine.profile(*depth)?;
        print(&profile).map_err(CommandError::Print)?;
    }
    Ok(())
}

fn print(profile: &Profile) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<22} {:<18} {:>8} {:>9} {:>9} {:>9} {:>7} {:>9}",
        format!("depth {}", profile.position),
        "kernel",
        "launches",
        "MB",
        "us each",
        "us",
        "GB/s",
        "in token"
    )?;
    for part in &profile.parts {
        row(
            &mut out,
            (part.part, part.kernel),
            part.launches,
            part.bytes,
            (part.ns, Some(part.in_token_ns())),
        )?;
    }
    let launches = profile.parts.iter().map(|part| part.launches).sum();
    let bytes = profile.parts.iter().map(|part| part.bytes).sum();
    let ns = profile.parts.iter().map(|part| part.ns).sum();
    row(&mut out, ("sum", ""), launches, bytes, (ns, None))?;
    row(
        &mut out,
        ("whole token", ""),
        launches,
        bytes,
        (profile.token_ns, None),
    )
}

fn row(
    out: &mut impl Write,
    (part, kernel): (&str, &str),
    launches: usize,
    bytes: u64,
    (ns, in_token_ns): (u64, Option<i64>),
) -> io::Result<()> {
    let us = ns as f64 / 1e3;
    let each = us / launches.max(1) as f64;
    let rate = bytes as f64 / ns.max(1) as f64;
    let in_token = in_token_ns.map_or(String::new(), |ns| format!(" {:>9.1}", ns as f64 / 1e3));
    writeln!(
        out,
        "{part:<22} {kernel:<18} {launches:>8} {:>9.2} {each:>9.2} {us:>9.1} {rate:>7.0}{in_token}",
        bytes as f64 / 1e6
    )
}
