//! What a reader of a session must know.

use super::Request;
use crate::{
    config::Machine,
    result::{CaseRecord, GpuRecord, Reading, Warning},
};

/// Largest drift between the first read and its repetition that goes without a warning.
const DRIFT: f64 = 0.01;

/// Warnings about the machine and the build.
pub fn notes(
    request: &Request,
    machine: &Reading<Machine>,
    gpu: &Reading<GpuRecord>,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String, hint: &str| {
        warnings.push(Warning {
            code: code.into(),
            message,
            hint: hint.into(),
        });
    };
    if let Some(gpu) = gpu.value() {
        if let Some(reason) = machine.reason() {
            warn(
                "unknown_machine",
                reason.into(),
                "write a machine configuration (docs/configuration.md)",
            );
        }
        if let Some(&others @ 1..) = gpu.other_processes.value() {
            warn(
                "gpu_shared",
                format!("{others} other processes used the GPU"),
                "stop them and run again",
            );
        }
        if gpu.mig.value() == Some(&true) {
            warn(
                "mig",
                "multi-instance mode is on: only a slice was measured".into(),
                "turn MIG off and run again",
            );
        }
    }
    let other = request.targets.iter().find(|target| {
        machine
            .value()
            .is_some_and(|machine| machine.name != target.machine.name)
    });
    if let (Some(target), Some(machine)) = (other, machine.value()) {
        warn(
            "target_mismatch",
            format!(
                "target {} is for {}, this is {}",
                target.name, target.machine.name, machine.name
            ),
            "the shapes are the target's, the machine is not",
        );
    }
    if cfg!(debug_assertions) {
        warn(
            "debug_build",
            "the harness was built without optimisation".into(),
            "use `cargo run --release`",
        );
    }
    warnings
}

/// Compares the first read with its repetition at the end.
pub fn drift(cases: &[CaseRecord]) -> Option<Warning> {
    let speed = |id: &str| {
        let case = cases.iter().find(|case| case.id == id)?;
        case.measurement
            .as_ref()?
            .derived
            .bandwidth_gbps
            .value()
            .copied()
    };
    let again = cases
        .iter()
        .find(|case| case.labels.contains_key("control"))?;
    let (first, last) = (speed(again.labels.get("control")?)?, speed(&again.id)?);
    let moved = (last - first) / first;
    (moved.abs() > DRIFT).then(|| Warning {
        code: "drift".into(),
        message: format!(
            "read bandwidth moved by {:+.1} % during the session",
            100.0 * moved
        ),
        hint: "let the machine settle, stop other work, and run again".into(),
    })
}
