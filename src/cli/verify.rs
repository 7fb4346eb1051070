//! `sparkbench verify`: checks result files.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::rebuild::Plan;
use crate::replay::{ReplayError, Sitting, Wanted, WeightsFile};
use crate::result::{ResultFile, parse, read};
use crate::ui;
use crate::ui::progress::Activity;
use crate::verify::{Options, Report, result_files, verify_file};

use super::args::VerifyArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::{show, show_json};

/// Checks every file, prints the reports, and fails if one file does not verify.
pub fn verify(args: &VerifyArgs) -> Result<Exit, CliError> {
    let weights = args
        .replay
        .iter()
        .map(|path| WeightsFile::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> = Vec::new();
    for path in &args.paths {
        files.extend(result_files(path)?);
    }
    expect_replayable(args, &files, &weights)?;
    let mut reports: Vec<Report> = Vec::new();
    for file in &files {
        let options = options(args, file, &weights)?;
        reports.push(verify_file(file, &options)?);
    }
    let refused = reports.iter().filter(|report| !report.verified).count();
    match args.json {
        true => show_json(&json!({"verified": refused == 0, "files": reports}))?,
        false => show(&ui::verification::render(&reports))?,
    }
    let message = match (refused, reports.len()) {
        (0, _) => return Ok(Exit::Done),
        (_, 1) => "the result does not verify".to_owned(),
        (_, all) => format!("{refused} of {all} results do not verify"),
    };
    let hint = "docs/result-format.md says what each check looks at";
    Err(CliError::new(Exit::NotVerified, message, hint))
}

/// What is to be replayed of every result.
fn wanted(args: &VerifyArgs) -> Wanted<'_> {
    Wanted {
        positions: &args.positions,
        corpus: args.corpus.as_deref(),
    }
}

/// Refuses weights that no result at all can be replayed with, before anything long begins. Among many results, those of
/// other models are passed over.
fn expect_replayable(
    args: &VerifyArgs,
    files: &[PathBuf],
    weights: &[WeightsFile],
) -> Result<(), CliError> {
    let mut refused: Vec<Option<ReplayError>> = weights.iter().map(|_| None).collect();
    let mut replayable = vec![false; weights.len()];
    for file in files.iter().filter(|_| !weights.is_empty()) {
        let Some(result) = result(file) else {
            continue;
        };
        for (index, weights) in weights.iter().enumerate() {
            match weights.sitting(&result.payload, wanted(args)) {
                Ok(_) => replayable[index] = true,
                Err(error) if error.is_of_one_result() => {
                    refused[index].get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut refused = refused.into_iter().zip(replayable);
    match refused.find_map(|(error, replayable)| error.filter(|_| !replayable)) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// The result in `file`. What cannot be read is the affair of the checks.
fn result(file: &Path) -> Option<ResultFile> {
    read(file).ok().and_then(|bytes| parse(&bytes).ok())
}

/// What is known of the commit and the weights of `file` apart from the file.
fn options(args: &VerifyArgs, file: &Path, weights: &[WeightsFile]) -> Result<Options, CliError> {
    let mut options = Options {
        git: args.git.clone(),
        allow_unpinned: args.allow_unpinned,
        ..Options::default()
    };
    if !args.rebuild && weights.is_empty() {
        return Ok(options);
    }
    let Some(result) = result(file) else {
        return Ok(options);
    };
    let mut sittings: Vec<Sitting> = Vec::new();
    for weights in weights {
        match weights.sitting(&result.payload, wanted(args)) {
            Ok(sitting) => sittings.push(sitting),
            Err(error) if error.is_of_one_result() => {
                options.not_replayed = Some(error.to_string())
            }
            Err(error) => return Err(error.into()),
        }
    }
    if args.rebuild {
        let git = options.git.get_or_insert_with(|| PathBuf::from("."));
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let plan = Plan::new(&result.payload, git, &variable)?;
        options.rebuilt = Some(plan.run());
    }
    for sitting in sittings {
        let activity = Activity::begin();
        let replayed = sitting.replay(&|what: &str| activity.doing(what));
        activity.finish();
        options.replayed.push(replayed?);
    }
    Ok(options)
}
