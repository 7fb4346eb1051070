//! `spark-engine` as its user sees it.

#[path = "subject/model.rs"]
mod model;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sparkbench::build_info::{self, ImageManifest, sha256_hex};
use sparkbench::device::cuda::Cuda;
use sparkbench::engine::{self, Device, Options};
use sparkbench::protocol::{Reply, Request};

fn spark_engine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spark-engine"))
        .args(arguments)
        .env_remove("SPARKBENCH_PROVENANCE")
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether the binaries under test have kernels; says so where a test has less to look at.
fn has_kernels() -> bool {
    let build = build_info::build().unwrap();
    if let Some(reason) = &build.images_reason {
        println!("no kernel images in this build: {reason}");
    }
    build.images_reason.is_none()
}

#[test]
fn the_help_is_the_documented_one() {
    insta::assert_snapshot!("help", stdout(&spark_engine(&["--help"])));
    for command in ["serve", "score", "layers", "profile", "kernels"] {
        let name = format!("help_{command}");
        insta::assert_snapshot!(name, stdout(&spark_engine(&[command, "--help"])));
    }
}

#[test]
fn the_version_names_the_commit() {
    let expected = format!("spark-engine {}\n", build_info::version_line());
    assert_eq!(stdout(&spark_engine(&["--version"])), expected);
}

#[test]
fn the_engine_hands_over_its_images_but_not_the_ruler() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("kernels");
    let output = spark_engine(&["kernels", "--out", out.to_str().unwrap()]);
    if !has_kernels() {
        assert_eq!(output.status.code(), Some(4));
        assert!(stderr(&output).starts_with("error: this binary has no kernel images: "));
        assert!(stderr(&output).contains("\nhint: "));
        assert!(!out.exists());
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed["format"], "sparkbench.kernels/1");
    let families: Vec<_> = printed["images"].as_object().unwrap().keys().collect();
    assert_eq!(families, ["decode", "memory", "prefill"]);

    let mut written: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(
        written,
        [
            "decode.fatbin",
            "decode.json",
            "memory.fatbin",
            "memory.json",
            "prefill.fatbin",
            "prefill.json"
        ]
    );
    let text = fs::read_to_string(out.join("memory.json")).unwrap();
    let manifest: ImageManifest = serde_json::from_str(&text).unwrap();
    let image = fs::read(out.join("memory.fatbin")).unwrap();
    assert_eq!(sha256_hex(&image), manifest.image_sha256);
    assert_eq!(
        serde_json::to_value(&manifest).unwrap(),
        printed["images"]["memory"]
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_one_line_and_exit_code_8() {
    if !has_kernels() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = spark_engine(&["kernels", "--out", file.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(8));
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).starts_with("error: cannot write "));
}

#[test]
fn a_provenance_record_at_run_time_counts_before_the_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("provenance.json");
    let version = |text: &str| {
        fs::write(&record, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_spark-engine"))
            .arg("--version")
            .env("SPARKBENCH_PROVENANCE", &record)
            .output()
            .unwrap();
        stdout(&output)
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let clean = format!(
        r#"{{"source": "file", "commit": "{commit}", "tree": "{commit}", "dirty": false, "commit_reason": null,
            "flake_lock_sha256": null, "flake_lock_reason": "no flake.lock",
            "nix": null, "nix_reason": "packed without Nix"}}"#
    );
    assert_eq!(version(&clean), "spark-engine 0.1.0 (0123456789ab)\n");
    let modified = clean.replace("false", "true");
    assert_eq!(
        version(&modified),
        "spark-engine 0.1.0 (0123456789ab, modified)\n"
    );
    assert_eq!(version("{}"), "spark-engine 0.1.0 (commit unknown)\n");
}

/// The exit code for a file that is no model: where there is no GPU to use, that is said first.
fn cuda_number() -> i32 {
    match has_kernels() && Cuda::open(0).is_ok() {
        true => 2,
        false => 4,
    }
}

/// `spark-engine serve`, and what it answers to `requests`.
fn served(requests: &[Request]) -> (Output, Vec<Reply>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_spark-engine"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes: Vec<u8> = requests
        .iter()
        .flat_map(|one| one.bytes().unwrap())
        .collect();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut stream = output.stdout.as_slice();
    let replies = std::iter::from_fn(|| Reply::read(&mut stream).unwrap()).collect();
    (output, replies)
}

#[test]
fn a_session_begins_with_a_greeting_and_ends_with_the_stream() {
    for requests in [
        vec![Request::Hello { version: 1 }],
        vec![Request::Hello { version: 1 }, Request::Stop],
    ] {
        let (output, replies) = served(&requests);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let name = format!("spark-engine {}", build_info::version_line());
        let offers = ["fill", "stages"].map(str::to_owned).to_vec();
        let hello = Reply::Hello {
            version: 1,
            name,
            offers,
        };
        assert_eq!(replies, [hello]);
    }
}

#[test]
fn a_model_that_is_none_is_an_error_frame_and_an_exit_code() {
    let load = |device: &str| Request::Load {
        context: 9,
        device: device.to_owned(),
        path: "Cargo.toml".into(),
    };
    for (device, number) in [("cpu", 2), ("cuda", cuda_number())] {
        let (output, replies) = served(&[Request::Hello { version: 1 }, load(device)]);
        assert_eq!(output.status.code(), Some(number), "{}", stderr(&output));
        let Some(Reply::Error { code, message, .. }) = replies.last() else {
            panic!("{replies:?}");
        };
        assert_eq!(i32::from(code.number()), number);
        assert!(stderr(&output).starts_with(&format!("error: {message}\n")));
    }
}

#[test]
fn a_text_that_cannot_be_scored_is_one_line_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("ids"), "1 2 3\n").unwrap();
    fs::write(path("words"), "1 two 3\n").unwrap();
    let refused = [
        (path("none"), "cpu", 2),
        (path("words"), "cpu", 2),
        (path("ids"), "cpu", 2),
        (path("ids"), "cuda", cuda_number()),
    ];
    let [cpu @ .., cuda] = refused.map(|(tokens, device, code)| {
        let output = spark_engine(&[
            "score",
            "--model",
            "Cargo.toml",
            "--tokens",
            &tokens,
            "--out",
            &path("out.npy"),
            "--device",
            device,
        ]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(!directory.path().join("out.npy").exists());
        stderr(&output).replace(&path(""), "")
    });
    insta::assert_snapshot!("refused_scores", cpu.join(""));
    // Which of the many reasons it is depends on the machine.
    if cuda_number() == 4 {
        assert!(cuda.starts_with("error: cannot run a model on cuda: "));
        assert!(cuda.contains("\nhint: "), "{cuda}");
    }
}

#[test]
fn a_text_is_scored_row_by_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let ids = [3, 14, 15, 92, 65];
    fs::write(path("ids"), "3 14\n15\t92 65\n").unwrap();
    let output = spark_engine(&[
        "score",
        "--model",
        model::model().to_str().unwrap(),
        "--tokens",
        &path("ids"),
        "--out",
        &path("out.npy"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());

    let bytes = fs::read(path("out.npy")).unwrap();
    let vocabulary = model::architecture().vocabulary() as usize;
    let (header, numbers) = bytes.split_at(bytes.len() - 4 * ids.len() * vocabulary);
    assert!(header.starts_with(b"\x93NUMPY\x01\x00"));
    let shape = format!("'shape': ({}, {vocabulary})", ids.len());
    assert!(String::from_utf8_lossy(header).contains(&shape));
    let mut engine = engine::open(Device::Cpu, model::model(), Options::default()).unwrap();
    for (id, row) in ids.iter().zip(numbers.chunks_exact(4 * vocabulary)) {
        engine.step(*id).unwrap();
        let expected: Vec<u8> = engine
            .logits()
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        assert_eq!(row, expected);
    }
}

#[test]
fn what_each_layer_begins_with_is_written_token_by_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let ids = [3, 14, 15];
    fs::write(path("ids"), "3 14 15").unwrap();
    let layers = |tokens: &str, out: &str| {
        let model = model::model().to_str().unwrap();
        let (tokens, out) = (path(tokens), path(out));
        spark_engine(&[
            "layers", "--model", model, "--tokens", &tokens, "--out", &out,
        ])
    };
    let output = layers("ids", "out.npy");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());

    let bytes = fs::read(path("out.npy")).unwrap();
    let mut engine = engine::open(Device::Cpu, model::model(), Options::default()).unwrap();
    let streams = ids.map(|id| engine.step_by_layers(id).unwrap()).concat();
    assert_eq!(streams.len(), ids.len() * 4 * 64);
    let (header, numbers) = bytes.split_at(bytes.len() - 4 * streams.len());
    assert!(String::from_utf8_lossy(header).contains("'shape': (3, 4, 64), "));
    let expected: Vec<u8> = streams.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(numbers, expected);

    fs::write(path("unknown"), "1 2 1024").unwrap();
    let output = layers("unknown", "unknown.npy");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: expected token ids below 1024, found 1024\n"
    );
    assert!(!Path::new(&path("unknown.npy")).exists());
    let output = layers("ids", "no/directory.npy");
    assert_eq!(output.status.code(), Some(8));
    assert!(stderr(&output).starts_with("error: cannot write "));
}

#[test]
fn an_id_outside_the_vocabulary_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.npy");
    let mut child = Command::new(env!("CARGO_BIN_EXE_spark-engine"))
        .args(["score", "--tokens", "-", "--model"])
        .arg(model::model())
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"1 2 1024").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: expected token ids below 1024, found 1024\n"
    );
    assert!(!out.exists());
}
