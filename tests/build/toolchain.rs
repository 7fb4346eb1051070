//! Which nvcc is taken, and which environments are refused.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::build::toolchain::{Mode, find_nvcc, nvcc_version, refuse_hidden_flags};

/// A lookup in `variables` in place of the environment.
fn environment(variables: &[(&str, &Path)]) -> impl Fn(&str) -> Option<OsString> + use<> {
    let variables: Vec<(String, OsString)> = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_os_str().to_owned()))
        .collect();
    move |name| {
        variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    }
}

/// A directory that looks like a CUDA toolkit.
fn toolkit() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    fs::write(home.path().join("bin/nvcc"), "").unwrap();
    home
}

#[test]
fn nvcc_is_looked_for_in_its_order() {
    let homes = [(); 4].map(|()| toolkit());
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|i| homes[i].path().join("bin/nvcc"));
    let bin = fourth.parent().unwrap();
    let all = [
        ("NVCC", first.as_path()),
        ("CUDA_HOME", homes[1].path()),
        ("CUDA_PATH", homes[2].path()),
        ("PATH", bin),
    ];
    for (skipped, expected) in [&first, &second, &third, &fourth].into_iter().enumerate() {
        let found = find_nvcc(&environment(&all[skipped..])).unwrap();
        assert_eq!(found.as_ref(), Some(expected));
    }
    assert_eq!(find_nvcc(&environment(&[])).unwrap(), None);
    let bare_name = [("NVCC", Path::new("nvcc")), ("PATH", bin)];
    assert_eq!(
        find_nvcc(&environment(&bare_name)).unwrap(),
        Some(fourth.clone())
    );
}

#[test]
fn a_variable_that_leads_nowhere_is_an_error_although_another_toolkit_is_there() {
    let home = toolkit();
    let nowhere = Path::new("/nowhere");
    let error = |variable| {
        let variables = [
            (variable, nowhere),
            ("CUDA_PATH", home.path()),
            ("PATH", &home.path().join("bin")),
        ];
        find_nvcc(&environment(&variables)).unwrap_err()
    };
    insta::assert_snapshot!(error("NVCC"), @"expected NVCC to be nvcc, found no file /nowhere");
    insta::assert_snapshot!(error("CUDA_HOME"), @"expected CUDA_HOME to be a CUDA toolkit, found no file /nowhere/bin/nvcc");
}

#[test]
fn flags_that_no_manifest_would_name_are_refused() {
    let flags = Path::new("-lineinfo");
    assert_eq!(refuse_hidden_flags(&environment(&[])), Ok(()));
    let both = environment(&[("NVCC_PREPEND_FLAGS", flags), ("NVCC_APPEND_FLAGS", flags)]);
    insta::assert_snapshot!(refuse_hidden_flags(&both).unwrap_err(), @"unset NVCC_PREPEND_FLAGS and NVCC_APPEND_FLAGS: the flags of a kernel image are those of kernels/build.json and no others");
}

#[test]
fn the_mode_is_one_of_three() {
    let mode = |value: &str| Mode::from_env(&environment(&[("SPARKBENCH_CUDA", Path::new(value))]));
    assert_eq!(Mode::from_env(&environment(&[])), Ok(Mode::Auto));
    assert_eq!(mode("auto"), Ok(Mode::Auto));
    assert_eq!(mode("require"), Ok(Mode::Require));
    assert_eq!(mode("off"), Ok(Mode::Off));
    insta::assert_snapshot!(mode("on").unwrap_err(), @r#"expected SPARKBENCH_CUDA to be auto, require or off, found "on""#);
}

#[test]
fn version_and_build_are_read_from_what_nvcc_prints() {
    // Printed by nvcc 13.2.78.
    let printed = "nvcc: NVIDIA (R) Cuda compiler driver\n\
        Copyright (c) 2005-2026 NVIDIA Corporation\n\
        Built on Thu_Mar_19_11:12:51_PM_PDT_2026\n\
        Cuda compilation tools, release 13.2, V13.2.78\n\
        Build cuda_13.2.r13.2/compiler.37668154_0\n";
    let found = nvcc_version(printed).unwrap();
    assert_eq!(found.version, "13.2.78");
    assert_eq!(found.release, "cuda_13.2.r13.2/compiler.37668154_0");
    assert!(nvcc_version("gcc (GCC) 12.2.0").is_err());
}
