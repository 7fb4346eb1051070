//! Builds packages of a flake at a commit, and reads what came out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::code_digest::code_digests;
use super::digest::sha256_hex;
use super::manifest::ImageManifest;
use crate::build_info::{is_attribute, nar_hash};
use crate::result::NixRecord;
use crate::result::Reading;
use crate::verify::{Checkout, CodeDigests, Rebuilt, RebuiltKernels, RebuiltRunner};

/// Flakes are still called experimental, and a machine may have them off.
const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

/// The packages of a commit that a result is to be held against.
#[derive(Debug)]
pub struct Flake {
    /// `git+file:///somewhere?rev=<commit>`.
    url: String,
    system: String,
    runner: String,
    targets: Vec<String>,
}

impl Flake {
    /// The flake in the checkout `git` at `commit`.
    ///
    /// # Errors
    /// If what `nix` states cannot be the names of packages; and if there is no checkout.
    pub fn of(nix: &NixRecord, git: &Checkout, commit: &str) -> Result<Self, String> {
        let targets = nix.kernels_store_paths.keys();
        let mut names = targets.clone().chain([&nix.system, &nix.runner_attribute]);
        if let Some(wrong) = names.find(|name| !is_attribute(name)) {
            return Err(format!(
                "expected names of packages from Nix, found `{wrong}`"
            ));
        }
        // Nix wants to be told.
        let shallow = if git.is_shallow()? { "&shallow=1" } else { "" };
        Ok(Self {
            url: format!("git+file://{}?rev={commit}{shallow}", escaped(&git.top()?)),
            system: nix.system.clone(),
            runner: nix.runner_attribute.clone(),
            targets: targets.cloned().collect(),
        })
    }

    /// The commands that build all packages, as a person types them.
    pub fn commands(&self) -> Vec<String> {
        let packages = self
            .targets
            .iter()
            .map(|target| format!("kernels-{target}"));
        let all = std::iter::once(self.runner.clone()).chain(packages);
        all.map(|package| {
            let quoted = |word: String| match word.contains([' ', '?', '#', '&']) {
                true => format!("'{word}'"),
                false => word,
            };
            let words: Vec<String> = self.arguments(&package).into_iter().map(quoted).collect();
            format!("nix {}", words.join(" "))
        })
        .collect()
    }

    fn arguments(&self, package: &str) -> Vec<String> {
        let installable = format!("{}#packages.{}.{package}", self.url, self.system);
        let mut arguments = vec!["build".to_owned()];
        arguments.extend(FEATURES.map(str::to_owned));
        arguments.extend(["--no-link", "--json"].map(str::to_owned));
        arguments.push(installable);
        arguments
    }

    /// Builds all packages by `program` and reads them.
    pub fn build(&self, program: &Path) -> Result<Rebuilt, String> {
        let runner = self.out_path(program, &self.runner)?;
        let mut kernels = RebuiltKernels::default();
        for target in &self.targets {
            let store_path = self.out_path(program, &format!("kernels-{target}"))?;
            let images = images_in(Path::new(&store_path))?;
            for (family, digests) in images {
                let known = kernels.code_sha256.entry(family).or_default();
                known.extend(digests);
            }
            kernels.store_paths.insert(target.clone(), store_path);
        }
        let read = |error: io::Error| format!("cannot read {runner}: {error}");
        Ok(Rebuilt {
            commands: self.commands(),
            kernels: Reading::of(kernels),
            runner: Reading::of(RebuiltRunner {
                nar_hash: nar_hash(Path::new(&runner)).map_err(read)?,
                executables_sha256: executables(&Path::new(&runner).join("bin")).map_err(read)?,
                store_path: runner,
            }),
        })
    }

    /// The store path of a package, which is built if it is not there.
    fn out_path(&self, program: &Path, package: &str) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Built {
            outputs: BTreeMap<String, String>,
        }
        let output = Command::new(program)
            .args(self.arguments(package))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
        if !output.status.success() {
            return Err(format!("nix build of {package} failed: {}", output.status));
        }
        let built: Vec<Built> = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("nix build of {package}: expected its JSON: {e}"))?;
        let out = built
            .into_iter()
            .find_map(|mut built| built.outputs.remove("out"));
        out.ok_or_else(|| format!("nix build of {package} names no output"))
    }
}

/// Code digests of all images in a directory, recomputed.
fn images_in(directory: &Path) -> Result<BTreeMap<String, CodeDigests>, String> {
    let failed = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut images = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|e| failed(directory, &e))? {
        let path = entry.map_err(|e| failed(directory, &e))?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "fatbin")
        {
            continue;
        }
        let image = fs::read(&path).map_err(|e| failed(&path, &e))?;
        let digests = code_digests(&image).map_err(|e| failed(&path, &e))?;
        let beside = path.with_extension("json");
        let manifest = fs::read(&beside).map_err(|e| failed(&beside, &e))?;
        let manifest: ImageManifest =
            serde_json::from_slice(&manifest).map_err(|e| failed(&beside, &e))?;
        if manifest.code_sha256 != digests {
            return Err(failed(
                &beside,
                &"expected the code digests of the image beside it",
            ));
        }
        images.insert(manifest.family, digests);
    }
    Ok(images)
}

/// The digests of all files in a directory. Wrapped programs hide behind their wrappers, so names say nothing.
fn executables(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut digests = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            digests.insert(sha256_hex(&fs::read(path)?));
        }
    }
    Ok(digests)
}

/// A path as part of a URL (RFC 3986, section 2.1).
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|&b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}
