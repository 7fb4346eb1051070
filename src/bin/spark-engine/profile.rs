//! `spark-engine profile`: where the time of a token, or of a prompt, goes on the GPU.

use std::io::{self, Write};
use std::path::PathBuf;

use sparkbench::engine::cuda::{CudaEngine, PromptProfile};
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
    /// Lengths of prompts to take apart instead, separated by commas; their ids are made up
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    prompts: Vec<usize>,
}

pub fn profile(arguments: &ProfileArguments) -> Result<(), CommandError> {
    let longest = arguments.prompts.iter().copied().max().unwrap_or(0);
    let deepest = arguments.depth.iter().copied().max().unwrap_or(0);
    let options = Options {
        context: Some(longest.max(deepest.saturating_add(CudaEngine::PROFILED))),
        ..Options::default()
    };
    let mut engine = CudaEngine::open(&arguments.model, options)?;
    for prompt in &arguments.prompts {
        let profile = engine.profile_prompt(*prompt)?;
        print_prompt(&profile).map_err(CommandError::Print)?;
    }
    if !arguments.prompts.is_empty() {
        return Ok(());
    }
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

fn print_prompt(profile: &PromptProfile) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let rate = profile.tokens as f64 / (profile.ns.max(1) as f64 / 1e9);
    writeln!(
        out,
        "prompt of {} tokens: {:.2} ms, {rate:.0} tokens/s; its last {}:",
        profile.tokens,
        profile.ns as f64 / 1e6,
        profile.batch
    )?;
    let sum = profile.launches.iter().map(|one| one.ns).sum::<u64>();
    for one in &profile.launches {
        let (name, us) = (&one.name, one.ns as f64 / 1e3);
        let share = 100.0 * one.ns as f64 / sum.max(1) as f64;
        writeln!(
            out,
            "{name:<28} {:>8} {us:>10.1} us {share:>5.1} %",
            one.launches
        )?;
    }
    writeln!(out, "{:<28} {:>8} {:>10.1} us", "sum", "", sum as f64 / 1e3)
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
