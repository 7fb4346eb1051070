//! Records of machine, build and target, from those who know.

use std::path::Path;

use crate::{
    build_info::{self, BuildInfoError, NixBuild, Provenance, ProvenanceSource},
    config::{ConfigSource, Machine, Model, Target},
    device::cuda::{Cuda, Facts},
    result::{
        BuildRecord, ConfigRecord, DriverRecord, GpuRecord, HostRecord, Identity, IdentityForm,
        MachineRecord, MemoryKind, NixRecord, ProvenanceRecord, Reading, TargetRecord,
    },
    telemetry::{Gpu, NvmlFacts, kernel_module_version},
};

/// The machine record with a GPU.
pub fn gpu_machine(host: HostRecord, cuda: &Cuda, nvml: &Reading<Gpu>) -> MachineRecord {
    let nvml = NvmlFacts::of(nvml);
    MachineRecord {
        host,
        gpu: Reading::of(gpu_record(cuda.facts(), &nvml)),
        driver: Reading::of(DriverRecord {
            version: nvml.driver_version,
            kernel_module_version: kernel_module_version(),
            cuda_version: cuda.driver().cuda_version.clone(),
            nvml_version: nvml.nvml_version,
            libcuda: cuda.driver().library.clone(),
            libnvidia_ml: nvml.libnvidia_ml,
        }),
    }
}

/// The machine record of the processor alone.
pub fn cpu_machine(host: HostRecord) -> MachineRecord {
    let reason = "the CPU device was measured";
    MachineRecord {
        host,
        gpu: Reading::missing(reason),
        driver: Reading::missing(reason),
    }
}

fn gpu_record(facts: &Facts, nvml: &NvmlFacts) -> GpuRecord {
    let memory_clock = Some(u64::from(facts.memory_clock_max_khz)).filter(|khz| *khz > 0);
    GpuRecord {
        ordinal: u64::from(facts.ordinal),
        name: facts.name.clone(),
        uuid: Identity {
            form: IdentityForm::Plain,
            value: facts.uuid.clone(),
        },
        pci_bus_id: Reading::of(facts.pci_bus_id.clone()),
        compute_capability: format!("{}.{}", facts.capability.0, facts.capability.1),
        sm_count: u64::from(facts.sm_count),
        memory_bytes: facts.memory_bytes,
        memory_free_bytes: facts.memory_free_bytes,
        memory_kind: match facts.integrated {
            true => MemoryKind::Unified,
            false => MemoryKind::Discrete,
        },
        memory_bus_bits: u64::from(facts.memory_bus_bits),
        l2_bytes: facts.l2_bytes,
        shared_memory_per_block_bytes: u64::from(facts.shared_memory_per_block_bytes),
        sm_clock_max_khz: u64::from(facts.sm_clock_max_khz),
        memory_clock_max_khz: Reading::from_option(memory_clock, "the driver gives 0"),
        ecc: nvml.ecc.clone(),
        mig: nvml.mig.clone(),
        power_limit_mw: nvml.power_limit_mw.clone(),
        power_limit_default_mw: nvml.power_limit_default_mw.clone(),
        vbios: nvml.vbios.clone(),
        persistence: nvml.persistence.clone(),
        other_processes: nvml.other_processes.clone(),
    }
}

/// The harness as built.
///
/// # Errors
///
/// [`BuildInfoError`].
pub fn build() -> Result<BuildRecord, BuildInfoError> {
    let build = build_info::build()?;
    let executable = std::fs::read("/proc/self/exe").map(|bytes| build_info::sha256_hex(&bytes));
    Ok(BuildRecord {
        version: build.version.clone(),
        executable_sha256: Reading::from_result(executable),
        source_sha256: build.source_sha256.clone(),
        rustc: build.rust.rustc.clone(),
        target: build.rust.target.clone(),
        profile: build.rust.profile.clone(),
        opt_level: build.rust.opt_level.clone(),
        rustflags: build.rust.rustflags.clone(),
        provenance: provenance(build_info::provenance()?),
    })
}

fn provenance(stamp: Provenance) -> ProvenanceRecord {
    let reason = stamp.commit_reason.as_deref().unwrap_or("not stamped");
    let lock_reason = stamp.flake_lock_reason.as_deref().unwrap_or("not stamped");
    ProvenanceRecord {
        source: match stamp.source {
            ProvenanceSource::Cargo => "cargo",
            ProvenanceSource::File => "file",
        }
        .into(),
        commit: Reading::from_option(stamp.commit, reason),
        tree: Reading::from_option(stamp.tree, reason),
        dirty: Reading::from_option(stamp.dirty, reason),
        flake_lock_sha256: Reading::from_option(stamp.flake_lock_sha256, lock_reason),
        nix: Reading::from_option(
            stamp.nix.map(nix),
            stamp.nix_reason.as_deref().unwrap_or("not stamped"),
        ),
    }
}

fn nix(stamp: NixBuild) -> NixRecord {
    let reason = stamp.nixpkgs_reason.as_deref().unwrap_or("not stated");
    NixRecord {
        nixpkgs_rev: Reading::from_option(stamp.nixpkgs_rev, reason),
        nixpkgs_nar_hash: Reading::from_option(stamp.nixpkgs_nar_hash, reason),
        stand_in: stamp.stand_in,
        system: stamp.system,
        cuda_version: stamp.cuda_version,
        nvcc_flags: stamp.nvcc_flags,
        runner_attribute: stamp.runner_attribute,
        runner_nar_hash: runner_nar_hash(Path::new(&stamp.runner_store_path)),
        runner_store_path: stamp.runner_store_path,
        kernels_store_paths: stamp.kernels_store_paths,
    }
}

/// The hash of the program's store path as it lies here, if this is the program in it.
fn runner_nar_hash(store_path: &Path) -> Reading<String> {
    match std::fs::read_link("/proc/self/exe") {
        Ok(program) if program.starts_with(store_path) => {
            Reading::from_result(build_info::nar_hash(store_path))
        }
        Ok(_) => Reading::missing("the program that runs is not the one in the store path"),
        Err(error) => Reading::missing(error.to_string()),
    }
}

fn config(source: &ConfigSource) -> ConfigRecord {
    ConfigRecord {
        name: source.name.clone(),
        sha256: source.sha256.clone(),
    }
}

/// What the session runs for. `machine` is what the device was recognised as, or why it was not.
pub fn target(machine: &Reading<Machine>, targets: &[Target], models: &[Model]) -> TargetRecord {
    let of =
        |figure: fn(&Machine) -> Option<f64>, reason: fn(&Machine) -> Option<&str>| match machine
            .value()
        {
            Some(machine) => Reading::from_option(
                figure(machine),
                reason(machine).unwrap_or("not in the configuration"),
            ),
            None => Reading::missing(machine.reason().unwrap_or("no machine")),
        };
    TargetRecord {
        machine: machine.clone().map(|machine| config(&machine.source)),
        targets: targets
            .iter()
            .map(|target| config(&target.source))
            .collect(),
        models: models.iter().map(|model| config(&model.source)).collect(),
        edge_target: machine.clone().map(|machine| machine.edge_target),
        data_sheet_bandwidth_gbps: of(|machine| Some(machine.bandwidth_gbps), |_| None),
        data_sheet_fp16_tops: of(
            |machine| machine.tensor_f16_tflops,
            |machine| machine.tensor_f16_tflops_reason.as_deref(),
        ),
        data_sheet_int8_tops: of(
            |machine| machine.tensor_int8_tops,
            |machine| machine.tensor_int8_tops_reason.as_deref(),
        ),
        comparable: match machine.reason() {
            None => Reading::of(true),
            Some(reason) => Reading::missing(reason),
        },
    }
}
