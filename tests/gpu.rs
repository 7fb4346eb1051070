//! What only a GPU can show. `cargo test --test gpu -- --ignored --test-threads 1`; without a GPU each test says so and
//! passes.

#[path = "gpu/decode.rs"]
mod decode;
#[path = "gpu/exact.rs"]
mod exact;

use std::sync::atomic::AtomicBool;

use sparkbench::{
    bench::{Platform, memory},
    device::cuda::{Arena, Arg, Cuda, CudaError, Launch, Span, Stream},
    kernels::Calibration,
    result::{CaseRecord, CaseStatus, PlanRecord, SessionStatus},
    run::{DeviceChoice, Observer, Request, run},
};

/// The GPU, or a printed line and nothing.
fn gpu() -> Option<Cuda> {
    match Cuda::open(0) {
        Ok(cuda) => Some(cuda),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

struct Printer;

impl Observer for Printer {
    fn planned(&self, plan: &PlanRecord) {
        println!("{} cases, {} bytes", plan.cases.len(), plan.memory_bytes);
    }

    fn case_started(&self, _index: usize, _total: usize, _id: &str) {}

    fn working(&self, _what: &str, _bytes: u64, _total: u64) {}

    fn case_ended(&self, case: &CaseRecord) {
        let Some(measurement) = &case.measurement else {
            println!("{:<52} {:?} {:?}", case.id, case.status, case.reason);
            return;
        };
        let derived = &measurement.derived;
        println!(
            "{:<52} {:>12.1} ns {:>8.1} GB/s {:>8.1} TOPS  n {:>4} mad {:>6.3} % warm-up {:>4} {:>6.2} s",
            case.id,
            derived.per_operation_ns,
            derived.bandwidth_gbps.value().copied().unwrap_or(0.0),
            derived.throughput_tops.value().copied().unwrap_or(0.0),
            derived.samples,
            100.0 * derived.mad_ns / derived.median_ns,
            measurement.warmup.samples,
            (case.ended_ns - case.started_ns) as f64 / 1e9,
        );
    }
}

fn request() -> Request {
    Request {
        only: Vec::new(),
        families: vec!["memory".into()],
        targets: Vec::new(),
        models: Vec::new(),
        device: DeviceChoice::Cuda(0),
        weights: Default::default(),
        engine: None,
        beside: None,
        memory_limit: None,
        fill: Default::default(),
        stages: false,
        corpus: None,
        seed: Some(7),
        arguments: Vec::new(),
    }
}

#[test]
#[ignore = "needs a GPU"]
fn every_case_of_family_memory_is_measured_with_right_outputs() {
    if gpu().is_none() {
        return;
    }
    let payload = run(&request(), &Printer, &AtomicBool::new(false)).unwrap();
    assert_eq!(payload.session.status, SessionStatus::Complete);
    for case in &payload.cases {
        assert_eq!(
            case.status,
            CaseStatus::Measured,
            "{}: {:?}",
            case.id,
            case.reason
        );
    }
    println!("peaks {:?}", payload.peaks);
    println!("warnings {:#?}", payload.warnings);
}

#[test]
#[ignore = "needs a GPU"]
fn a_signal_ends_a_session_after_the_case_at_hand() {
    if gpu().is_none() {
        return;
    }
    let payload = run(&request(), &Printer, &AtomicBool::new(true)).unwrap();
    assert_eq!(payload.session.status, SessionStatus::Interrupted);
    assert!(payload.cases.is_empty());
}

#[test]
#[ignore = "needs a GPU"]
fn inputs_that_differ_from_the_reference_are_found() {
    let Some(cuda) = gpu() else { return };
    let (kernels, stream) = (
        Calibration::load(&cuda).unwrap(),
        Stream::new(&cuda).unwrap(),
    );
    let mut arena = Arena::new(&cuda, 1 << 20).unwrap();
    let (words, counter) = (arena.take(1 << 16).unwrap(), arena.take(8).unwrap());
    let mismatches = |seed: u64| -> u64 {
        stream.fill(counter, 0).unwrap();
        kernels
            .count_ungenerated(&stream, words, seed, counter)
            .unwrap();
        stream.download::<u64>(counter, 1).unwrap()[0]
    };
    kernels.fill_words(&stream, words, 5).unwrap();
    assert_eq!(mismatches(5), 0);
    assert_eq!(mismatches(6), 1 << 13);
    stream
        .upload(&[0u64], words.part(4096, 8).unwrap())
        .unwrap();
    assert_eq!(mismatches(5), 1);
}

#[test]
#[ignore = "needs a GPU"]
fn a_device_refuses_what_does_not_fit() {
    let Some(cuda) = gpu() else { return };
    let huge = Arena::new(&cuda, 1 << 45);
    assert!(matches!(huge, Err(CudaError::OutOfMemory { needed, .. }) if needed == 1 << 45));
    let mut arena = Arena::new(&cuda, 4096).unwrap();
    let span: Span = arena.take(512).unwrap();
    assert!(matches!(
        arena.take(8192),
        Err(CudaError::OutOfMemory { .. })
    ));
    let stream = Stream::new(&cuda).unwrap();
    assert!(matches!(
        stream.upload(&[0u64; 65], span),
        Err(CudaError::OutOfSpan { .. })
    ));
    assert!(matches!(
        span.part(500, 13),
        Err(CudaError::OutOfSpan { .. })
    ));
    assert!(matches!(Cuda::open(99), Err(CudaError::NoDevice { .. })));
}

#[test]
#[ignore = "needs a GPU"]
fn arguments_that_are_not_the_kernels_are_refused() {
    use sparkbench::{build_info::images, device::cuda::Image};
    let Some(cuda) = gpu() else { return };
    let image = images()
        .unwrap()
        .iter()
        .find(|image| image.family == "calibration")
        .unwrap();
    let loaded = Image::load(
        &cuda,
        "calibration",
        image.bytes,
        &image.manifest.architectures,
    )
    .unwrap();
    let fill = loaded.function("fill_words").unwrap();
    let stream = Stream::new(&cuda).unwrap();
    let refused = stream.launch(
        &fill,
        Launch::new(1, 32),
        &[Arg::U32(0), Arg::U64(0), Arg::U64(0)],
    );
    assert!(matches!(refused, Err(CudaError::Arguments { .. })));
    assert!(matches!(
        loaded.function("absent"),
        Err(CudaError::NoKernel { .. })
    ));
}

#[test]
#[ignore = "needs a GPU"]
fn the_plan_of_a_gpu_and_of_its_configuration_are_the_same_cases() {
    let Some(cuda) = gpu() else { return };
    let facts = cuda.facts();
    let Some(machine) = sparkbench::config::machine_for_device(&facts.name, facts.capability)
    else {
        println!("skipped: {} has no machine configuration", facts.name);
        return;
    };
    let ids = |platform: &Platform| -> Vec<String> {
        memory::calibration_cases(platform)
            .into_iter()
            .map(|case| case.id)
            .collect()
    };
    assert_eq!(
        ids(&Platform::of_gpu(facts, Some(&machine))),
        ids(&Platform::of_machine(&machine))
    );
}
