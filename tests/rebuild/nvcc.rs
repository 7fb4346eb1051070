//! Kernels compiled again where there is no Nix.

use std::collections::BTreeMap;
use std::fs;

use sparkbench::build_info::sha256_hex;
use sparkbench::config::load;
use sparkbench::rebuild::{Plan, RebuildError};
use sparkbench::result::{Payload, Reading};
use sparkbench::verify::Status;

use super::lab::{FAMILIES, FLAGS, Lab, MODEL, arguments, failed, status, variable, write};
use super::program::{command, refusal, stderr, stdout, text};

#[test]
fn an_honest_result_reaches_level_3() {
    let lab = Lab::new();
    let report = lab.report(&lab.payload, &lab.with_nvcc());
    assert_eq!(failed(&report), []);
    assert_eq!(report.level.value(), Some(&3));
    assert_eq!(status(&report, "rebuild.kernels"), Status::Pass);
    assert_eq!(status(&report, "rebuild.runner"), Status::Skipped);
    let expected = FAMILIES.map(|family| format!("nvcc {}", arguments(family, &FLAGS).join(" ")));
    assert_eq!(report.rebuilt_by, expected);
}

#[test]
fn what_differs_from_the_commit_is_named() {
    let lab = Lab::new();
    let other = lab.code("other");
    let built_in = load::model(MODEL).unwrap().source.sha256;
    type Edit<'a> = &'a dyn Fn(&mut Payload);
    let edits: [(Edit<'_>, &[(&str, &str)]); 6] = [
        // A flag, as the manifest says.
        (
            &|p| {
                let manifest = &mut p.images[1].manifest;
                manifest.arguments =
                    arguments("memory", &[&FLAGS[..], &["--use_fast-math"]].concat());
                manifest.code_sha256 = other.clone();
            },
            &[
                ("git.kernels", "found also [--use_fast-math], missing []"),
                ("rebuild.kernels", "memory, sm_90: stated code"),
            ],
        ),
        // A flag that the manifest does not admit.
        (
            &|p| p.images[0].manifest.code_sha256 = other.clone(),
            &[("rebuild.kernels", "calibration, sm_120: stated code")],
        ),
        // An edited kernel in a dirty tree.
        (
            &|p| {
                p.build.provenance.dirty = Reading::of(true);
                let manifest = &mut p.images[1].manifest;
                manifest.sources =
                    [("kernels/memory/fill.cu".to_owned(), sha256_hex(b"edited"))].into();
                manifest.code_sha256 = other.clone();
            },
            &[
                ("provenance.clean", "uncommitted changes"),
                (
                    "git.kernels",
                    "memory: kernels/memory/fill.cu is not that of the commit",
                ),
                ("rebuild.kernels", "memory, sm_120: stated code"),
            ],
        ),
        // Other weights.
        (
            &|p| {
                let mut models = p.target.models.iter_mut();
                models.find(|model| model.name == MODEL).unwrap().sha256 = built_in.clone();
            },
            &[("git.configurations", "00aa]")],
        ),
        // An architecture that the commit does not compile for.
        (
            &|p| {
                let manifest = &mut p.images[0].manifest;
                let code = manifest.code_sha256["sm_90"].clone();
                manifest.code_sha256.insert("sm_75".to_owned(), code);
            },
            &[
                ("provenance.manifests", "code digests"),
                ("rebuild.kernels", "calibration, sm_75: stated code"),
            ],
        ),
        (
            &|p| p.build.provenance.commit = Reading::missing("overridden"),
            &[
                ("provenance.commit", "overridden"),
                (
                    "rebuild.runner",
                    "cannot be built again: the result names no commit: overridden",
                ),
                (
                    "rebuild.kernels",
                    "cannot be built again: the result names no commit: overridden",
                ),
            ],
        ),
    ];
    for (edit, expected) in edits {
        let mut payload = lab.payload.clone();
        edit(&mut payload);
        let found = failed(&lab.report(&payload, &lab.with_nvcc()));
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "{found:?}"
        );
        for ((_, details), (_, part)) in found.iter().zip(expected) {
            assert!(details.contains(part), "expected {part:?} in {details:?}");
        }
    }
}

#[test]
fn a_commit_whose_kernels_were_edited_gives_other_code() {
    let mut lab = Lab::new();
    write(
        &lab.repository().join("kernels/memory/fill.cu"),
        b"edited\n",
    );
    lab.commit();
    let manifest = &mut lab.payload.images[1].manifest;
    manifest.sources = [("kernels/memory/fill.cu".to_owned(), sha256_hex(b"edited\n"))].into();
    let report = lab.report(&lab.payload, &lab.with_nvcc());
    let names: Vec<&str> = failed(&report).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["rebuild.kernels"]);
    assert_eq!(report.level.value(), Some(&2));
}

#[test]
fn a_commit_that_does_not_build_fails_the_result() {
    let mut lab = Lab::new();
    fs::remove_dir_all(lab.repository().join("kernels")).unwrap();
    lab.commit();
    let found = lab
        .rebuild(&lab.payload, &lab.with_nvcc())
        .unwrap()
        .unwrap_err();
    assert!(found.ends_with(" has no kernels/"), "{found}");
    write(&lab.repository().join("kernels/build.json"), b"{}");
    lab.commit();
    let found = lab
        .rebuild(&lab.payload, &lab.with_nvcc())
        .unwrap()
        .unwrap_err();
    assert!(
        found.contains("kernels/build.json: missing field"),
        "{found}"
    );
}

#[test]
fn another_nvcc_or_none_is_no_means() {
    let lab = Lab::new();
    let none = lab.rebuild(&lab.payload, &BTreeMap::new()).unwrap_err();
    insta::assert_snapshot!(none.to_string(), @"cannot rebuild without nvcc 13.2.78 (cuda_13.2.r13.2/compiler.37668154_0), found no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)");
    insta::assert_snapshot!(none.hint().unwrap(), @"install that nvcc (`scripts/nvcc` of the commit does) and name it by NVCC or CUDA_HOME");
    write(
        &lab.root().join("bin/version"),
        b"release 12.8, V12.8.93\nBuild cuda_12.8.r12.8/1\n",
    );
    let other = lab.rebuild(&lab.payload, &lab.with_nvcc()).unwrap_err();
    insta::assert_snapshot!(other.to_string(), @"cannot rebuild without nvcc 13.2.78 (cuda_13.2.r13.2/compiler.37668154_0), found nvcc 12.8.93 (cuda_12.8.r12.8/1)");
    let mut hidden = lab.with_nvcc();
    hidden.insert("NVCC_APPEND_FLAGS", "-O0".into());
    let hidden = lab.rebuild(&lab.payload, &hidden).unwrap_err();
    assert!(matches!(hidden, RebuildError::Toolchain(_)));
}

#[test]
fn a_result_of_the_cpu_has_nothing_to_rebuild() {
    let lab = Lab::new();
    let mut payload = lab.payload.clone();
    payload.images.clear();
    let rebuilt = lab.rebuild(&payload, &BTreeMap::new()).unwrap().unwrap();
    assert!(rebuilt.kernels.value().is_none() && rebuilt.runner.value().is_none());
}

#[test]
fn the_program_rebuilds_or_says_what_it_needs() {
    let lab = Lab::new();
    let (file, repository) = (lab.file(&lab.payload), lab.repository());
    let arguments = [
        "verify",
        "--rebuild",
        text(&file),
        "--git",
        text(&repository),
    ];
    let verify = || {
        let mut command = command(lab.root(), &arguments);
        for name in [
            "CUDA_HOME",
            "CUDA_PATH",
            "NVCC_PREPEND_FLAGS",
            "NVCC_APPEND_FLAGS",
        ] {
            command.env_remove(name);
        }
        command
    };
    let output = verify().envs(lab.with_nvcc()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output).contains(": verified, level 3, pinned evidence"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    let left = fs::read_dir(lab.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let scratch: Vec<_> = left
        .filter(|name| name.to_string_lossy().contains("rebuild"))
        .collect();
    assert!(scratch.is_empty(), "{scratch:?}");

    let nowhere = lab.root().join("nowhere");
    let output = verify().env("NVCC", &nowhere).output().unwrap();
    let refused = refusal(&output).replace(text(lab.root()), "[lab]");
    insta::assert_snapshot!(refused, @r"
exit code 4
error: cannot rebuild: expected NVCC to be nvcc, found no file [lab]/nowhere
hint: correct NVCC, CUDA_HOME, CUDA_PATH or PATH; scripts/nvcc installs one
");
}

#[test]
fn a_real_nvcc_gives_the_same_code_of_a_commit_and_other_code_of_an_edited_one() {
    let mut lab = Lab::new();
    let rebuild =
        |lab: &Lab| Plan::new(&lab.payload, &lab.repository(), &variable).map(|plan| plan.run());
    let first = match rebuild(&lab) {
        Ok(first) => first.unwrap(),
        Err(missing) => {
            assert_ne!(
                variable("SPARKBENCH_CUDA"),
                Some("require".into()),
                "{missing}"
            );
            println!("skipped: {missing}");
            return;
        }
    };
    let code = first.kernels.value().unwrap().code_sha256.clone();
    assert_eq!(
        code["memory"].keys().collect::<Vec<_>>(),
        ["sm_120", "sm_90"]
    );

    write(&lab.repository().join("README.md"), b"Another text.\n");
    lab.commit();
    let second = rebuild(&lab).unwrap().unwrap();
    assert_eq!(second.kernels.value().unwrap().code_sha256, code);

    let kernel = "extern \"C\" __global__ void memory_fill(int* out) { out[threadIdx.x] = 2; }\n";
    write(
        &lab.repository().join("kernels/memory/fill.cu"),
        kernel.as_bytes(),
    );
    lab.commit();
    let third = rebuild(&lab).unwrap().unwrap();
    let edited = &third.kernels.value().unwrap().code_sha256;
    assert_ne!(edited["memory"], code["memory"]);
    assert_eq!(edited["calibration"], code["calibration"]);
}
