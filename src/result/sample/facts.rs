//! Invented facts of machine and build.

use std::collections::BTreeMap;

use crate::build_info::{ImageManifest, KernelResources, NvccVersion, sha256_hex};
use crate::config::ConfigSource;
use crate::result::*;

/// The H100's second-level cache.
pub(super) const L2_BYTES: u64 = 52_428_800;

pub(super) fn config(source: &ConfigSource) -> ConfigRecord {
    ConfigRecord {
        name: source.name.clone(),
        sha256: source.sha256.clone(),
    }
}

pub(super) fn host() -> HostRecord {
    HostRecord {
        name: Reading::of("rig-of-ada".to_owned()),
        os: Reading::of("Debian GNU/Linux 12 (bookworm)".to_owned()),
        kernel: "6.1.0-28-amd64".to_owned(),
        architecture: "x86_64".to_owned(),
        cpu_model: Reading::of("Intel(R) Xeon(R) Platinum 8480C".to_owned()),
        logical_cpus: 16,
        cache_bytes: Reading::of(33_554_432),
        memory_bytes: 137_438_953_472,
        governor: Reading::missing("no cpufreq directory"),
        virtualised: Reading::of(true),
        load_average: Reading::of(0.25),
    }
}

pub(super) fn gpu_record() -> GpuRecord {
    GpuRecord {
        ordinal: 0,
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        uuid: Identity {
            form: IdentityForm::Plain,
            value: "GPU-0f7c9a3e-5f4c-4f0a-9d3c-2b1f0c7d8e9a".to_owned(),
        },
        pci_bus_id: Reading::of("00000000:18:00.0".to_owned()),
        compute_capability: "9.0".to_owned(),
        sm_count: 132,
        memory_bytes: 85_017_755_648,
        memory_free_bytes: 84_400_000_000,
        memory_kind: MemoryKind::Discrete,
        memory_bus_bits: 5120,
        l2_bytes: L2_BYTES,
        shared_memory_per_block_bytes: 232_448,
        sm_clock_max_khz: 1_980_000,
        memory_clock_max_khz: Reading::of(2_619_000),
        ecc: Reading::of(true),
        mig: Reading::of(false),
        power_limit_mw: Reading::of(700_000),
        power_limit_default_mw: Reading::of(700_000),
        vbios: Reading::of("96.00.99.00.01".to_owned()),
        persistence: Reading::of(true),
        other_processes: Reading::of(0),
    }
}

pub(super) fn driver() -> DriverRecord {
    let library = |name: &str| {
        Reading::of(SharedLibrary {
            path: format!("/usr/lib/x86_64-linux-gnu/{name}.so.1"),
            sha256: sha256_hex(name.as_bytes()),
        })
    };
    DriverRecord {
        version: Reading::of("580.159.04".to_owned()),
        kernel_module_version: Reading::of("580.159.04".to_owned()),
        cuda_version: "13.0".to_owned(),
        nvml_version: Reading::of("13.580.159.04".to_owned()),
        libcuda: library("libcuda"),
        libnvidia_ml: library("libnvidia-ml"),
    }
}

pub(super) fn build() -> BuildRecord {
    BuildRecord {
        version: "0.1.0".to_owned(),
        executable_sha256: Reading::of(sha256_hex(b"executable")),
        source_sha256: sha256_hex(b"sources"),
        rustc: "rustc 1.95.0 (f2d3ce0bd 2026-03-21)".to_owned(),
        target: "x86_64-unknown-linux-gnu".to_owned(),
        profile: "release".to_owned(),
        opt_level: "3".to_owned(),
        rustflags: vec![],
        provenance: ProvenanceRecord {
            source: "cargo".to_owned(),
            commit: Reading::of("c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00".to_owned()),
            tree: Reading::of("7ee700007ee700007ee700007ee700007ee70000".to_owned()),
            dirty: Reading::of(false),
            flake_lock_sha256: Reading::missing("the commit has no flake.lock"),
            nix: Reading::missing("built by Cargo, without Nix"),
        },
    }
}

/// The same program as Nix builds it for an H100.
pub(super) fn nix_build() -> BuildRecord {
    let path = |digit: &str, name: &str| format!("/nix/store/{}-{name}", digit.repeat(32));
    let nix = NixRecord {
        nixpkgs_rev: Reading::of("714a5f8c4ead6b31148d829288440ed033ccc041".to_owned()),
        nixpkgs_nar_hash: Reading::of(format!("sha256-{}=", "N".repeat(43))),
        stand_in: false,
        system: "x86_64-linux".to_owned(),
        cuda_version: "13.2".to_owned(),
        nvcc_flags: ["-std=c++17", "-O3"].map(str::to_owned).to_vec(),
        runner_attribute: "sparkbench".to_owned(),
        runner_store_path: path("0", "sparkbench-0.1.0"),
        runner_nar_hash: Reading::of(format!("sha256-{}=", "R".repeat(43))),
        kernels_store_paths: [("h100".to_owned(), path("1", "kernels-h100"))].into(),
    };
    let build = build();
    BuildRecord {
        provenance: ProvenanceRecord {
            source: "file".to_owned(),
            flake_lock_sha256: Reading::of(sha256_hex(b"flake.lock")),
            nix: Reading::of(nix),
            ..build.provenance
        },
        ..build
    }
}

pub(super) fn image() -> ImageRecord {
    let digest = |text: &str| sha256_hex(text.as_bytes());
    let architectures = ["sm_90", "sm_110", "sm_120", "sm_121"].map(str::to_owned);
    let per_architecture = |value: &dyn Fn(&str) -> String| {
        architectures
            .iter()
            .map(|a| (a.clone(), value(a)))
            .collect::<BTreeMap<_, _>>()
    };
    let resources = KernelResources {
        registers: 40,
        ..KernelResources::default()
    };
    ImageRecord {
        owner: ImageOwner::Harness,
        loaded_sha256: digest("image"),
        loaded_architecture: "sm_90".to_owned(),
        manifest: ImageManifest {
            family: "calibration".to_owned(),
            sources: BTreeMap::from([(
                "kernels/calibration/read.cu".to_owned(),
                digest("read.cu"),
            )]),
            amalgam_sha256: digest("amalgam"),
            image_sha256: digest("image"),
            image_bytes: 83_624,
            architectures: architectures.to_vec(),
            arguments: [
                "-std=c++17",
                "-O3",
                "-gencode=arch=compute_90,code=sm_90",
                "-gencode=arch=compute_110,code=sm_110",
                "-gencode=arch=compute_120,code=sm_120",
                "-gencode=arch=compute_121,code=sm_121",
                "--fatbin",
                "calibration.cu",
                "-o",
                "calibration.fatbin",
            ]
            .map(str::to_owned)
            .to_vec(),
            nvcc: NvccVersion {
                version: "13.2.78".to_owned(),
                release: "cuda_13.2.r13.2/compiler.37668154_0".to_owned(),
            },
            host_compiler: "g++ (Debian 12.2.0-14) 12.2.0".to_owned(),
            code_sha256: per_architecture(&|a| digest(a)),
            kernels: architectures
                .iter()
                .map(|a| {
                    (
                        a.clone(),
                        BTreeMap::from([("read_bandwidth".to_owned(), resources)]),
                    )
                })
                .collect(),
        },
    }
}
