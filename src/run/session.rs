//! A session from begin to end: cases in order, readings beside them, the record.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Observer, Request, RunError,
    agenda::{Agenda, agenda, models, with_targets},
    case::{Bench, Place},
    corpus,
    device::{self, Opened},
    facts,
    generation::{Generated, Generator},
    notes::{drift, notes},
};
use crate::{
    bench::Platform,
    config::Machine,
    result::{
        CaseRecord, HostRecord, MachineRecord, Payload, Peaks, Reading, Session, SessionStatus,
    },
    telemetry::{self, Gpu as NvmlGpu, Sampler, SessionClock},
};

/// What was found before the first case.
struct Found {
    platform: Platform,
    /// The configuration that fits, or why none does.
    machine: Reading<Machine>,
    /// The GPU in NVML, or why it is not there.
    nvml: Reading<NvmlGpu>,
    record: MachineRecord,
}

impl Found {
    fn on(opened: &Opened, request: &Request, host: HostRecord) -> Self {
        match opened {
            Opened::Gpu(gpu) => {
                let facts = gpu.cuda().facts();
                let machine = device::machine_of(facts, request);
                let (major, minor) = facts.capability;
                let unknown = format!(
                    "no machine configuration fits {} (compute capability {major}.{minor})",
                    facts.name
                );
                let nvml = Reading::from_result(NvmlGpu::find(&facts.uuid, &facts.pci_bus_id));
                Self {
                    platform: Platform::of_gpu(facts, machine.as_ref()),
                    machine: Reading::from_option(machine, &unknown),
                    record: facts::gpu_machine(host, gpu.cuda(), &nvml),
                    nvml,
                }
            }
            Opened::Cpu(_) => {
                let reason = "the CPU device runs at small size; its figures are not comparable";
                Self {
                    platform: device::of_host(&host),
                    machine: Reading::missing(reason),
                    nvml: Reading::missing(reason),
                    record: facts::cpu_machine(host),
                }
            }
        }
    }
}

/// Runs a request. `interrupt` ends it after the case at hand; the record then says so.
///
/// # Errors
///
/// [`RunError`]. A case with wrong outputs is no error: the record has it as wrong.
pub fn run(
    request: &Request,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Payload, RunError> {
    let clock = SessionClock::start();
    let started_at = telemetry::utc_now();
    corpus::check(request)?;
    let (opened, no_gpu) = device::open(request)?;
    let Found {
        platform,
        machine,
        nvml,
        record: machine_record,
    } = Found::on(&opened, request, telemetry::host());
    let request = &with_targets(request, machine.value());
    let models = models(request);
    let Agenda {
        plan,
        cases: agenda,
        generations,
        warnings: omissions,
    } = agenda(request, &platform, &models)?;
    let target = facts::target(&machine, &request.targets, &models);
    let seed = match request.seed {
        Some(seed) => seed,
        None => getrandom::u64()?,
    };
    let seed = format!("{seed:016x}");
    // What can fail does so before the first measurement.
    let id = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
    let build = facts::build()?;
    let mut warnings: Vec<_> = no_gpu.into_iter().chain(omissions).collect();
    observer.planned(&plan);

    let sampler = Sampler::start(clock, nvml);
    let bench = Bench {
        scale: platform.scale,
        seed: &seed,
        target: &target,
        clock,
        sampler: &sampler,
    };
    let needed = agenda.iter().map(|case| case.memory_bytes).max();
    // No driver gives nothing.
    let arena_bytes = needed.unwrap_or(0).max(1 << 20);
    let mut place = match &opened {
        Opened::Gpu(gpu) => Place::Gpu {
            gpu,
            arena: gpu.arena(arena_bytes)?,
        },
        Opened::Cpu(cpu) => Place::Cpu(cpu),
    };
    let total = plan.cases.len();
    let mut cases: Vec<CaseRecord> = Vec::with_capacity(total);
    for (index, case) in agenda.iter().enumerate() {
        if interrupt.load(Ordering::SeqCst) {
            break;
        }
        observer.case_started(index, total, &case.id);
        let record = bench.run(case, &mut place, index == 0);
        observer.case_ended(&record);
        cases.push(record);
    }
    let device = place.kind();
    let images = match &opened {
        Opened::Gpu(gpu) => gpu.images(),
        Opened::Cpu(_) => Vec::new(),
    };
    // An engine has the device to itself.
    drop(place);
    drop(opened);
    let generator = Generator {
        request,
        clock,
        seed: &seed,
        device,
        read_gbps: Peaks::of(&cases).read_gbps.value().map(|peak| peak.value),
        observer,
        interrupt,
    };
    let Generated {
        cases: generated,
        engines,
        weights,
    } = generator.all(&generations, cases.len(), total, &target);
    cases.extend(generated);
    let status = match cases.len() == total {
        true => SessionStatus::Complete,
        false => SessionStatus::Interrupted,
    };
    let telemetry = sampler.stop();
    warnings.extend(notes(request, &machine, &machine_record.gpu));
    let mut payload = Payload {
        session: Session {
            id,
            status,
            started_at,
            ended_at: telemetry::utc_now(),
            duration_ns: clock.now_ns(),
            seed,
            arguments: request.arguments.clone(),
            redacted: false,
        },
        build,
        images,
        engines,
        weights,
        machine: machine_record,
        target,
        plan,
        peaks: Peaks::missing("the session goes on"),
        cases,
        telemetry,
        warnings,
    };
    payload.derive();
    payload.warnings.extend(drift(&payload.cases));
    Ok(payload)
}
