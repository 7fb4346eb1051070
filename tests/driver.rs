//! Drivers that are absent, old, stubs, broken, busy or without memory, as the program's user meets them. The driver is
//! `fixtures/fake_libcuda.c`; on a machine with a driver of its own each test says so and passes.

mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::{fs, iter};

use program::{command, refusal, stderr, stdout, stopped, text};
use rustix::process::Signal;
use serde_json::Value as Json;
use sparkbench::{build_info, device::library};

/// How a driver is made: preprocessor definitions for the library, environment variables for the program.
struct Fake {
    what: &'static str,
    built: Option<&'static [&'static str]>,
    answers: &'static [(&'static str, &'static str)],
}

const fn fake(
    what: &'static str,
    built: Option<&'static [&'static str]>,
    answers: &'static [(&'static str, &'static str)],
) -> Fake {
    Fake {
        what,
        built,
        answers,
    }
}

const WORKING: Fake = fake("working driver", Some(&[]), &[]);

/// No GPU to use: the processor may stand in.
const ABSENT: [Fake; 3] = [
    fake("no driver", None, &[]),
    fake(
        "driver without devices",
        Some(&[]),
        &[("FAKE_CUDA_INIT", "100")],
    ),
    fake(
        "driver that counts none",
        Some(&[]),
        &[("FAKE_CUDA_DEVICES", "0")],
    ),
];

/// A GPU or a driver that is there and cannot be used.
const BROKEN: [Fake; 8] = [
    fake("toolkit's stub", Some(&["STUB"]), &[]),
    fake("stub that says so", Some(&[]), &[("FAKE_CUDA_INIT", "34")]),
    fake("incomplete library", Some(&["INCOMPLETE"]), &[]),
    fake("old driver", Some(&[]), &[("FAKE_CUDA_VERSION", "12080")]),
    // An old driver lacks functions too; its age is the cause.
    fake(
        "older driver",
        Some(&["INCOMPLETE"]),
        &[("FAKE_CUDA_VERSION", "12040")],
    ),
    fake(
        "driver of another kernel module",
        Some(&[]),
        &[("FAKE_CUDA_INIT", "803")],
    ),
    fake("busy GPU", Some(&[]), &[("FAKE_CUDA_CONTEXT", "46")]),
    fake(
        "GPU without memory for a context",
        Some(&[]),
        &[("FAKE_CUDA_CONTEXT", "2")],
    ),
];

static PLACING: Mutex<()> = Mutex::new(());

/// A library built with `definitions` under the driver's name, in a directory of its own.
fn library(definitions: &[&str]) -> PathBuf {
    let name = iter::once("libcuda").chain(definitions.iter().copied());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.collect::<Vec<_>>().join("-"));
    fs::create_dir_all(&directory).unwrap();
    let built = tempfile::NamedTempFile::new_in(&directory).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fake_libcuda.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"])
        .arg("-Wl,-soname,libcuda.so.1")
        .args(definitions.iter().map(|name| format!("-D{name}")))
        .args([Path::new("-o"), built.path(), &source])
        .status();
    assert!(status.unwrap().success());
    // Another test's program may have the same library loaded, and would find it deleted if it were replaced.
    let place = directory.join("libcuda.so.1");
    let _one_at_a_time = PLACING.lock();
    if fs::read(&place).ok() != fs::read(built.path()).ok() {
        built.persist(place).unwrap();
    }
    directory
}

/// Whether this machine has a driver, which is found before any that a test puts in the loader's way.
fn has_driver() -> bool {
    let real = library::candidates("libcuda.so.1");
    let real = real.iter().find(|path| path.is_absolute());
    if let Some(path) = real {
        println!("skipped: this machine has a driver, {}", path.display());
    }
    real.is_some()
}

fn has_images() -> bool {
    !build_info::images().unwrap().is_empty()
}

fn with(fake: &Fake, home: &Path, arguments: &[&str]) -> Command {
    let mut command = command(home, arguments);
    match fake.built {
        Some(definitions) => command.env("LD_LIBRARY_PATH", library(definitions)),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
    command.envs(fake.answers.iter().copied());
    command
}

fn output(fake: &Fake, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let output = with(fake, home.path(), arguments).output().unwrap();
    assert_eq!(
        program::files(home.path()),
        [] as [PathBuf; 0],
        "{}",
        fake.what
    );
    output
}

/// A refusal, with the test's directory taken out.
fn refused(fake: &Fake, arguments: &[&str]) -> String {
    let output = output(fake, arguments);
    assert_eq!(stdout(&output), "", "{}: {arguments:?}", fake.what);
    refusal(&output).replace(env!("CARGO_TARGET_TMPDIR"), "DIR")
}

/// Sizes of inputs, which follow the plan and the GPU, as `N`.
fn without_sizes(said: &str) -> String {
    let number = |word: &str| word.len() > 5 && word.bytes().all(|b| b.is_ascii_digit());
    let words = said.split(' ');
    let words = words.map(|word| if number(word) { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_driver_that_cannot_be_used_is_one_clear_line_and_an_exit_code() {
    if has_driver() {
        return;
    }
    let mut said = String::new();
    for fake in BROKEN.iter().chain(&ABSENT) {
        let asked = refused(fake, &["run", "--device", "cuda"]);
        said += &format!("# {}\n{asked}\n", fake.what);
    }
    let other = refused(&WORKING, &["run", "--device", "cuda:7"]);
    said += &format!("# another GPU than there is\n{other}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_broken_driver_is_never_passed_over_in_favour_of_the_processor() {
    if has_driver() {
        return;
    }
    for fake in &BROKEN {
        let asked = refused(fake, &["run", "--device", "cuda"]);
        assert_eq!(refused(fake, &["run"]), asked, "{}", fake.what);
        assert_eq!(refused(fake, &["run", "--dry-run"]), asked, "{}", fake.what);
    }
}

#[test]
fn without_a_gpu_the_processor_stands_in_and_the_result_says_why() {
    if has_driver() {
        return;
    }
    for fake in &ABSENT {
        let planned = output(fake, &["run", "--dry-run", "--json"]);
        let plan: Json = serde_json::from_slice(&planned.stdout).unwrap();
        assert_eq!(plan["scale"], "small", "{}", fake.what);

        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("results");
        let arguments = ["run", "memory", "--json", "--out", text(&out)];
        let ended = stopped(with(fake, home.path(), &arguments), Signal::INT);
        assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
        let result: Json = serde_json::from_slice(&ended.stdout).unwrap();
        let warning = &result["payload"]["warnings"][0];
        assert_eq!(warning["code"], "no_gpu", "{}", fake.what);
        let message = warning["message"].as_str().unwrap();
        assert!(message.ends_with("; the processor was measured instead"));
    }
}

#[test]
fn a_program_without_images_says_so_once_the_driver_is_found_sound() {
    if has_driver() || has_images() {
        println!("skipped: this program has kernel images");
        return;
    }
    let said = refused(&WORKING, &["run", "--device", "cuda"]);
    assert!(said.starts_with("exit code 4\nerror: this program was built without GPU kernels"));
    let planned = output(&WORKING, &["run", "--dry-run", "--json"]);
    let plan: Json = serde_json::from_slice(&planned.stdout).unwrap();
    assert_eq!(plan["scale"], "small");
}

#[test]
fn images_and_inputs_that_the_gpu_cannot_take_are_one_clear_line() {
    if has_driver() || !has_images() {
        println!("skipped: this needs kernel images and no driver");
        return;
    }
    let fakes = [
        fake("no image fits", Some(&[]), &[("FAKE_CUDA_MODULE", "209")]),
        fake(
            "no memory for an image",
            Some(&[]),
            &[("FAKE_CUDA_MODULE", "2")],
        ),
        fake(
            "memory that others took meanwhile",
            Some(&[]),
            &[("FAKE_CUDA_ALLOC", "2")],
        ),
    ];
    let said = fakes.map(|fake| format!("# {}\n{}", fake.what, refused(&fake, &["run"])));
    insta::assert_snapshot!(without_sizes(&said.join("\n")));
}

#[test]
fn a_gpu_whose_memory_is_taken_holds_no_case() {
    if has_driver() {
        return;
    }
    let full = fake(
        "full GPU",
        Some(&[]),
        &[("FAKE_CUDA_FREE_BYTES", "1000000")],
    );
    let dry_run = refused(&full, &["run", "--device", "cuda", "--dry-run"]);
    insta::assert_snapshot!(without_sizes(&dry_run));
    if has_images() {
        assert_eq!(refused(&full, &["run"]), dry_run);
    }
}

/// The kernels' parameters are unknown to the driver, which refuses every launch.
#[test]
fn a_run_in_which_every_case_fails_keeps_its_result_and_ends_with_6() {
    if has_driver() || !has_images() {
        println!("skipped: this needs kernel images and no driver");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("results");
    let arguments = ["run", "memory", "--quiet", "--out", text(&out)];
    let output = with(&WORKING, home.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let kept = fs::read(stdout(&output).trim_end()).unwrap();
    let result: Json = serde_json::from_slice(&kept).unwrap();
    let cases = result["payload"]["cases"].as_array().unwrap();
    assert!(
        cases
            .iter()
            .all(|case| case["status"] == "failed" && case["reason"].is_string())
    );
    let said = stderr(&output);
    let lines = |word| said.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((lines("error: "), lines("warning: ")), (1, cases.len()));
}

#[test]
fn the_doctor_finds_what_is_wrong_and_ends_with_0() {
    if has_driver() {
        return;
    }
    let findings = |fake: &Fake| {
        let output = output(fake, &["doctor", "--json"]);
        assert!(output.status.success(), "{}", fake.what);
        assert_eq!(stderr(&output), "", "{}", fake.what);
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        let sections = report.as_array().unwrap().iter();
        let sections = sections.filter(|section| {
            let title = section["title"].as_str().unwrap();
            title == "driver" || title.starts_with("cuda:")
        });
        let findings = sections.flat_map(|section| section["findings"].as_array().unwrap());
        let said = findings.map(|finding| match finding["value"].as_str() {
            Some(value) => format!("{} {value}\n", finding["name"]),
            None => format!("{} - {}\n", finding["name"], finding["reason"]),
        });
        said.collect::<String>()
    };
    for fake in &BROKEN {
        let refusal = refused(fake, &["run", "--device", "cuda"]);
        let cause = refusal.lines().nth(1).unwrap()["error: ".len()..].to_owned();
        let found = findings(fake).replace(env!("CARGO_TARGET_TMPDIR"), "DIR");
        assert!(found.contains(&cause), "{}: {found}", fake.what);
    }
    for (fake, expected) in ABSENT.iter().chain([&WORKING]).zip([
        "no NVIDIA driver",
        "\"devices\" 0",
        "\"devices\" 0",
        "\"device\" NVIDIA GeForce RTX 5090, sm_120",
    ]) {
        let found = findings(fake);
        assert!(found.contains(expected), "{}: {found}", fake.what);
    }
}

#[test]
fn a_dry_run_for_a_named_machine_needs_no_driver() {
    if has_driver() {
        return;
    }
    let arguments = ["run", "--dry-run", "--target", "rtx5090"];
    let without = output(&ABSENT[0], &arguments);
    assert!(without.status.success(), "{}", stderr(&without));
    for fake in BROKEN.iter().chain(&ABSENT) {
        let output = output(fake, &arguments);
        assert!(output.status.success(), "{}", fake.what);
        assert_eq!(
            (stdout(&output), stderr(&output)),
            (stdout(&without), String::new())
        );
    }
}

#[test]
fn a_stub_under_the_name_that_the_bindings_look_for_is_not_taken_for_the_driver() {
    if has_driver() {
        return;
    }
    let both = tempfile::tempdir().unwrap();
    for (definitions, name) in [(&[][..], "libcuda.so.1"), (&["STUB"], "libcuda.so")] {
        fs::copy(
            library(definitions).join("libcuda.so.1"),
            both.path().join(name),
        )
        .unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = command(home.path(), &["run"]);
    let output = command
        .env("LD_LIBRARY_PATH", both.path())
        .output()
        .unwrap();
    let said = refusal(&output);
    assert!(said.starts_with("exit code 4\n"), "{said}");
    assert!(said.contains("another library"), "{said}");
}
