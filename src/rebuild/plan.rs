//! What a result asks to be built again, and by which means that can be done here.

use std::path::{Path, PathBuf};

use super::RebuildError;
use super::manifest::NvccVersion;
use super::nix::Flake;
use super::nvcc;
use super::toolchain::{self, Env, Toolchain};
use crate::build_info::is_hex;
use crate::result::{ImageRecord, Payload};
use crate::verify::{Checkout, Rebuilt};

/// How the commit of a result is built again on this machine.
#[derive(Debug)]
pub struct Plan(Work);

#[derive(Debug)]
enum Work {
    /// By Nix: program and kernels.
    Nix { program: PathBuf, flake: Flake },
    /// By the nvcc of the result: kernels alone.
    Nvcc {
        toolchain: Toolchain,
        git: Checkout,
        commit: String,
        images: Vec<ImageRecord>,
        why_not_nix: String,
    },
    /// Nothing is in the result that could be compared.
    Nothing { why_not_nix: String },
    /// The result says nothing that could be built.
    Impossible(String),
}

impl Plan {
    /// How to build the commit that `payload` names from the git checkout `git`: by Nix if Nix built the program and is on
    /// `PATH`, else by nvcc, if that is the very release of the result.
    ///
    /// # Errors
    /// What is missing on this machine. What is missing in the result or in the checkout is a finding of [`Plan::run`].
    pub fn new(payload: &Payload, git: &Path, env: Env) -> Result<Self, RebuildError> {
        let git = Checkout::at(git);
        match sources(payload, &git) {
            Ok((commit, flake)) => {
                Self::with_means(git, commit, flake, &payload.images, env).map(Self)
            }
            Err(wrong) => Ok(Self(Work::Impossible(wrong))),
        }
    }

    fn with_means(
        git: Checkout,
        commit: String,
        flake: Option<Flake>,
        images: &[ImageRecord],
        env: Env,
    ) -> Result<Work, RebuildError> {
        let by_hand = flake.as_ref().map(|flake| flake.commands().join("; "));
        if let (Some(flake), Some(program)) = (flake, toolchain::on_path(env, "nix".as_ref())) {
            return Ok(Work::Nix { program, flake });
        }
        let why_not_nix = match &by_hand {
            Some(command) => format!("no nix on PATH; where there is one: {command}"),
            None => "the program was not built by Nix".to_owned(),
        };
        let wanted = match nvcc_of(images) {
            Ok(None) if by_hand.is_none() => return Ok(Work::Nothing { why_not_nix }),
            Ok(wanted) => wanted,
            Err(wrong) => return Ok(Work::Impossible(wrong)),
        };
        Ok(Work::Nvcc {
            toolchain: compiler(wanted, by_hand.as_deref(), env)?,
            git,
            commit,
            images: images.to_vec(),
            why_not_nix,
        })
    }

    /// Builds, which takes minutes. Nix says on stderr what it does.
    ///
    /// # Errors
    /// Why the commit does not build: a finding against the result.
    pub fn run(&self) -> Result<Rebuilt, String> {
        match &self.0 {
            Work::Nix { program, flake } => flake.build(program),
            Work::Nvcc {
                toolchain,
                git,
                commit,
                images,
                why_not_nix,
            } => nvcc::compile(git, commit, images, toolchain, why_not_nix),
            Work::Nothing { why_not_nix } => {
                Ok(Rebuilt::nothing(why_not_nix, "no kernel image was loaded"))
            }
            Work::Impossible(why) => Err(why.clone()),
        }
    }
}

/// The commit that a result names, and what Nix is to build of it if the result is of Nix.
fn sources(payload: &Payload, git: &Checkout) -> Result<(String, Option<Flake>), String> {
    let provenance = &payload.build.provenance;
    let reason = || provenance.commit.reason().unwrap_or("no reason");
    let commit = provenance
        .commit
        .value()
        .ok_or_else(|| format!("the result names no commit: {}", reason()))?;
    if !is_hex(commit, 40) {
        return Err("the result names no commit in the form of one".to_owned());
    }
    let nix = provenance.nix.value();
    let flake = nix.map(|nix| Flake::of(nix, git, commit)).transpose()?;
    Ok((commit.clone(), flake))
}

/// The release that compiled all images; none without images.
fn nvcc_of(images: &[ImageRecord]) -> Result<Option<&NvccVersion>, String> {
    let mut releases = images.iter().map(|image| &image.manifest.nvcc);
    let first = releases.next();
    match releases.all(|release| Some(release) == first) {
        true => Ok(first),
        false => Err("expected one nvcc of all images, found several".to_owned()),
    }
}

/// The compiler, if it is the one `wanted`. `by_hand` is what Nix could do instead.
fn compiler(
    wanted: Option<&NvccVersion>,
    by_hand: Option<&str>,
    env: Env,
) -> Result<Toolchain, RebuildError> {
    let no_means = |found: String| {
        let install = "install that nvcc (`scripts/nvcc` of the commit does) and name it by NVCC or CUDA_HOME";
        let both = |nix: Option<String>, nvcc: Option<String>| {
            let parts: Vec<String> = nix.into_iter().chain(nvcc).collect();
            parts.join(" or ")
        };
        RebuildError::NoMeans {
            needed: both(
                by_hand.map(|_| "Nix".to_owned()),
                wanted.map(|wanted| format!("nvcc {} ({})", wanted.version, wanted.release)),
            ),
            found,
            step: both(
                by_hand.map(|command| format!("install Nix and run `{command}`")),
                wanted.map(|_| install.to_owned()),
            ),
        }
    };
    let Some(wanted) = wanted else {
        return Err(no_means("no nix on PATH".to_owned()));
    };
    toolchain::refuse_hidden_flags(env).map_err(RebuildError::Toolchain)?;
    let nvcc = toolchain::find_nvcc(env).map_err(RebuildError::Toolchain)?;
    let missing = || no_means("no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)".to_owned());
    let nvcc = nvcc.ok_or_else(missing)?;
    let host = env("CXX").map_or(PathBuf::from("c++"), PathBuf::from);
    let found = Toolchain::new(nvcc, host).map_err(RebuildError::Toolchain)?;
    let NvccVersion { version, release } = &found.nvcc_version;
    match found.nvcc_version == *wanted {
        true => Ok(found),
        false => Err(no_means(format!("nvcc {version} ({release})"))),
    }
}
