//! From sources to an image and its manifest, with a stand-in for nvcc.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::amalgam::amalgamate;
use super::build::compile::build_image;
use super::build::manifest::{ImageManifest, NvccVersion};
use super::build::prebuilt::take_image;
use super::build::ptxas;
use super::build::recipe::Recipe;
use super::build::toolchain::Toolchain;
use super::fatbin::{PROGBITS, fatbin};

/// Printed by `nvcc -Xptxas=-v` 13.2.78 for a kernel that calls a function that was not inlined.
const LOG: &str = "\
ptxas info    : 20 bytes gmem
ptxas info    : Compiling entry function 'fill' for 'sm_90'
ptxas info    : Function properties for fill
    16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 14 registers, used 1 barriers, 256 bytes smem
ptxas info    : Compile time = 3.025 ms
ptxas info    : Function properties for helper
    8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : 20 bytes gmem
ptxas info    : Compiling entry function 'fill' for 'sm_120'
ptxas info    : Function properties for fill
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers
ptxas info    : Compile time = 2.919 ms
";

/// A package with one family, and where a stand-in for nvcc finds what it needs.
struct Package {
    directory: tempfile::TempDir,
    recipe: Recipe,
    toolchain: Toolchain,
}

impl Package {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for folder in ["kernels/memory", "kernels/include", "out"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let recipe = r#"{"architectures": [90, 120], "flags": ["-O3"], "families": {"memory": ["memory/fill.cu"]}}"#;
        fs::write(root.join("kernels/build.json"), recipe).unwrap();
        fs::write(
            root.join("kernels/memory/fill.cu"),
            "#include \"word.cuh\"\nkernel\n",
        )
        .unwrap();
        fs::write(
            root.join("kernels/include/word.cuh"),
            "#pragma once\nword\n",
        )
        .unwrap();
        let sections = [(".text.fill", PROGBITS, &b"code"[..])];
        fs::write(
            root.join("image"),
            fatbin(&[(90, &sections), (120, &sections)]),
        )
        .unwrap();
        fs::write(root.join("log"), LOG).unwrap();
        Self {
            recipe: Recipe::read(root).unwrap(),
            toolchain: Toolchain {
                nvcc: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nvcc"),
                nvcc_version: NvccVersion {
                    version: "13.2.78".into(),
                    release: "cuda_13.2".into(),
                },
                host_compiler: PathBuf::from("/somewhere/bin/c++"),
                host_compiler_version: "c++ 12.2.0".into(),
            },
            directory,
        }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn build(&self) -> Result<ImageManifest, String> {
        build_image(
            self.root(),
            &self.recipe,
            "memory",
            &self.toolchain,
            &self.root().join("out"),
        )
    }

    /// How often nvcc ran.
    fn runs(&self) -> usize {
        fs::read_to_string(self.root().join("runs")).map_or(0, |runs| runs.lines().count())
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.root().join(file), text).unwrap();
    }
}

#[test]
fn the_manifest_states_sources_flags_versions_code_and_resources() {
    let package = Package::new();
    let manifest = package.build().unwrap();
    insta::assert_json_snapshot!("manifest", manifest);
    let passed = fs::read_to_string(package.root().join("runs")).unwrap();
    let expected = format!(
        "-ccbin=/somewhere/bin/c++ {}\n",
        manifest.arguments.join(" ")
    );
    assert_eq!(passed, expected);
    let written = fs::read_to_string(package.root().join("out/memory.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<ImageManifest>(&written).unwrap(),
        manifest
    );
}

#[test]
fn nvcc_runs_again_when_and_only_when_something_that_it_read_has_changed() {
    let mut package = Package::new();
    let first = package.build().unwrap();
    assert_eq!(package.build().unwrap(), first);
    package.write("README.md", "Not a kernel.\n");
    package.write("kernels/include/unused.cuh", "Included by nobody.\n");
    assert_eq!(package.build().unwrap(), first);
    assert_eq!(package.runs(), 1);

    package.write(
        "kernels/memory/fill.cu",
        "#include \"word.cuh\"\nanother kernel\n",
    );
    package.build().unwrap();
    assert_eq!(package.runs(), 2, "a translation unit");
    package.write("kernels/include/word.cuh", "another word\n");
    package.build().unwrap();
    assert_eq!(package.runs(), 3, "a header");
    package.recipe.flags.push("-DNDEBUG".into());
    package.build().unwrap();
    assert_eq!(package.runs(), 4, "a flag");
    package.toolchain.nvcc_version.version = "13.2.79".into();
    package.build().unwrap();
    assert_eq!(package.runs(), 5, "nvcc");
    package.toolchain.host_compiler_version = "c++ 12.3.0".into();
    package.build().unwrap();
    assert_eq!(package.runs(), 6, "the host compiler");
    package.write("out/memory.fatbin", "damaged");
    package.build().unwrap();
    assert_eq!(package.runs(), 7, "the image");
    package.build().unwrap();
    assert_eq!(package.runs(), 7);
}

#[test]
fn a_failed_build_is_tried_again() {
    let package = Package::new();
    package.build().unwrap();
    package.write("kernels/memory/fill.cu", "kernel that spills\n");
    package.write(
        "log",
        &LOG.replace("0 bytes spill stores", "8 bytes spill stores"),
    );
    assert!(package.build().is_err());
    assert!(package.build().is_err());
    package.write("log", LOG);
    package.build().unwrap();
    assert_eq!(package.runs(), 4);
}

#[test]
fn a_spill_an_internal_kernel_and_a_missing_architecture_fail_the_build() {
    let package = Package::new();
    let error = |log: &str| {
        package.write("log", log);
        package.build().unwrap_err()
    };
    insta::assert_snapshot!(error(&LOG.replacen("0 bytes spill stores, 0", "8 bytes spill stores, 12", 1)), @"family memory: registers spill in fill on sm_90 (8 bytes stored, 12 loaded)");
    insta::assert_snapshot!(error(&LOG.replace("fill", "_ZN32_GLOBAL__N__b2078c60_4_t_cu_fill2tkEv")), @"family memory: kernel _ZN32_GLOBAL__N__b2078c60_4_t_cu_fill2tkEv has internal linkage, so its code would differ between directories; move it out of the anonymous namespace or drop `static`");
    insta::assert_snapshot!(error(&LOG.replace("sm_120", "sm_90")), @r#"family memory: expected ptxas figures for ["sm_120", "sm_90"], found ["sm_90"]"#);
    insta::assert_snapshot!(error(&LOG.replace("Used 12 registers", "Used many registers")), @r#"unknown line of ptxas: "ptxas info    : Used many registers, used 0 barriers""#);
}

#[test]
fn resources_are_those_of_kernels_and_not_of_the_functions_that_they_call() {
    let resources = ptxas::parse(LOG).unwrap();
    let on_hopper = resources["sm_90"]["fill"];
    assert_eq!(resources["sm_90"].len(), 1);
    assert_eq!(
        (
            on_hopper.registers,
            on_hopper.stack_bytes,
            on_hopper.shared_bytes
        ),
        (14, 16, 256)
    );
    assert_eq!(resources["sm_120"]["fill"].registers, 12);
    assert_eq!(ptxas::spills(&resources), None);
}

#[test]
fn an_amalgam_has_every_header_once_and_the_lines_of_every_source() {
    let package = Package::new();
    package.write(
        "kernels/memory/copy.cu",
        "#include <cstdint>\n  # include \"word.cuh\"\n#include \"own.cuh\"\ncopy\n",
    );
    package.write("kernels/memory/own.cuh", "#include \"word.cuh\"\nown\n");
    let units = ["memory/fill.cu", "memory/copy.cu"].map(String::from);
    let amalgam = amalgamate(package.root(), &units).unwrap();
    insta::assert_snapshot!("amalgam", amalgam.text);
    let sources: Vec<_> = amalgam.sources.keys().collect();
    assert_eq!(
        sources,
        [
            "kernels/include/word.cuh",
            "kernels/memory/copy.cu",
            "kernels/memory/fill.cu",
            "kernels/memory/own.cuh"
        ]
    );
}

#[test]
fn a_header_that_is_not_ours_is_named_with_its_line() {
    let package = Package::new();
    for name in ["missing.cuh", "../memory/fill.cu"] {
        package.write(
            "kernels/memory/fill.cu",
            &format!("\n#include \"{name}\"\n"),
        );
        let error = amalgamate(package.root(), &package.recipe.families["memory"]).unwrap_err();
        assert!(error.starts_with("kernels/memory/fill.cu:2: "), "{error}");
    }
}

#[test]
fn a_recipe_that_is_not_one_is_refused() {
    let package = Package::new();
    let error = |from: &str, to: &str| {
        let text =
            r#"{"architectures": [90], "flags": [], "families": {"memory": ["memory/fill.cu"]}}"#;
        assert!(text.contains(from));
        package.write("kernels/build.json", &text.replace(from, to));
        let error = Recipe::read(package.root()).unwrap_err();
        error.replace(package.root().to_str().unwrap(), "[root]")
    };
    insta::assert_snapshot!(error("[90]", "[]"), @"kernels/build.json: expected at least one architecture, found none");
    insta::assert_snapshot!(error("memory\":", "../memory\":"), @r#"kernels/build.json: expected a family of lowercase letters, digits and _, found "../memory""#);
    insta::assert_snapshot!(error("[\"memory/fill.cu\"]", "[]"), @"kernels/build.json: expected at least one translation unit in memory, found none");
    insta::assert_snapshot!(error("flags", "flag"), @"[root]/kernels/build.json: unknown field `flag`, expected one of `architectures`, `flags`, `families` at line 1 column 30");
}

#[test]
fn images_built_apart_may_be_for_some_architectures_alone() {
    let mut package = Package::new();
    let all = package.recipe.clone();
    let only = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        all.only(&names)
    };
    package.recipe = only(&["sm_120"]).unwrap();
    let sections = [(".text.fill", PROGBITS, &b"code"[..])];
    fs::write(package.root().join("image"), fatbin(&[(120, &sections)])).unwrap();
    let on_blackwell = LOG.find("ptxas info    : Compiling entry function 'fill' for 'sm_120'");
    package.write("log", &LOG[on_blackwell.unwrap()..]);
    let manifest = package.build().unwrap();
    assert_eq!(manifest.architectures, ["sm_120"]);
    let (out, taken) = (package.root().join("out"), package.root().join("taken"));
    let take = |recipe| take_image(package.root(), recipe, "memory", &out, &taken);
    assert_eq!(take(&all), Ok(manifest));
    insta::assert_snapshot!(take(&only(&["sm_90"]).unwrap()).unwrap_err(), @r#"SPARKBENCH_KERNELS_DIR: memory.json: expected an architecture of kernels/build.json (sm_90), found "sm_120""#);

    insta::assert_snapshot!(only(&[]).unwrap_err(), @"expected at least one architecture, found none");
    insta::assert_snapshot!(only(&["sm_90", "sm_90"]).unwrap_err(), @"expected every architecture once, found sm_90 twice");
    insta::assert_snapshot!(only(&["sm_9"]).unwrap_err(), @r#"expected an architecture of kernels/build.json (sm_90, sm_120), found "sm_9""#);
}

#[test]
fn images_built_apart_are_taken_if_they_are_those_of_the_sources() {
    let package = Package::new();
    let manifest = package.build().unwrap();
    let (out, taken) = (package.root().join("out"), package.root().join("taken"));
    let take = || take_image(package.root(), &package.recipe, "memory", &out, &taken);
    assert_eq!(take(), Ok(manifest.clone()));
    assert_eq!(
        fs::read(taken.join("memory.fatbin")).unwrap(),
        fs::read(out.join("memory.fatbin")).unwrap()
    );

    package.write("kernels/memory/fill.cu", "another kernel\n");
    insta::assert_snapshot!(take().unwrap_err(), @"SPARKBENCH_KERNELS_DIR: sources in memory.json is not that of the image and of the sources in kernels/");
    package.write("kernels/memory/fill.cu", "#include \"word.cuh\"\nkernel\n");

    let mut forged = manifest.clone();
    forged.arguments.push("-lineinfo".into());
    package.write("out/memory.json", &serde_json::to_string(&forged).unwrap());
    insta::assert_snapshot!(take().unwrap_err(), @"SPARKBENCH_KERNELS_DIR: arguments in memory.json is not that of the image and of the sources in kernels/");

    package.write(
        "out/memory.json",
        &serde_json::to_string(&manifest).unwrap(),
    );
    let other = [(".text.fill", PROGBITS, &b"edoc"[..])];
    fs::write(
        out.join("memory.fatbin"),
        fatbin(&[(90, &other), (120, &other)]),
    )
    .unwrap();
    insta::assert_snapshot!(take().unwrap_err(), @"SPARKBENCH_KERNELS_DIR: image_sha256 in memory.json is not that of the image and of the sources in kernels/");

    fs::remove_file(out.join("memory.fatbin")).unwrap();
    assert!(
        take()
            .unwrap_err()
            .starts_with("SPARKBENCH_KERNELS_DIR: cannot read ")
    );
}
