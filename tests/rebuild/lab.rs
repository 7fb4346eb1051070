//! A repository with kernels, and a result that names its commit.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sparkbench::build_info::{code_digests, sha256_hex};
use sparkbench::rebuild::{Plan, RebuildError};
use sparkbench::result::{Payload, Reading, parse, seal};
use sparkbench::verify::{Options, Rebuilt, Report, Status, result_files, verify};

use super::fatbin::{PROGBITS, fatbin};

/// The flags and the families of the repository's kernels.
pub const FLAGS: [&str; 3] = ["-O3", "-Xptxas=-v", "--compress-mode=none"];
pub const FAMILIES: [&str; 2] = ["calibration", "memory"];

/// A model of the result, whose configuration is in the repository.
pub const MODEL: &str = "gemma4_26b_a4b";
const MODEL_TEXT: &str =
    "weights:\n  - sha256: 00000000000000000000000000000000000000000000000000000000000000aa\n";

const LOCK: &str = r#"{"root": "root", "nodes": {"root": {"inputs": {"nixpkgs": "nixpkgs"}},
    "nixpkgs": {"locked": {"narHash": "sha256-NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN=", "rev": "714a5f8c4ead6b31148d829288440ed033ccc041"}}}}"#;

/// Everything in one directory that goes with it: `repository`, and `bin` with stand-ins for nvcc and Nix.
pub struct Lab {
    directory: tempfile::TempDir,
    /// An honest result of the commit.
    pub payload: Payload,
}

impl Lab {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let kernel = |family: &str| {
            format!(
                "extern \"C\" __global__ void {family}_fill(int* out) {{ out[threadIdx.x] = 1; }}\n"
            )
        };
        let recipe = serde_json::json!({
            "architectures": [90, 120], "flags": FLAGS,
            "families": {"calibration": ["calibration/fill.cu"], "memory": ["memory/fill.cu"]},
        });
        let files = [
            ("README.md", "A repository.\n".to_owned()),
            ("configs/models/gemma4_26b_a4b.yaml", MODEL_TEXT.to_owned()),
            ("flake.lock", LOCK.to_owned()),
            ("kernels/build.json", recipe.to_string()),
            ("kernels/calibration/fill.cu", kernel("calibration")),
            ("kernels/memory/fill.cu", kernel("memory")),
        ];
        for (path, text) in &files {
            write(&root.join("repository").join(path), text.as_bytes());
        }
        let image = |code: &[u8]| {
            let sections = [(".text.fill", PROGBITS, code)];
            fatbin(&[(90, &sections), (120, &sections)])
        };
        let bin = root.join("bin");
        write(&bin.join("image"), &image(b"code"));
        write(&bin.join("other"), &image(b"other code"));
        let ptxas = |architecture: &str| {
            format!(
                "ptxas info    : Compiling entry function 'fill' for '{architecture}'\nptxas info    : Function properties for fill\n    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\nptxas info    : Used 12 registers\n"
            )
        };
        write(
            &bin.join("log"),
            (ptxas("sm_90") + &ptxas("sm_120")).as_bytes(),
        );
        let mut lab = Self {
            directory,
            payload: any_result_of_a_gpu(),
        };
        let nvcc = &lab.payload.images[0].manifest.nvcc;
        let version = format!("nvcc release, V{}\nBuild {}\n", nvcc.version, nvcc.release);
        write(&bin.join("version"), version.as_bytes());
        lab.git(&["init", "--quiet"]);
        lab.commit();
        lab.make_honest(&files);
        lab
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn repository(&self) -> PathBuf {
        self.root().join("repository")
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output = Command::new("git")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .arg("-C")
            .arg(self.repository())
            .args(identity)
            .args(["-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything; the result names the new commit and its sources.
    pub fn commit(&mut self) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", "all"]);
        let provenance = &mut self.payload.build.provenance;
        provenance.dirty = Reading::of(false);
        let (commit, tree) = (
            self.git(&["rev-parse", "HEAD"]),
            self.git(&["rev-parse", "HEAD^{tree}"]),
        );
        let provenance = &mut self.payload.build.provenance;
        provenance.commit = Reading::of(commit);
        provenance.tree = Reading::of(tree);
        let list: String = ["configs", "kernels"]
            .into_iter()
            .flat_map(|folder| {
                self.git(&["ls-files", folder])
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .map(|path| {
                let bytes = fs::read(self.repository().join(&path)).unwrap();
                format!("{}  {path}\n", sha256_hex(&bytes))
            })
            .collect();
        self.payload.build.source_sha256 = sha256_hex(list.as_bytes());
    }

    fn make_honest(&mut self, files: &[(&str, String)]) {
        let digests: BTreeMap<&str, String> = files
            .iter()
            .map(|(path, text)| (*path, sha256_hex(text.as_bytes())))
            .collect();
        let code = self.code("image");
        let payload = &mut self.payload;
        payload.build.provenance.flake_lock_sha256 = Reading::of(digests["flake.lock"].clone());
        for model in payload
            .target
            .models
            .iter_mut()
            .filter(|model| model.name == MODEL)
        {
            model.sha256 = digests["configs/models/gemma4_26b_a4b.yaml"].clone();
        }
        for image in &mut payload.images {
            let manifest = &mut image.manifest;
            let unit = format!("kernels/{}/fill.cu", manifest.family);
            manifest.sources = [(unit.clone(), digests[unit.as_str()].clone())].into();
            manifest.architectures = ["sm_90", "sm_120"].map(str::to_owned).to_vec();
            manifest
                .kernels
                .retain(|architecture, _| code.contains_key(architecture));
            manifest.code_sha256 = code.clone();
            manifest.arguments = arguments(&manifest.family, &FLAGS);
        }
    }

    /// The code digests of an image that the stand-in for nvcc makes.
    pub fn code(&self, image: &str) -> BTreeMap<String, String> {
        let bytes = fs::read(self.root().join("bin").join(image)).unwrap();
        code_digests(&bytes).unwrap()
    }

    /// Puts a stand-in beside what it reads, and gives its path.
    pub fn stand_in(&self, name: &str) -> PathBuf {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rebuild");
        let path = self.root().join("bin").join(name);
        // A link: a file that was just written may still be open in another test's child, and then cannot be run.
        if !path.exists() {
            symlink(fixtures.join(name), &path).unwrap();
        }
        path
    }

    /// The variables with which the stand-in for nvcc is found, and no Nix.
    pub fn with_nvcc(&self) -> BTreeMap<&'static str, OsString> {
        let nvcc = self.stand_in("nvcc");
        [("NVCC", nvcc.clone().into()), ("CXX", nvcc.into())].into()
    }

    pub fn rebuild(
        &self,
        payload: &Payload,
        variables: &BTreeMap<&str, OsString>,
    ) -> Result<Result<Rebuilt, String>, RebuildError> {
        let variable = |name: &str| variables.get(name).cloned();
        Plan::new(payload, &self.repository(), &variable).map(|plan| plan.run())
    }

    /// The report on `payload` after a rebuild.
    pub fn report(&self, payload: &Payload, variables: &BTreeMap<&str, OsString>) -> Report {
        let options = Options {
            git: Some(self.repository()),
            rebuilt: Some(self.rebuild(payload, variables).unwrap()),
            ..Options::default()
        };
        verify("result", seal(payload).unwrap().text.as_bytes(), &options)
    }

    /// The result as a file.
    pub fn file(&self, payload: &Payload) -> PathBuf {
        let path = self.root().join("result.json");
        fs::write(&path, seal(payload).unwrap().text).unwrap();
        path
    }
}

/// Failed checks with what they found.
pub fn failed(report: &Report) -> Vec<(&'static str, String)> {
    let failed = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail);
    failed
        .map(|check| (check.name, check.details.join("; ")))
        .collect()
}

pub fn status(report: &Report, name: &str) -> Status {
    report
        .checks
        .iter()
        .find(|check| check.name == name)
        .unwrap()
        .status
}

/// What nvcc is given for the repository's architectures.
pub fn arguments(family: &str, flags: &[&str]) -> Vec<String> {
    let codes = ["90", "120"].map(|a| format!("-gencode=arch=compute_{a},code=sm_{a}"));
    let files = [
        "--fatbin".to_owned(),
        format!("{family}.cu"),
        "-o".to_owned(),
        format!("{family}.fatbin"),
    ];
    flags
        .iter()
        .map(|flag| flag.to_string())
        .chain(codes)
        .chain(files)
        .collect()
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A result of the family `memory` that the repository keeps.
fn any_result_of_a_gpu() -> Payload {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/2026-11-23-h100");
    let files = result_files(&results).unwrap();
    let of_memory = files
        .iter()
        .find(|file| file.to_string_lossy().contains("-memory-"));
    let payload = parse(&fs::read(of_memory.unwrap()).unwrap())
        .unwrap()
        .payload;
    let families: Vec<&str> = payload
        .images
        .iter()
        .map(|image| image.manifest.family.as_str())
        .collect();
    assert_eq!(families, FAMILIES);
    payload
}

/// A variable of this process; empty counts as unset.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
