//! Level 2: whether the machine is possible, and is the one that its configuration describes.

use super::context::Context;
use super::file::is_version;
use super::outcome::{Findings, Outcome};
use crate::config::{
    Machine, MemoryKind as ConfiguredMemory, load::built_in_machines, machine_for_device,
};
use crate::result::{DeviceKind, MemoryKind, Reading, Scale};

/// Relative difference of memory that driver versions make.
const MEMORY_SLACK: f64 = 0.02;

pub(super) fn host(context: &Context<'_>) -> Outcome {
    let host = &context.payload.machine.host;
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str, found: &dyn std::fmt::Display| {
        findings.expect(holds, || format!("{name}: {found} is not possible"));
    };
    expect(
        (1..=8192).contains(&host.logical_cpus),
        "logical_cpus",
        &host.logical_cpus,
    );
    expect(
        (1 << 28..1 << 46).contains(&host.memory_bytes),
        "memory_bytes",
        &host.memory_bytes,
    );
    if let Some(cache) = host.cache_bytes.value() {
        expect((1 << 15..1 << 34).contains(cache), "cache_bytes", cache);
    }
    if let Some(load) = host.load_average.value() {
        expect((0.0..1e5).contains(load), "load_average", load);
    }
    let target = &context.payload.build.target;
    let built_for = target.split('-').next().unwrap_or_default();
    findings.expect(host.architecture == built_for, || {
        format!(
            "architecture: {} cannot run a program built for {target}",
            host.architecture
        )
    });
    findings.outcome()
}

pub(super) fn gpu(context: &Context<'_>) -> Outcome {
    let machine = &context.payload.machine;
    let Some(gpu) = machine.gpu.value() else {
        return Outcome::skipped("the session had no GPU");
    };
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str, found: &dyn std::fmt::Display| {
        findings.expect(holds, || format!("{name}: {found} is not possible"));
    };
    expect(gpu.ordinal < 64, "ordinal", &gpu.ordinal);
    expect(
        (1..=1024).contains(&gpu.sm_count),
        "sm_count",
        &gpu.sm_count,
    );
    expect(
        (1 << 30..1 << 43).contains(&gpu.memory_bytes),
        "memory_bytes",
        &gpu.memory_bytes,
    );
    expect(
        gpu.memory_free_bytes <= gpu.memory_bytes,
        "memory_free_bytes",
        &gpu.memory_free_bytes,
    );
    let bus = gpu.memory_bus_bits;
    expect(
        (32..=16_384).contains(&bus) && bus % 32 == 0,
        "memory_bus_bits",
        &bus,
    );
    expect(
        (1 << 18..1 << 30).contains(&gpu.l2_bytes),
        "l2_bytes",
        &gpu.l2_bytes,
    );
    let shared = gpu.shared_memory_per_block_bytes;
    expect(
        (48 << 10..1 << 20).contains(&shared),
        "shared_memory_per_block_bytes",
        &shared,
    );
    let clock = gpu.sm_clock_max_khz;
    expect(
        (300_000..5_000_000).contains(&clock),
        "sm_clock_max_khz",
        &clock,
    );
    if let Some(clock) = gpu.memory_clock_max_khz.value() {
        expect(
            (100_000..40_000_000).contains(clock),
            "memory_clock_max_khz",
            clock,
        );
    }
    for (name, limit) in [
        ("power_limit_mw", &gpu.power_limit_mw),
        ("power_limit_default_mw", &gpu.power_limit_default_mw),
    ] {
        if let Some(limit) = limit.value() {
            expect((1_000..3_000_000).contains(limit), name, limit);
        }
    }
    if let Some(others) = gpu.other_processes.value() {
        expect(*others < 10_000, "other_processes", others);
    }
    // On one memory with the host, the GPU cannot have more than it.
    let within = gpu.memory_bytes as f64 <= machine.host.memory_bytes as f64 * (1.0 + MEMORY_SLACK);
    expect(
        gpu.memory_kind == MemoryKind::Discrete || within,
        "memory_kind",
        &"unified memory beyond the host's",
    );
    findings.outcome()
}

/// The driver's versions against each other.
pub(super) fn driver(context: &Context<'_>) -> Outcome {
    let Some(driver) = context.payload.machine.driver.value() else {
        return Outcome::skipped("the session had no driver");
    };
    let mut findings = Findings::default();
    let mut expect = |holds: bool, name: &str, found: &str| {
        findings.expect(holds, || {
            format!("{name}: {found} does not fit the rest of the driver")
        });
    };
    if let Some(version) = driver.version.value() {
        expect(
            is_version(version, 3) || is_version(version, 2),
            "version",
            version,
        );
        if let Some(module) = driver.kernel_module_version.value() {
            expect(module == version, "kernel_module_version", module);
        }
        if let Some(nvml) = driver.nvml_version.value() {
            expect(nvml.ends_with(version.as_str()), "nvml_version", nvml);
        }
    }
    // Kernel images are made by CUDA 13, which older drivers cannot load.
    let major = driver
        .cuda_version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    expect(
        major.is_some_and(|major| (13..100).contains(&major)),
        "cuda_version",
        &driver.cuda_version,
    );
    for (name, library) in [
        ("libcuda.so", &driver.libcuda),
        ("libnvidia-ml.so", &driver.libnvidia_ml),
    ] {
        if let Some(library) = library.value() {
            let file = library.path.rsplit('/').next().unwrap_or_default();
            expect(
                library.path.starts_with('/') && file.starts_with(name),
                name,
                &library.path,
            );
        }
    }
    findings.outcome()
}

/// The built-in machine that the GPU is, or that the result names.
fn configured(context: &Context<'_>) -> Result<Machine, Outcome> {
    let named = context
        .payload
        .target
        .machine
        .value()
        .map(|record| record.name.as_str());
    let device = context.payload.machine.gpu.value().and_then(|gpu| {
        let (major, minor) = gpu.compute_capability.split_once('.')?;
        machine_for_device(&gpu.name, (major.parse().ok()?, minor.parse().ok()?))
    });
    let machines = built_in_machines().unwrap_or_default();
    let named_machine = machines
        .into_iter()
        .find(|machine| Some(machine.name.as_str()) == named);
    device.or(named_machine).ok_or_else(|| match named {
        Some(name) => Outcome::skipped(format!("{name} is no built-in machine")),
        None => Outcome::skipped("the result names no machine"),
    })
}

/// The GPU against the configuration of the machine that it is said to be.
pub(super) fn configuration(context: &Context<'_>) -> Outcome {
    let machine = match configured(context) {
        Ok(machine) => machine,
        Err(skipped) => return skipped,
    };
    let Some(gpu) = context.payload.machine.gpu.value() else {
        return Outcome::fail(format!("expected the GPU of {}, found none", machine.name));
    };
    let mut findings = Findings::default();
    let named = context
        .payload
        .target
        .machine
        .value()
        .map(|record| record.name.as_str());
    findings.expect(named == Some(&machine.name), || {
        format!(
            "the GPU is that of {}, the result names {}",
            machine.name,
            named.unwrap_or("none")
        )
    });
    let (major, minor) = machine.compute_capability;
    let unified = gpu.memory_kind == MemoryKind::Unified;
    let memory = (gpu.memory_bytes as f64 / machine.memory_bytes as f64 - 1.0).abs();
    let clock = machine
        .sm_clock_max_mhz
        .map(|mhz| gpu.sm_clock_max_khz as f64 / 1e3 / mhz);
    for (name, holds) in [
        (
            "compute_capability",
            gpu.compute_capability == format!("{major}.{minor}"),
        ),
        (
            "name",
            machine.is_device(&gpu.name, machine.compute_capability),
        ),
        ("sm_count", gpu.sm_count == u64::from(machine.sm_count)),
        ("l2_bytes", gpu.l2_bytes == machine.l2_bytes),
        (
            "shared_memory_per_block_bytes",
            gpu.shared_memory_per_block_bytes == machine.shared_memory_per_block_bytes,
        ),
        ("memory_bytes", memory <= MEMORY_SLACK),
        (
            "memory_kind",
            unified == (machine.memory_kind == ConfiguredMemory::Unified),
        ),
        // Board makers raise clocks a little.
        (
            "sm_clock_max_khz",
            clock.is_none_or(|ratio| (0.7..=1.2).contains(&ratio)),
        ),
    ] {
        findings.expect(holds, || {
            format!("gpu.{name} is not that of {}", machine.name)
        });
    }
    findings.outcome()
}

/// The data sheet's figures against the configuration's.
pub(super) fn data_sheet(context: &Context<'_>) -> Outcome {
    let machine = match configured(context) {
        Ok(machine) => machine,
        Err(skipped) => return skipped,
    };
    let target = &context.payload.target;
    let mut findings = Findings::default();
    let edge_target = target.edge_target.value();
    findings.expect(edge_target == Some(&machine.edge_target), || {
        format!(
            "edge_target: expected {} of {}, found {edge_target:?}",
            machine.edge_target, machine.name
        )
    });
    let mut expect = |name: &str, stated: &Reading<f64>, expected: Option<f64>| {
        findings.expect(stated.value().copied() == expected, || {
            format!(
                "{name}: expected {expected:?} of {}, found {:?}",
                machine.name,
                stated.value()
            )
        });
    };
    expect(
        "data_sheet_bandwidth_gbps",
        &target.data_sheet_bandwidth_gbps,
        Some(machine.bandwidth_gbps),
    );
    expect(
        "data_sheet_fp16_tops",
        &target.data_sheet_fp16_tops,
        machine.tensor_f16_tflops,
    );
    expect(
        "data_sheet_int8_tops",
        &target.data_sheet_int8_tops,
        machine.tensor_int8_tops,
    );
    findings.outcome()
}

/// Figures of the CPU device or of small inputs are not comparable.
pub(super) fn comparable(context: &Context<'_>) -> Outcome {
    let payload = context.payload;
    let mut findings = Findings::default();
    let stated = &payload.target.comparable;
    let all_on_gpu = payload
        .cases
        .iter()
        .all(|case| case.device == DeviceKind::Cuda);
    let full = payload.plan.scale == Scale::Full;
    match stated.value() {
        Some(true) => findings.expect(all_on_gpu && full, || {
            "the session calls its figures comparable, and is not of full size on a GPU alone"
                .to_owned()
        }),
        Some(false) => findings.expect(false, || {
            "expected true or the reason why not, found false".to_owned()
        }),
        None => {}
    }
    findings.outcome()
}
