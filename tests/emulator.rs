//! The CUDA engine, from its host code to the last of its kernels, on a GPU that this machine need not have: `emulator/` is
//! a libcuda that computes on the processor. It cannot show what depends on the memory model, or speed.

#[path = "gpu/exact.rs"]
mod exact;
#[path = "emulator/exactness.rs"]
mod exactness;
#[path = "emulator/library.rs"]
mod library;
#[path = "emulator/logits.rs"]
mod logits;
#[path = "emulator/made_up.rs"]
mod made_up;
#[path = "emulator/models.rs"]
mod models;
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use library::Built;
use program::{result_files, stderr, stdout, text};
use serde_json::Value as Json;
use sparkbench::protocol::{Request, VERSION};

const ENGINE: &str = env!("CARGO_BIN_EXE_spark-engine");

/// Two orders in which threads and blocks may run; under the second, dependent kernels begin as early as they may.
const ORDERS: [&[(&str, &str)]; 2] = [
    &[("EMULATOR_SEED", "1")],
    &[("EMULATOR_SEED", "20"), ("EMULATOR_EARLY", "1")],
];

/// A program with the emulated GPU.
fn with_gpu(built: &Built, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", &built.directory);
    command
}

/// Says how long a part of a test took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    println!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
    result
}

#[test]
fn kernels_compute_what_they_are_defined_to() {
    let Some(built) = library::built() else {
        return;
    };
    for order in ORDERS {
        let mut command = with_gpu(&built, &built.kernels_test);
        let output = timed("kernels", || {
            command.envs(order.iter().copied()).output().unwrap()
        });
        let said = stdout(&output);
        println!("{said}");
        assert!(output.status.success(), "{said}{}", stderr(&output));
    }
}

/// A test that cannot fail shows nothing: `units/faults.cpp` has a kernel for each of these.
#[test]
fn a_kernel_that_is_wrong_is_an_error_and_one_line() {
    let Some(built) = library::built() else {
        return;
    };
    let run = |kernel: &str, order: &[(&str, &str)]| {
        let mut command = with_gpu(&built, &built.kernels_test);
        command.args(["--fault", kernel]);
        let output = command.envs(order.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{kernel}: {}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    let (launch_failed, illegal_address) = ("719 0\n", "700 0\n");
    for (kernel, status, why) in [
        ("fault_shuffle", launch_failed, "deadlock"),
        ("fault_barrier", launch_failed, "deadlock"),
        ("fault_meeting", launch_failed, "something else"),
        ("fault_shared", launch_failed, "behind its 64 bytes"),
        ("fault_no_wait", launch_failed, "without waiting"),
        ("fault_alignment", illegal_address, "not aligned"),
        ("fault_bounds", illegal_address, "no device memory"),
        ("fault_store", illegal_address, "not there"),
        ("fault_null", illegal_address, "not there"),
    ] {
        for order in ORDERS {
            let (out, said) = run(kernel, order);
            assert_eq!(out, status, "{said}");
            let begin = format!("emulated GPU: {kernel}, block (");
            assert!(said.starts_with(&begin) && said.contains(why), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    // Two blocks each of three kernels count to 6, unless a kernel looks before it waits.
    let (late, early) = (ORDERS[0], ORDERS[1]);
    assert_eq!(run("fault_early", late).0, "0 6\n");
    assert_ne!(run("fault_early", early).0, "0 6\n");
}

#[test]
fn a_profile_has_every_part_of_the_model() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model.gguf");
    fs::write(&model, models::file(&models::short_qwen(), 1)).unwrap();
    let mut command = with_gpu(&built, Path::new(ENGINE));
    command.args(["profile", "--model", text(&model), "--depth", "0,5"]);
    let output = timed("profile", || command.output().unwrap());
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    // A row's name ends where two blanks begin; kernel and number of launches follow.
    let row = |line: &str| {
        let (name, rest) = line.split_once("  ").unwrap();
        let first = rest.split_whitespace().next();
        (name.to_owned(), first.unwrap_or("").to_owned())
    };
    let rows: Vec<_> = said.lines().map(row).collect();
    let (first, second) = rows.split_at(rows.len() / 2);
    let names =
        |rows: &[(String, String)]| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(first)[0], "depth 0", "{said}");
    assert_eq!(names(second)[0], "depth 5", "{said}");
    assert_eq!(names(first)[1..], names(second)[1..]);
    for part in [
        "delta step",
        "attention",
        "experts up",
        "head",
        "next token",
        "sum",
        "whole token",
    ] {
        assert!(
            names(first).iter().any(|name| name == part),
            "{part}: {said}"
        );
    }
    let kernels = first.iter().map(|row| row.1.as_str());
    assert!(
        kernels.clone().any(|kernel| kernel == "delta_step"),
        "{said}"
    );
}

/// An engine that finds the emulated GPU although the harness hands no such variable on.
fn engine_script(built: &Built, home: &Path, order: &[(&str, &str)]) -> PathBuf {
    let script = home.join("engine");
    let library = text(&built.directory);
    let variables: String = order
        .iter()
        .map(|(name, value)| format!("{name}={value} "))
        .collect();
    let line = format!("{variables}LD_LIBRARY_PATH='{library}' exec '{ENGINE}' \"$@\"");
    fs::write(&script, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// The engine itself holds to its limit, whatever the harness believes to fit.
#[test]
fn a_model_beyond_the_memory_limit_is_refused() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model.gguf");
    fs::write(&model, models::file(&models::short_qwen(), 1)).unwrap();
    let mut session = Vec::new();
    for request in [
        Request::Hello { version: VERSION },
        Request::Load {
            context: 8,
            device: "cuda".to_owned(),
            path: model,
        },
    ] {
        session.extend(request.bytes().unwrap());
    }
    let requests = home.path().join("requests");
    fs::write(&requests, session).unwrap();
    let mut command = with_gpu(&built, Path::new(ENGINE));
    command.args(["serve", "--memory-limit", "134300000"]);
    command.stdin(fs::File::open(requests).unwrap());
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(
        said.contains("of free memory for a context of 8 tokens"),
        "{said}"
    );
}

#[test]
fn a_benchmark_on_the_gpu_generates_the_ids_of_the_processor() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model.gguf");
    fs::write(&model, models::file(&models::short_qwen(), 1)).unwrap();
    let engine = engine_script(&built, home.path(), &[]);
    let runs_on = |device: &str| {
        let out = home.path().join(device);
        let mut command = program::command(home.path(), &["run", "e2e", "--device", device]);
        command
            .args(["--seed", "5eed", "--weights", text(&model)])
            .args(["--engine", text(&engine), "--out", text(&out)])
            .env("LD_LIBRARY_PATH", &built.directory);
        if device == "cuda" {
            command.args(["--memory-limit", "rtx5090"]);
        }
        let output = timed(device, || command.output().unwrap());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let result = fs::read(&result_files(&out)[0]).unwrap();
        let result: Json = serde_json::from_slice(&result).unwrap();
        let payload = &result["payload"];
        if device == "cuda" {
            assert_eq!(payload["machine"]["gpu"]["value"]["name"], "Emulated GPU");
            let limited = serde_json::json!(["serve", "--memory-limit", "33660534784"]);
            assert_eq!(payload["engines"][0]["arguments"], limited);
        }
        let runs = payload["cases"][0]["generation"]["runs"].as_array();
        let of_run = |run: &Json| ["prompt_sha256", "ids", "routing"].map(|key| run[key].clone());
        runs.unwrap().iter().map(of_run).collect::<Vec<_>>()
    };
    let (ours, theirs) = (runs_on("cuda"), runs_on("cpu"));
    assert_eq!(ours.len(), 3);
    assert_eq!(ours, theirs);
}
