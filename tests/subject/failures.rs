//! Engines that fail: each failure has its name and its status, and never a number.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use sparkbench::subject::{Fault, Native, Subject, SubjectError, Task};
use sparkbench::telemetry::SessionClock;

use crate::{liar, lying, options, start, task};

fn failing(lie: &str) -> SubjectError {
    lying(lie, &[]).unwrap_err()
}

#[test]
fn an_engine_that_fails_while_it_decodes_is_named_by_its_failure() {
    let failures = [
        ("crash", "crash"),
        ("exit", "early_end"),
        ("half_a_frame", "early_end"),
        ("garbage", "garbage"),
        ("wrong_id", "wrong_id"),
        ("too_few_tokens", "too_few_tokens"),
        ("too_many_tokens", "too_many_tokens"),
    ];
    for (lie, name) in failures {
        let error = failing(lie);
        assert_eq!(
            (error.name(), error.fault()),
            (name, Fault::Engine),
            "{lie}: {error}"
        );
    }
    let crash = failing("crash").to_string();
    assert_eq!(
        crash,
        "expected a token, found the engine ended by signal 6; it said: about to crash"
    );
    let exit = failing("exit").to_string();
    assert_eq!(
        exit,
        "expected a token, found the end of the engine's output (exit code 0); it said: no more tokens"
    );
}

#[test]
fn an_engine_that_fails_before_it_decodes_is_named_by_its_failure() {
    let failures = [
        ("chatty", "garbage"),
        ("next_version", "other_version"),
        ("other_shape", "other_model"),
        ("early", "early_frame"),
    ];
    for (lie, name) in failures {
        let error = failing(lie);
        assert_eq!(
            (error.name(), error.fault()),
            (name, Fault::Engine),
            "{lie}: {error}"
        );
    }
}

#[test]
fn what_the_machine_does_to_an_engine_is_not_the_engine_s_fault() {
    let killed = failing("killed");
    assert_eq!(
        (killed.name(), killed.fault()),
        ("crash", Fault::Infrastructure)
    );
    // What has no end cannot be read to it.
    for absent in ["/nowhere/engine", "/dev/zero", "/tmp"] {
        let absent = start(&options(Path::new(absent), &["serve"]))
            .err()
            .unwrap();
        assert_eq!(
            (absent.name(), absent.fault()),
            ("not_started", Fault::Infrastructure)
        );
    }
    let mut cuda = options(&liar(), &["honest", "serve"]);
    cuda.device = "cuda".to_owned();
    let refused = start(&cuda).err().unwrap();
    assert_eq!(
        (refused.name(), refused.fault()),
        ("refused", Fault::Infrastructure)
    );
    let mut directory = options(&liar(), &["honest", "serve"]);
    directory.model = "Cargo.toml".into();
    let refused = start(&directory).err().unwrap();
    assert_eq!(
        (refused.name(), refused.fault()),
        ("refused", Fault::Engine)
    );
}

#[test]
fn an_engine_that_hangs_is_given_up_and_killed() {
    let mut hanging = options(&liar(), &["hang", "serve"]);
    hanging.limits.next = Duration::from_millis(500);
    let mut engine = start(&hanging).unwrap();
    let begin = Instant::now();
    let error = engine.generate(&task(&[1, 2], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a token within 0.5 s, found none"
    );
    drop(engine);
    assert!(begin.elapsed() < Duration::from_secs(20));

    let mut mute = options(&liar(), &["mute", "serve"]);
    mute.limits.start = Duration::from_millis(300);
    assert_eq!(start(&mute).err().unwrap().name(), "hang");
}

#[test]
fn an_engine_that_reads_nothing_cannot_hold_the_harness() {
    let mut deaf = options(&liar(), &["deaf", "serve"]);
    deaf.limits.start = Duration::from_millis(300);
    let begin = Instant::now();
    assert_eq!(start(&deaf).err().unwrap().name(), "hang");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_interrupt_ends_the_wait() {
    let mut engine = start(&options(&liar(), &["hang", "serve"])).unwrap();
    let interrupt = AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            interrupt.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let task = Task {
            interrupt: &interrupt,
            ..task(&[1, 2], &[])
        };
        engine.generate(&task).unwrap_err()
    });
    assert_eq!(
        (error.name(), error.fault()),
        ("interrupted", Fault::Infrastructure)
    );
    let stopped = Native::start(
        &options(&liar(), &["mute", "serve"]),
        SessionClock::start(),
        &interrupt,
    );
    assert_eq!(stopped.err().unwrap().name(), "interrupted");
}

/// Processes whose command line holds `word`.
fn processes_with(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let command = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let has_word = |line: &Vec<u8>| {
        String::from_utf8_lossy(line)
            .split('\0')
            .any(|part| part == word)
    };
    entries.filter_map(command).filter(has_word).count()
}

#[test]
fn a_subject_that_is_dropped_leaves_no_process_behind() {
    // A word that is on no other command line.
    let word = format!("deaf={}", std::process::id());
    let one = format!("'{}' {word}", liar().display());
    let script = format!("{one} & {one} & exec {one}");
    let mut options = options(Path::new("/bin/sh"), &["-c", &script]);
    options.limits.start = Duration::from_millis(500);
    assert_eq!(start(&options).err().unwrap().name(), "hang");
    let begin = Instant::now();
    while processes_with(&word) > 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
}
