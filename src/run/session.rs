//! A session from begin to end: plan, cases in order, readings beside them, the record.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Observer, Request, RunError,
    case::{Bench, Place},
    device::{self, Opened},
    facts,
};
use crate::{
    bench::{Case, FAMILIES, Platform, memory},
    config::{self, Machine, Model, Role, Target},
    device::generator,
    plan::assemble,
    result::{CaseRecord, Payload, Peaks, PlanRecord, Reading, Session, SessionStatus, Warning},
    telemetry::{self, Gpu as NvmlGpu, Sampler, SessionClock},
};

/// Largest drift between the first read and its repetition that goes without a warning.
const DRIFT: f64 = 0.01;

/// What is to run, on what platform, and what was left out.
struct Agenda {
    plan: PlanRecord,
    cases: Vec<Case>,
    warnings: Vec<Warning>,
}

fn families(request: &Request) -> Result<Vec<String>, RunError> {
    if let Some(found) = request
        .families
        .iter()
        .find(|family| !FAMILIES.contains(&family.as_str()))
    {
        return Err(RunError::UnknownFamily {
            found: found.clone(),
            known: FAMILIES.join(", "),
        });
    }
    Ok(FAMILIES
        .iter()
        .filter(|family| {
            request.families.is_empty() || request.families.iter().any(|asked| asked == *family)
        })
        .map(|family| (*family).to_owned())
        .collect())
}

/// The models that decode cases take their shapes from, each once.
fn models(request: &Request) -> Vec<Model> {
    let named = request
        .targets
        .iter()
        .map(|target| target.model.clone())
        .chain(request.models.iter().cloned());
    let mut models: Vec<Model> = Vec::new();
    for model in named {
        if models.iter().all(|known| known.name != model.name) {
            models.push(model);
        }
    }
    if models.is_empty() {
        // Built-in files are tested to load.
        models = config::built_in_names(Role::Model)
            .into_iter()
            .filter_map(|name| config::load::model(name).ok())
            .collect();
    }
    models
}

fn agenda(request: &Request, platform: &Platform, models: &[Model]) -> Result<Agenda, RunError> {
    let families = families(request)?;
    let kv: Vec<_> = models.iter().flat_map(memory::kv_layouts).collect();
    let experts: Vec<_> = models.iter().flat_map(memory::expert_layouts).collect();
    let mut cases = memory::calibration_cases(platform);
    cases.extend(memory::decode_cases(platform, &kv, &experts));
    cases.extend(memory::control_case(platform));
    let (cases, omitted): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|case| case.memory_bytes <= platform.memory_bytes);
    if let (true, Some(needed)) = (
        cases.is_empty(),
        omitted.iter().map(|case| case.memory_bytes).min(),
    ) {
        return Err(RunError::NoCaseFits {
            needed,
            free: platform.memory_bytes,
        });
    }
    let warnings = omitted
        .iter()
        .map(|case| Warning {
            code: "case_omitted".into(),
            message: format!(
                "{} needs {} bytes, {} may be used",
                case.id, case.memory_bytes, platform.memory_bytes
            ),
            hint: "free memory on the device".into(),
        })
        .collect();
    Ok(Agenda {
        plan: assemble(
            families,
            platform.scale,
            cases.iter().map(Case::planned).collect(),
        ),
        cases,
        warnings,
    })
}

/// The plan of a request. Opens no more than the driver.
///
/// # Errors
///
/// [`RunError`].
pub fn plan(request: &Request) -> Result<PlanRecord, RunError> {
    let platform = device::planned_platform(request, &telemetry::host())?;
    Ok(agenda(request, &platform, &models(request))?.plan)
}

/// Runs a request. `interrupt` ends it after the case at hand; the record then says so.
///
/// # Errors
///
/// [`RunError`]. A case with wrong outputs is no error: the record has it as failed.
pub fn run(
    request: &Request,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Payload, RunError> {
    let clock = SessionClock::start();
    let started_at = telemetry::utc_now();
    let (opened, no_gpu) = device::open(request)?;
    let host = telemetry::host();
    let (platform, machine, nvml) = match &opened {
        Opened::Gpu(gpu) => {
            let facts = gpu.cuda().facts();
            let machine = device::machine_of(facts, request);
            let platform = Platform::of_gpu(facts, machine.as_ref());
            let nvml = Reading::from_result(NvmlGpu::find(&facts.uuid, &facts.pci_bus_id));
            let reason = format!(
                "no machine configuration fits {} (compute capability {:?})",
                facts.name, facts.capability
            );
            (platform, Reading::from_option(machine, &reason), nvml)
        }
        Opened::Cpu(_) => {
            let reason = "the CPU device runs at small size; its figures are not comparable";
            (
                device::of_host(&host),
                Reading::missing(reason),
                Reading::missing(reason),
            )
        }
    };
    let request = &with_targets(request, machine.value());
    let models = models(request);
    let agenda = agenda(request, &platform, &models)?;
    let target = facts::target(&machine, &request.targets, &models);
    let machine_record = match &opened {
        Opened::Gpu(gpu) => facts::gpu_machine(host, gpu.cuda(), &nvml),
        Opened::Cpu(_) => facts::cpu_machine(host),
    };
    let seed = match request.seed {
        Some(seed) => seed,
        None => getrandom::u64()?,
    };
    let seed = format!("{seed:016x}");
    let mut warnings: Vec<Warning> = no_gpu.into_iter().chain(agenda.warnings).collect();
    observer.planned(&agenda.plan);

    let sampler = Sampler::start(clock, nvml);
    let bench = Bench {
        scale: platform.scale,
        seed: &seed,
        target: &target,
        clock,
        sampler: &sampler,
    };
    let mut place = match &opened {
        Opened::Gpu(gpu) => Place::Gpu {
            gpu,
            arena: gpu.arena(agenda.plan.memory_bytes)?,
        },
        Opened::Cpu(cpu) => Place::Cpu(cpu),
    };
    let total = agenda.cases.len();
    let mut cases: Vec<CaseRecord> = Vec::with_capacity(total);
    for (index, case) in agenda.cases.iter().enumerate() {
        if interrupt.load(Ordering::SeqCst) {
            break;
        }
        observer.case_started(index, total, &case.id);
        let record = bench.run(case, &mut place, index == 0);
        observer.case_ended(&record);
        cases.push(record);
    }
    let status = match cases.len() == total {
        true => SessionStatus::Complete,
        false => SessionStatus::Interrupted,
    };
    let telemetry = sampler.stop();
    warnings.extend(notes(request, &machine, &machine_record.gpu));
    let images = match &opened {
        Opened::Gpu(gpu) => gpu.images(),
        Opened::Cpu(_) => Vec::new(),
    };
    let mut payload = Payload {
        session: Session {
            id: format!(
                "{:016x}{:016x}",
                getrandom::u64()?,
                generator::word(getrandom::u64()?, 0)
            ),
            status,
            started_at,
            ended_at: telemetry::utc_now(),
            duration_ns: clock.now_ns(),
            seed,
            arguments: request.arguments.clone(),
            redacted: false,
        },
        build: facts::build()?,
        images,
        machine: machine_record,
        target,
        plan: agenda.plan,
        peaks: Peaks::missing("the session goes on"),
        cases,
        telemetry,
        warnings,
    };
    payload.derive();
    payload.warnings.extend(drift(&payload.cases));
    Ok(payload)
}

/// The request with the targets of the machine found, where it names none.
fn with_targets(request: &Request, machine: Option<&Machine>) -> Request {
    let mut request = request.clone();
    if request.targets.is_empty()
        && let Some(machine) = machine
    {
        // A machine without targets is measured with the built-in models.
        let targets: Vec<Target> = config::load::targets(&machine.name).unwrap_or_default();
        let chosen = |target: &Target| {
            request.models.is_empty()
                || request
                    .models
                    .iter()
                    .any(|model| model.name == target.model.name)
        };
        request.targets = targets.into_iter().filter(chosen).collect();
    }
    request
}

fn notes(
    request: &Request,
    machine: &Reading<Machine>,
    gpu: &Reading<crate::result::GpuRecord>,
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
fn drift(cases: &[CaseRecord]) -> Option<Warning> {
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
