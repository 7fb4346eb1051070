//! Engines of all kinds as the harness sees them: honest ones, failing ones, lying ones.

mod failures;
mod honest;
mod lies;
mod llama;
mod model;
mod python;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sparkbench::subject::{
    Generation, Limits, ModelShape, Native, NativeOptions, Subject, SubjectError, Task,
};
use sparkbench::telemetry::SessionClock;

static GO_ON: AtomicBool = AtomicBool::new(false);

/// Example programs lie beside the binaries' folder. `cargo test` builds them; `cargo test --test subject` does not.
fn liar() -> PathBuf {
    let engine = Path::new(env!("CARGO_BIN_EXE_spark-engine"));
    let liar = engine.with_file_name("examples").join("liar");
    assert!(liar.exists(), "build it first: cargo build --example liar");
    liar
}

fn options(program: &Path, arguments: &[&str]) -> NativeOptions {
    NativeOptions {
        program: program.to_owned(),
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        model: model::model().to_owned(),
        device: "cpu".to_owned(),
        context: 64,
        context_filled: 64,
        shape: ModelShape::from(&model::architecture()),
        limits: Limits {
            start: Duration::from_secs(20),
            load: Duration::from_secs(60),
            first_token: Duration::from_secs(60),
            next: Duration::from_secs(30),
        },
    }
}

fn start(options: &NativeOptions) -> Result<Native, SubjectError> {
    Native::start(options, SessionClock::start(), &GO_ON)
}

fn task<'a>(prompt: &'a [u32], traced: &'a [u32]) -> Task<'a> {
    Task {
        filled: 0,
        prompt,
        tokens: 16,
        traced,
        fastest_token_ns: None,
        interrupt: &GO_ON,
    }
}

/// What an engine that lies so makes of a prompt.
fn lying(lie: &str, traced: &[u32]) -> Result<Generation, SubjectError> {
    start(&options(&liar(), &[lie, "serve"]))?.generate(&task(&[3, 14, 15, 92, 65], traced))
}
