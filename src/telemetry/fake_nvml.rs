//! Tests against a library that answers as one kind of machine: `tests/fixtures/fake_nvml.c`.

use std::path::PathBuf;
use std::process::Command;

use super::nvml::{Gpu, Nvml, NvmlUnavailable};
use super::{NvmlFacts, Quantity, Sampler, SessionClock, nvml_report};
use crate::result::Reading;

const UUID: &str = "GPU-00000000-1111-2222-3333-444444444444";
const BUS_ID: &str = "0000:00:06.0";

/// NVML of a machine of this kind, built by the C compiler that links Rust programs too.
fn nvml(kind: &str) -> Result<Nvml, NvmlUnavailable> {
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("libnvidia-ml.so.1");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fake_nvml.c");
    let built = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            "-Wall",
            "-Werror",
            &format!("-D{kind}"),
            "-o",
        ])
        .args([&library, &source])
        .status();
    assert!(built.unwrap().success());
    Nvml::open_first(vec![library])
}

fn gpu(kind: &str) -> Gpu {
    nvml(kind).unwrap().gpu(UUID, BUS_ID).unwrap()
}

fn answers(gpu: &Gpu) -> Vec<Option<u64>> {
    Quantity::ALL
        .map(|quantity| gpu.read(quantity).value().copied())
        .to_vec()
}

const NOT_SUPPORTED: Option<&str> = Some("NVML: not supported on this GPU");

#[test]
fn an_h100_answers_everything() {
    let gpu = gpu("H100");
    assert_eq!(
        answers(&gpu),
        [1980, 2619, 52, 354_050, 11_615_323, 40, 0x40, 503_316_480].map(Some)
    );
    let facts = NvmlFacts::of(&Reading::of(gpu.clone()));
    assert_eq!(facts.ecc, Reading::of(true));
    assert_eq!(facts.mig, Reading::of(false));
    assert_eq!(facts.power_limit_mw, Reading::of(700_000));
    assert_eq!(facts.power_limit_default_mw, Reading::of(700_000));
    assert_eq!(facts.vbios, Reading::of("96.00.CF.00.01".into()));
    assert_eq!(facts.persistence, Reading::of(true));
    assert_eq!(facts.other_processes, Reading::of(2));
    assert_eq!(facts.driver_version, Reading::of("580.159.04".into()));
    assert_eq!(facts.nvml_version, Reading::of("13.580.159.04".into()));
}

#[test]
fn a_gb10_answers_all_but_memory_and_limits() {
    let gpu = gpu("GB10");
    assert_eq!(
        answers(&gpu),
        [
            Some(1980),
            None,
            Some(52),
            Some(354_050),
            Some(11_615_323),
            Some(40),
            None,
            None
        ]
    );
    assert_eq!(gpu.read(Quantity::MemoryUsed).reason(), NOT_SUPPORTED);
    let facts = NvmlFacts::of(&Reading::of(gpu.clone()));
    assert_eq!(facts.power_limit_mw.reason(), NOT_SUPPORTED);
    assert_eq!(facts.other_processes.reason(), Some("NVML: no permission"));
    assert!(facts.driver_version.value().is_some());
}

#[test]
fn a_jetson_is_found_without_identity_and_answers_nothing() {
    let gpu = gpu("JETSON");
    for quantity in Quantity::ALL {
        assert_eq!(
            gpu.read(quantity).reason(),
            NOT_SUPPORTED,
            "{}",
            quantity.name()
        );
    }
}

#[test]
fn a_driver_that_is_not_loaded_is_named_as_the_cause() {
    let error = nvml("NO_DRIVER").unwrap_err();
    assert!(
        error.to_string().ends_with("NVIDIA driver is not loaded"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_gpu_that_nvml_does_not_list_is_refused() {
    let nvml = nvml("H100").unwrap();
    assert!(nvml.gpu("GPU-other", "0000:00:06.0").is_ok());
    let error = nvml.gpu("GPU-other", "0000:00:07.0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "NVML lists no GPU GPU-other at 0000:00:07.0 among its 1"
    );
}

#[test]
fn the_report_names_every_quantity_once_with_value_or_reason() {
    for kind in ["H100", "GB10", "JETSON"] {
        let report = nvml_report(&gpu(kind));
        assert!(report.iter().all(|(_, reading)| reading.is_well_formed()));
        let mut names: Vec<&str> = report.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), report.len());
    }
    let report = nvml_report(&gpu("H100"));
    let value = |name: &str| {
        let entry = report.iter().find(|(known, _)| *known == name);
        entry.and_then(|(_, reading)| reading.value().cloned())
    };
    assert_eq!(value("power"), Some("354050 mW".into()));
    assert_eq!(value("event_reasons"), Some("hw_thermal_slowdown".into()));
    assert_eq!(value("ecc"), Some("on".into()));
}

#[test]
fn a_session_on_a_gpu_sees_its_clock_and_its_throttling() {
    let clock = SessionClock::start();
    let sampler = Sampler::start(clock, Reading::of(gpu("H100")));
    assert_eq!(sampler.read_now(Quantity::SmClock), Reading::of(1980));
    assert_eq!(
        sampler.sm_clock_range(0, clock.now_ns()),
        Some((1980, 1980))
    );
    assert_eq!(sampler.throttled_between(0, clock.now_ns()), Some(true));
    let record = sampler.stop();
    let answered = |name: &str| {
        let series = record.series.iter().find(|series| series.quantity == name);
        series.is_some_and(|series| series.samples.value().is_some())
    };
    assert!(
        Quantity::ALL
            .iter()
            .all(|quantity| answered(quantity.name()))
    );

    let sampler = Sampler::start(clock, Reading::of(gpu("GB10")));
    assert_eq!(sampler.throttled_between(0, clock.now_ns()), None);
    assert_eq!(
        sampler.sm_clock_range(0, clock.now_ns()),
        Some((1980, 1980))
    );
}
