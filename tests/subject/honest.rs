//! What an honest engine's generation holds.

use std::path::Path;

use sparkbench::build_info::{self, sha256_hex};
use sparkbench::engine::{self, Device, Options, greedy};
use sparkbench::subject::Subject;

use crate::model::model;
use crate::{options, start, task};

fn spark_engine() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_spark-engine"))
}

/// The tokens behind `prompt` by the library, and the experts of each pass that chose one.
fn expected(prompt: &[u32], tokens: usize) -> (Vec<u32>, Vec<Vec<Vec<u16>>>) {
    let mut engine = engine::open(Device::Cpu, model(), Options::default()).unwrap();
    engine.prefill(prompt).unwrap();
    let (mut ids, mut experts) = (Vec::new(), Vec::new());
    for _ in 0..tokens {
        let layer = |layer: &Vec<u32>| layer.iter().map(|id| *id as u16).collect();
        experts.push(engine.routing().iter().map(layer).collect());
        let id = greedy(engine.logits()).unwrap();
        ids.push(id);
        engine.step(id).unwrap();
    }
    (ids, experts)
}

#[test]
fn an_honest_engine_is_observed_and_nothing_is_odd_about_it() {
    let mut engine = start(&options(spark_engine(), &["serve"])).unwrap();
    for prompt in [&[3, 14, 15, 92, 65][..], &[7; 20], &[3, 14, 15, 92, 65]] {
        let generation = engine.generate(&task(prompt, &[0, 5, 15])).unwrap();
        let (ids, experts) = expected(prompt, 16);
        assert_eq!(generation.ids, ids);
        let at = |step: usize| {
            let position = prompt.len() + step - 1;
            (position as u32, experts[step].clone())
        };
        assert_eq!(generation.routing, [at(0), at(5), at(15)]);
        assert_eq!(generation.stamps_ns.len(), 16);
        assert!(generation.stamps_ns.is_sorted());
        let prefilled_ns = generation.prefilled_ns.unwrap();
        assert!(generation.sent_ns < prefilled_ns && prefilled_ns <= generation.stamps_ns[0]);
        assert_eq!(generation.findings, []);
        assert_eq!(generation.self_reported["device"], "cpu");
    }
}

#[test]
fn a_launch_says_what_was_started_and_how() {
    let engine = start(&options(spark_engine(), &["serve"])).unwrap();
    let launch = engine.launch();
    assert_eq!(launch.program, spark_engine());
    assert_eq!(
        launch.program_sha256,
        sha256_hex(&std::fs::read(spark_engine()).unwrap())
    );
    assert_eq!(launch.arguments, ["serve"]);
    assert_eq!(
        launch.name,
        format!("spark-engine {}", build_info::version_line())
    );
    assert_eq!(launch.environment["PATH"], "/usr/bin:/bin");
}

#[test]
fn an_engine_sees_the_recorded_environment_and_no_other() {
    // Prints its environment to standard error, in one line, with nothing but the shell, and ends.
    let script = "set -- $(export -p); echo \"$*\" >&2";
    let error = start(&options(Path::new("/bin/sh"), &["-c", script]))
        .err()
        .unwrap();
    let said = error.to_string();
    let (_, environment) = said.split_once("it said: ").unwrap();
    let pairs = environment
        .split(' ')
        .filter_map(|word| word.split_once('='));
    let pairs = pairs.map(|(name, value)| (name, value.trim_matches(['\'', '"'])));
    let (own, shell): (Vec<_>, Vec<_>) =
        pairs.partition(|(name, _)| !["OLDPWD", "PWD", "SHLVL", "_"].contains(name));
    let devices = |pair: &(&str, &str)| !pair.0.starts_with("CUDA_");
    let own: Vec<_> = own.into_iter().filter(devices).collect();
    assert_eq!(
        own,
        [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")],
        "{shell:?}"
    );
}
