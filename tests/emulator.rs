//! The CUDA engine, from its host code to the last of its kernels, on a GPU that this machine need not have: `emulator/` is
//! a libcuda that computes on the processor. It cannot show what depends on the memory model, or speed.

#[path = "gpu/exact.rs"]
mod exact;
#[path = "emulator/exactness.rs"]
mod exactness;
#[path = "emulator/library.rs"]
mod library;
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
use sparkbench::gguf::Gguf;
use sparkbench::model::Architecture;
use sparkbench::protocol::{Request, VERSION};
use sparkbench::reference::Decoder;

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

/// Logits behind each of `tokens` as `spark-engine score` writes them.
fn scores(mut command: Command, model: &Path, tokens: &Path, device: &str) -> Vec<u8> {
    let out = model.with_extension("npy");
    command
        .args(["score", "--device", device])
        .args(["--model", text(model), "--tokens", text(tokens)])
        .args(["--out", text(&out)]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{model:?}: {}", stderr(&output));
    fs::read(out).unwrap()
}

/// The numbers of a .npy file.
fn numbers(file: &[u8]) -> Vec<f64> {
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (numbers, rest) = file[header..].as_chunks::<4>();
    assert!(rest.is_empty());
    numbers
        .iter()
        .map(|x| f32::from_le_bytes(*x).into())
        .collect()
}

/// As [`scores`], the first tokens in prompts.
fn prompt_scores(mut command: Command, model: &Path, tokens: &Path, lengths: &str) -> Vec<u8> {
    let out = model.with_extension("npy");
    command
        .args(["score", "--device", "cuda", "--prompts", lengths])
        .args(["--model", text(model), "--tokens", text(tokens)])
        .args(["--out", text(&out)]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{model:?}: {}", stderr(&output));
    fs::read(out).unwrap()
}

/// Largest difference of two files' logits, over the deviation of the second's.
fn distance(ours: &[u8], theirs: &[u8]) -> f64 {
    distance_of(&numbers(ours), &numbers(theirs))
}

fn distance_of(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let count = theirs.len() as f64;
    let mean = theirs.iter().sum::<f64>() / count;
    let squares: f64 = theirs.iter().map(|x| (x - mean).powi(2)).sum();
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // A logit that is no number is as far away as can be.
    let largest = differences.fold(0.0, |a: f64, b| if b <= a { a } else { b });
    match ours.iter().all(|x| x.is_finite()) {
        true => largest / (squares / count).sqrt(),
        false => f64::INFINITY,
    }
}

/// Mean Kullback-Leibler divergence of the logits of `ours` from those of the reference, in nats.
fn divergence_from_reference(ours: &[f64], model: &Path, ids: &[u32]) -> f64 {
    let file = Gguf::open(model).unwrap();
    let mut reference = Decoder::new(&file).unwrap();
    let rows = ours.chunks(ours.len() / ids.len());
    let each = ids.iter().zip(rows).map(|(id, ours)| {
        let theirs = reference.step(*id).unwrap();
        let largest = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = |row: &[f64]| {
            let most = largest(row);
            most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
        };
        let (of_ours, of_theirs) = (log_sum(ours), log_sum(theirs));
        let pairs = ours.iter().zip(theirs);
        pairs
            .map(|(ours, theirs)| {
                let (ours, theirs) = (ours - of_ours, theirs - of_theirs);
                theirs.exp() * (theirs - ours)
            })
            .sum::<f64>()
    });
    each.sum::<f64>() / ids.len() as f64
}

/// Scores `model` in both orders and on the processor; gives the logits.
fn compare(built: &Built, name: &str, model: &Path, tokens: &Path) -> Vec<f64> {
    let engine = Path::new(ENGINE);
    let on_gpu = |order: &[(&str, &str)]| {
        let mut command = with_gpu(built, engine);
        command.envs(order.iter().copied());
        timed(name, || scores(command, model, tokens, "cuda"))
    };
    let [first, second] = ORDERS.map(on_gpu);
    assert!(first == second, "{name}: two runs differ");
    let theirs = timed("on the processor", || {
        scores(Command::new(engine), model, tokens, "cpu")
    });
    let distance = distance(&first, &theirs);
    println!("{name}: largest difference {distance:.1e} sigma");
    assert!(distance <= LIMIT_SIGMA, "{name}: {distance}");
    numbers(&first)
}

/// Reads the same ids in prompts: rows behind them, and behind what follows token by token, are those of the processor,
/// and how a text is cut makes no difference to the bits.
fn compare_prompts(built: &Built, name: &str, model: &Path, tokens: &Path, count: usize) {
    let engine = Path::new(ENGINE);
    let theirs = numbers(&scores(Command::new(engine), model, tokens, "cpu"));
    let vocabulary = theirs.len() / count;
    let lists = [
        vec![count],
        vec![7, count - 7],
        vec![1; 3],
        vec![count - 10],
        vec![3, count - 13],
    ];
    let mut last: Vec<Vec<f64>> = Vec::new();
    for (index, lengths) in lists.iter().enumerate() {
        let mut command = with_gpu(built, engine);
        command.envs(ORDERS[index % 2].iter().copied());
        let words: Vec<String> = lengths.iter().map(usize::to_string).collect();
        let ours = timed(name, || {
            numbers(&prompt_scores(command, model, tokens, &words.join(",")))
        });
        // Rows stand behind each prompt, then behind every token.
        let mut ends: Vec<usize> = Vec::new();
        for length in lengths {
            ends.push(ends.last().unwrap_or(&0) + length);
        }
        ends.extend(ends.last().unwrap() + 1..=count);
        assert_eq!(ours.len(), ends.len() * vocabulary);
        let mut largest: f64 = 0.0;
        for (row, end) in ends.iter().enumerate() {
            let ours = &ours[row * vocabulary..][..vocabulary];
            let theirs = &theirs[(end - 1) * vocabulary..][..vocabulary];
            largest = largest.max(distance_of(ours, theirs));
        }
        println!("{name}, prompts of {lengths:?}: largest difference {largest:.1e} sigma");
        assert!(largest <= LIMIT_SIGMA, "{name}, {lengths:?}: {largest}");
        last.push(ours[ours.len() - vocabulary..].to_vec());
    }
    assert!(last[0] == last[1], "{name}: two prompts are not one");
    assert!(
        last[3] == last[4],
        "{name}: decode behind two prompts differs"
    );
}

/// Keys and values are f16 on the GPU and f32 on the processor, which is most of the difference.
const LIMIT_SIGMA: f64 = 3e-3;

/// Compares on a file of `architecture` made from each of `seeds`.
fn compare_made(name: &str, architecture: &Architecture, seeds: &[u64]) {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |file: &str| home.path().join(file);
    let ids = (1..=24u32).map(|n| (n * n * 37 % 200).to_string());
    fs::write(path("ids"), ids.collect::<Vec<_>>().join(" ")).unwrap();
    for seed in seeds {
        fs::write(path("model.gguf"), models::file(architecture, *seed)).unwrap();
        compare(&built, name, &path("model.gguf"), &path("ids"));
        compare_prompts(&built, name, &path("model.gguf"), &path("ids"), 24);
    }
}

#[test]
fn odd_sizes_and_every_type_give_the_logits_of_the_processor() {
    compare_made("odd qwen", &models::odd_qwen(), &[1, 2]);
    compare_made("odd gemma", &models::odd_gemma(), &[1, 2]);
}

#[test]
fn rows_that_every_type_divides_give_the_logits_of_the_processor() {
    compare_made("even qwen", &models::even_qwen(), &[1]);
    compare_made("even gemma", &models::even_gemma(), &[1]);
}

/// Beyond Gemma's window of 16 positions.
#[test]
fn files_of_another_program_give_the_logits_of_the_processor() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    for name in ["qwen35moe_q4_k_m", "gemma4_q4_k_m"] {
        let model = home.path().join(name).with_extension("gguf");
        fs::copy(folder.join(name).with_extension("gguf"), &model).unwrap();
        let ids = fs::read_to_string(folder.join(name).with_extension("ids")).unwrap();
        let ids: Vec<&str> = ids.split_whitespace().take(40).collect();
        let tokens = home.path().join("ids");
        fs::write(&tokens, ids.join(" ")).unwrap();
        let logits = compare(&built, name, &model, &tokens);
        let ids: Vec<u32> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let divergence = divergence_from_reference(&logits, &model, &ids);
        compare_prompts(&built, name, &model, &tokens, ids.len());
        println!("{name}: {divergence:.1e} nats from the reference");
        assert!(divergence <= 1e-4, "{name}: {divergence:e} nats");
    }
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
