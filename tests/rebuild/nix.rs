//! Program and kernels built again by Nix.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use sparkbench::build_info::{nar_hash, sha256_hex};
use sparkbench::result::{NixRecord, Payload, Reading};
use sparkbench::verify::Status;

use super::lab::{FAMILIES, FLAGS, Lab, failed, status, write};
use super::program::{command, stderr, stdout, text};

/// A program and kernels in a store of their own, a Nix that finds them, and a result of them.
struct Store {
    lab: Lab,
    runner: PathBuf,
    kernels: PathBuf,
    payload: Payload,
}

impl Store {
    fn new() -> Self {
        let lab = Lab::new();
        let path = |digit: &str, name: &str| {
            lab.root()
                .join(format!("store/{}-{name}", digit.repeat(32)))
        };
        let (runner, kernels) = (path("0", "sparkbench-0.1.0"), path("1", "kernels-h100"));
        write(&runner.join("bin/sparkbench"), b"a wrapper");
        write(&runner.join("bin/.sparkbench-wrapped"), b"the program");
        let image = fs::read(lab.root().join("bin/image")).unwrap();
        let mut payload = lab.payload.clone();
        for (family, image_record) in FAMILIES.iter().zip(&payload.images) {
            let manifest = serde_json::to_vec(&image_record.manifest).unwrap();
            write(&kernels.join(format!("{family}.fatbin")), &image);
            write(&kernels.join(format!("{family}.json")), &manifest);
        }
        for (package, path) in [("sparkbench", &runner), ("kernels-h100", &kernels)] {
            write(&lab.root().join("bin").join(package), text(path).as_bytes());
        }
        payload.build.executable_sha256 = Reading::of(sha256_hex(b"the program"));
        let provenance = &mut payload.build.provenance;
        provenance.source = "file".to_owned();
        provenance.tree = Reading::missing("a flake does not learn it");
        provenance.nix = Reading::of(NixRecord {
            nixpkgs_rev: Reading::of("714a5f8c4ead6b31148d829288440ed033ccc041".to_owned()),
            nixpkgs_nar_hash: Reading::of(format!("sha256-{}=", "N".repeat(43))),
            stand_in: false,
            system: "x86_64-linux".to_owned(),
            cuda_version: "13.2".to_owned(),
            nvcc_flags: FLAGS.map(str::to_owned).to_vec(),
            runner_attribute: "sparkbench".to_owned(),
            runner_store_path: text(&runner).to_owned(),
            runner_nar_hash: Reading::of(nar_hash(&runner).unwrap()),
            kernels_store_paths: [("h100".to_owned(), text(&kernels).to_owned())].into(),
        });
        Self {
            lab,
            runner,
            kernels,
            payload,
        }
    }

    /// The variables with which the stand-in for Nix is found.
    fn with_nix(&self) -> BTreeMap<&'static str, OsString> {
        let bin = self.lab.stand_in("nix");
        [("PATH", bin.parent().unwrap().into())].into()
    }

    fn edited(&self, edit: impl Fn(&mut NixRecord)) -> Payload {
        let mut payload = self.payload.clone();
        let nix = &mut payload.build.provenance.nix;
        *nix = nix.clone().map(|mut nix| {
            edit(&mut nix);
            nix
        });
        payload
    }

    fn failed(&self, payload: &Payload) -> Vec<(&'static str, String)> {
        failed(&self.lab.report(payload, &self.with_nix()))
    }
}

#[test]
fn an_honest_result_reaches_level_3_by_the_commands_that_a_person_would_type() {
    let store = Store::new();
    let report = store.lab.report(&store.payload, &store.with_nix());
    assert_eq!(failed(&report), []);
    assert_eq!(report.level.value(), Some(&3));
    assert!(report.pinned);
    for check in ["rebuild.runner", "rebuild.kernels"] {
        assert_eq!(status(&report, check), Status::Pass, "{check}");
    }
    let commit = store.payload.build.provenance.commit.value().unwrap();
    let url = format!(
        "git+file://{}?rev={commit}",
        store.lab.git(&["rev-parse", "--show-toplevel"])
    );
    let command = |package: &str| {
        format!(
            "nix build --extra-experimental-features 'nix-command flakes' --no-link --json '{url}#packages.x86_64-linux.{package}'"
        )
    };
    assert_eq!(
        report.rebuilt_by,
        ["sparkbench", "kernels-h100"].map(command)
    );
    let asked = fs::read_to_string(store.lab.root().join("bin/runs")).unwrap();
    let typed: Vec<String> = asked.lines().map(|line| format!("nix {line}")).collect();
    assert_eq!(
        typed,
        report
            .rebuilt_by
            .iter()
            .map(|line| line.replace('\'', ""))
            .collect::<Vec<_>>()
    );
}

#[test]
fn nix_is_told_of_a_shallow_checkout() {
    let store = Store::new();
    let repository = store.lab.repository();
    let head = store.lab.git(&["rev-parse", "HEAD"]);
    fs::write(repository.join(".git/shallow"), format!("{head}\n")).unwrap();
    let report = store.lab.report(&store.payload, &store.with_nix());
    let asked = &report.rebuilt_by[0];
    assert!(
        asked.contains(&format!("?rev={head}&shallow=1#packages.")),
        "{asked}"
    );
}

#[test]
fn what_the_commit_does_not_give_is_named() {
    let store = Store::new();
    let another = |path: &PathBuf| {
        let digest = path.file_name().unwrap().to_str().unwrap();
        let digit = digest.chars().next().unwrap().to_string();
        text(path).replacen(&format!("/store/{digit}"), "/store/2", 1)
    };
    let edits: [(&str, &str, Payload); 5] = [
        (
            "rebuild.runner",
            "store path: stated",
            store.edited(|nix| nix.runner_store_path = another(&store.runner)),
        ),
        (
            "rebuild.runner",
            "NAR hash: stated",
            store.edited(|nix| {
                nix.runner_nar_hash = Reading::of(format!("sha256-{}=", "R".repeat(43)))
            }),
        ),
        (
            "rebuild.kernels",
            "kernels-h100: stated",
            store.edited(|nix| {
                nix.kernels_store_paths
                    .insert("h100".to_owned(), another(&store.kernels));
            }),
        ),
        ("rebuild.runner", "the executable", {
            let mut payload = store.payload.clone();
            payload.build.executable_sha256 = Reading::of(sha256_hex(b"another program"));
            payload
        }),
        ("rebuild.kernels", "memory, sm_90: stated code", {
            let mut payload = store.payload.clone();
            payload.images[1].manifest.code_sha256 = store.lab.code("other");
            payload
        }),
    ];
    for (check, part, payload) in edits {
        let found = store.failed(&payload);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, check);
        assert!(
            found[0].1.contains(part),
            "expected {part:?} in {:?}",
            found[0].1
        );
    }
}

#[test]
fn an_image_is_digested_anew_whatever_its_manifest_says() {
    let store = Store::new();
    fs::copy(
        store.lab.root().join("bin/other"),
        store.kernels.join("memory.fatbin"),
    )
    .unwrap();
    let found = store
        .lab
        .rebuild(&store.payload, &store.with_nix())
        .unwrap()
        .unwrap_err();
    assert!(
        found.ends_with("memory.json: expected the code digests of the image beside it"),
        "{found}"
    );
}

#[test]
fn what_nix_does_not_build_fails_the_result() {
    let store = Store::new();
    fs::remove_file(store.lab.root().join("bin/kernels-h100")).unwrap();
    let found = store.failed(&store.payload);
    let expected = "cannot be built again: nix build of kernels-h100 failed: exit status: 1";
    assert_eq!(
        found,
        ["rebuild.runner", "rebuild.kernels"].map(|check| (check, expected.to_owned()))
    );
}

#[test]
fn names_that_are_no_packages_reach_no_command() {
    let store = Store::new();
    let payload = store.edited(|nix| nix.runner_attribute = "sparkbench --impure".to_owned());
    let found = store
        .lab
        .rebuild(&payload, &store.with_nix())
        .unwrap()
        .unwrap_err();
    assert_eq!(
        found,
        "expected names of packages from Nix, found `sparkbench --impure`"
    );
    assert!(!store.lab.root().join("bin/runs").exists());
}

#[test]
fn without_nix_kernels_are_compiled_and_the_command_is_shown() {
    let store = Store::new();
    let report = store.lab.report(&store.payload, &store.lab.with_nvcc());
    assert_eq!(failed(&report), []);
    assert_eq!(report.level.value(), Some(&3));
    let runner = report
        .checks
        .iter()
        .find(|check| check.name == "rebuild.runner")
        .unwrap();
    assert_eq!(runner.status, Status::Skipped);
    assert!(
        runner.details[0].starts_with("no nix on PATH; where there is one: nix build "),
        "{runner:?}"
    );

    let neither = store
        .lab
        .rebuild(&store.payload, &BTreeMap::new())
        .unwrap_err();
    let commit = store.payload.build.provenance.commit.value().unwrap();
    let repository = store.lab.git(&["rev-parse", "--show-toplevel"]);
    let text = format!("{neither}\n{}", neither.hint().unwrap())
        .replace(commit, "[commit]")
        .replace(&repository, "/repository");
    insta::assert_snapshot!(text, @r"
cannot rebuild without Nix or nvcc 13.2.78 (cuda_13.2.r13.2/compiler.37668154_0), found no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)
install Nix and run `nix build --extra-experimental-features 'nix-command flakes' --no-link --json 'git+file:///repository?rev=[commit]#packages.x86_64-linux.sparkbench'; nix build --extra-experimental-features 'nix-command flakes' --no-link --json 'git+file:///repository?rev=[commit]#packages.x86_64-linux.kernels-h100'` or install that nvcc (`scripts/nvcc` of the commit does) and name it by NVCC or CUDA_HOME
");
}

#[test]
fn a_result_of_the_stand_in_is_accepted_at_its_level_and_refused_as_pinned_evidence() {
    let store = Store::new();
    let mut payload = store.edited(|nix| {
        nix.stand_in = true;
        nix.nixpkgs_rev = Reading::missing("a path has no revision");
    });
    let provenance = &mut payload.build.provenance;
    let overridden = "an overridden flake has no commit";
    provenance.commit = Reading::missing(overridden);
    provenance.dirty = Reading::missing(overridden);
    let file = store.lab.file(&payload);
    let verify = |more: &[&str]| {
        let arguments = [&["verify", text(&file)], more].concat();
        command(store.lab.root(), &arguments).output().unwrap()
    };
    let refused = verify(&[]);
    assert_eq!(refused.status.code(), Some(3));
    let shown = stdout(&refused);
    assert!(
        shown.contains(": not verified, holds to level 0, no pinned evidence ("),
        "{shown}"
    );
    for check in [
        "provenance.commit",
        "provenance.clean",
        "provenance.nixpkgs",
    ] {
        assert!(shown.contains(&format!("failed   {check}")), "{shown}");
    }
    assert!(shown.contains("the stand-in for nixpkgs"), "{shown}");

    let accepted = verify(&["--allow-unpinned"]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    let shown = stdout(&accepted);
    assert!(
        shown.contains(": verified, level 2, no pinned evidence ("),
        "{shown}"
    );
    assert!(shown.contains("allowed  provenance.nixpkgs"), "{shown}");
}
