//! Files that are not what they claim to be, given to `verify` and `inspect` as their user gives them.

mod program;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use program::{command, refusal, result_files, sparkbench, stderr, stdout, stopped, text};
use rustix::process::Signal;
use serde_json::Value as Json;

/// A result as the program writes it, of a run that was interrupted.
fn result() -> &'static str {
    static RESULT: OnceLock<String> = OnceLock::new();
    RESULT.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let run = command(
            home.path(),
            &[
                "run",
                "memory",
                "--device",
                "cpu",
                "--json",
                "--out",
                text(home.path()),
            ],
        );
        let output = stopped(run, Signal::INT);
        assert_eq!(result_files(home.path()).len(), 1, "{}", stderr(&output));
        stdout(&output)
    })
}

/// The result with the first `from` turned into `to`.
fn edited(from: &str, to: &str) -> Vec<u8> {
    assert!(result().contains(from), "{from}");
    result().replacen(from, to, 1).into_bytes()
}

#[test]
fn what_is_no_result_is_refused_with_the_reason_in_one_line() {
    let array = |elements: usize| {
        let numbers = vec!["1"; elements].join(",");
        edited("\"cases\": [", &format!("\"cases\": [[{numbers}],"))
    };
    let (begin, _) = result().split_once("\"plan\"").unwrap();
    let files: [(&str, Vec<u8>); 15] = [
        ("empty", Vec::new()),
        ("not text", [&[0xff, 0xfe], result().as_bytes()].concat()),
        ("no JSON", b"memory/read 3150 GB/s\n".to_vec()),
        ("other JSON", b"[1, 2, 3]\n".to_vec()),
        ("only the begin", begin.into()),
        ("two", result().repeat(2).into_bytes()),
        (
            "future version",
            edited("sparkbench.result/1", "sparkbench.result/2"),
        ),
        (
            "other format",
            edited("sparkbench.result/1", "benchspark/1"),
        ),
        (
            "key twice",
            edited("\"status\":", "\"status\": \"complete\", \"status\":"),
        ),
        (
            "digest twice",
            edited(
                "\"payload_sha256\":",
                "\"payload_sha256\": \"\", \"payload_sha256\":",
            ),
        ),
        (
            "unknown key",
            edited("\"status\":", "\"speed\": 1, \"status\":"),
        ),
        (
            "not a number",
            edited("\"load_average\": {", "\"load_average\": NaN, \"x\": {"),
        ),
        (
            "too large a number",
            edited("\"load_average\": {", "\"load_average\": 1e999, \"x\": {"),
        ),
        ("long array", array(1_000_001)),
        (
            "deep",
            format!(
                "{{\"format\":\"sparkbench.result/1\",\"payload\":{}",
                "[".repeat(1 << 20)
            )
            .into_bytes(),
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("result.json");
    let mut said = String::new();
    for (what, bytes) in files {
        fs::write(&file, bytes).unwrap();
        said += &format!("{what}: {}\n", refused_result(home.path(), &file));
    }
    // 10^9 elements take more bytes than a result may have; their number is never found out.
    fs::write(
        &file,
        "{\"format\":\"sparkbench.result/1\",\"payload\":{\"cases\":[",
    )
    .unwrap();
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(2_000_000_000)
        .unwrap();
    said += &format!("10^9 elements: {}\n", refused_result(home.path(), &file));
    // Lines and columns of the edited result depend on what the run had found by then.
    let place = |word: &str| word.bytes().all(|b| b.is_ascii_digit()) && word.len() < 8;
    let lines = said.lines().map(|line| {
        let Some((before, at)) = line.split_once(" at line ") else {
            return line.to_owned();
        };
        assert!(at.split(" column ").all(place), "{line}");
        format!("{before} at LINE and COLUMN")
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

/// The only check that fails and its only line, of a file that is refused with exit code 3.
fn refused_result(home: &Path, file: &Path) -> String {
    let output = sparkbench(home, &["verify", text(file), "--allow-unpinned"]);
    assert_eq!(
        refusal(&output),
        "exit code 3\nerror: the result does not verify\nhint: docs/result-format.md says what each check looks at\n"
    );
    let table = stdout(&output);
    assert_eq!(table.matches("\n  failed ").count(), 1, "{table}");

    let output = sparkbench(home, &["verify", text(file), "--allow-unpinned", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["files"][0]["checks"].as_array().unwrap();
    let failed: Vec<&Json> = checks
        .iter()
        .filter(|check| check["status"] == "fail")
        .collect();
    let [check] = failed[..] else {
        panic!("{report}");
    };
    let details = check["details"].as_array().unwrap();
    assert_eq!(details.len(), 1, "{check}");
    let reason = details[0].as_str().unwrap();
    assert!(!reason.contains('\n'), "{reason}");
    format!("{}: {reason}", check["name"].as_str().unwrap())
}

#[test]
fn a_result_that_is_not_there_is_a_wrong_argument() {
    let home = tempfile::tempdir().unwrap();
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let paths = [home.path().join("missing.json"), empty];
    let said = paths.map(|path| {
        let output = sparkbench(home.path(), &["verify", text(&path)]);
        assert_eq!(stdout(&output), "");
        refusal(&output).replace(text(home.path()), "DIR")
    });
    insta::assert_snapshot!(said.join("\n"));
}

/// A GGUF file put together by hand.
struct Gguf(Vec<u8>);

impl Gguf {
    fn new(tensors: u64, pairs: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(pairs)
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut longer = self.u64(text.len() as u64);
        longer.0.extend(text.bytes());
        longer
    }

    /// 8 numbers of type F32 at `offset` of the data section.
    fn tensor(self, name: &str, offset: u64) -> Self {
        self.text(name).u32(1).u64(8).u32(0).u64(offset)
    }

    fn data(mut self, bytes: usize) -> Vec<u8> {
        let begin = self.0.len().next_multiple_of(32);
        self.0.resize(begin + bytes, 0);
        self.0
    }

    fn array(self, element: u32, count: u64) -> Self {
        self.text("a").u32(9).u32(element).u64(count)
    }
}

#[test]
fn what_is_no_model_file_is_refused_with_the_reason_in_one_line() {
    let two = |offset| {
        Gguf::new(2, 0)
            .tensor("first", 0)
            .tensor("second", offset)
            .data(64)
    };
    let deep = (0..1 << 16).fold(Gguf::new(0, 1).text("a").u32(9), |file, _| {
        file.u32(9).u64(1)
    });
    let files: [(&str, Vec<u8>); 16] = [
        ("empty", Vec::new()),
        ("archive", b"PK\x03\x04 and so on".to_vec()),
        ("future version", Gguf(b"GGUF".to_vec()).u32(4).data(64)),
        (
            "other byte order",
            Gguf(b"GGUF".to_vec()).u32(3u32.swap_bytes()).data(64),
        ),
        ("2^64 - 1 tensors", Gguf::new(u64::MAX, 0).0),
        ("2^64 - 1 pairs", Gguf::new(0, u64::MAX).0),
        ("more tensors than bytes", Gguf::new(60_000, 0).0),
        ("long key", Gguf::new(0, 1).u64(u64::MAX).0),
        ("array of 2^64 - 1", Gguf::new(0, 1).array(8, u64::MAX).0),
        ("array beyond the file", Gguf::new(0, 1).array(8, 1 << 20).0),
        ("arrays in arrays", deep.0),
        ("overlapping", two(0)),
        ("around into the header", two(u64::MAX - 31)),
        ("beyond the end", two(64)),
        (
            "name twice",
            Gguf::new(2, 0)
                .tensor("first", 0)
                .tensor("first", 32)
                .data(64),
        ),
        (
            "pair twice",
            Gguf::new(0, 2).array(0, 0).array(0, 0).data(0),
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("model.gguf");
    let mut said = String::new();
    for (what, bytes) in files {
        fs::write(&file, bytes).unwrap();
        said += &format!("# {what}\n{}\n", refused_model(home.path(), &file));
    }
    let pipe = home.path().join("pipe.gguf");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for (what, path) in [
        ("missing", &home.path().join("missing.gguf")),
        ("directory", &home.path().to_owned()),
        ("pipe", &pipe),
        ("device", &PathBuf::from("/dev/zero")),
    ] {
        said += &format!("# {what}\n{}\n", refused_model(home.path(), path));
    }
    insta::assert_snapshot!(said);
}

fn refused_model(home: &Path, file: &Path) -> String {
    let output = sparkbench(home, &["inspect", text(file)]);
    assert_eq!(stdout(&output), "", "{}", file.display());
    let said = refusal(&output);
    assert!(said.starts_with("exit code 2\n"), "{said}");
    said.replace(text(home), "DIR")
}

#[test]
fn a_model_file_cut_anywhere_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole.gguf");
    let arguments = [
        "weights",
        "synth",
        "gemma4_26b_a4b",
        text(&whole),
        "--scale",
        "tiny",
    ];
    assert!(sparkbench(home.path(), &arguments).status.success());
    let bytes = fs::read(&whole).unwrap();
    let cut = home.path().join("cut.gguf");
    for part in 0..16 {
        fs::write(&cut, &bytes[..bytes.len() * part / 16]).unwrap();
        let said = refused_model(home.path(), &cut);
        assert!(said.contains("incomplete download"), "{said}");
    }
}
