//! What only a real nvcc can show. Without one these tests say so and pass; with `SPARKBENCH_CUDA=require` they fail.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::build::compile::build_image;
use super::build::manifest::ImageManifest;
use super::build::recipe::Recipe;
use super::build::toolchain::{Toolchain, find_nvcc};

fn toolchain() -> Option<Toolchain> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let Some(nvcc) = find_nvcc(&variable).unwrap() else {
        assert_ne!(
            variable("SPARKBENCH_CUDA"),
            Some("require".into()),
            "no nvcc"
        );
        println!("skipped: no nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)");
        return None;
    };
    let host = variable("CXX").map_or(PathBuf::from("c++"), PathBuf::from);
    Some(Toolchain::new(nvcc, host).unwrap())
}

/// Builds `source` as a family of its own under `root`, for the oldest and the newest architecture.
fn build(root: &Path, toolchain: &Toolchain, source: &str) -> Result<ImageManifest, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut recipe = Recipe::read(package).unwrap();
    recipe.architectures = vec![90, 121];
    recipe.families = [("probe".to_owned(), vec!["probe.cu".to_owned()])].into();
    fs::create_dir_all(root.join("kernels")).unwrap();
    fs::write(root.join("kernels/probe.cu"), source).unwrap();
    build_image(root, &recipe, "probe", toolchain, &root.join("out"))
}

#[test]
fn the_code_of_a_kernel_is_the_same_from_every_directory() {
    let Some(toolchain) = toolchain() else { return };
    // Internal names carry a hash of the directory; the file name reaches the code through __FILE__.
    let source = "#include <cuda_fp16.h>\n\
        static __device__ int table[4] = {1, 2, 3, 4};\n\
        static __device__ __noinline__ int look_up(int i) { return table[i & 3] + __FILE__[i & 7]; }\n\
        extern \"C\" __global__ void probe(int* out, __half h) { out[threadIdx.x] = look_up(out[0]) + __half2int_rn(h); }\n";
    let directory = tempfile::tempdir().unwrap();
    let near = build(&directory.path().join("a"), &toolchain, source).unwrap();
    let far = build(
        &directory.path().join("another/and/deeper"),
        &toolchain,
        source,
    )
    .unwrap();
    assert_eq!(
        near.code_sha256.keys().collect::<Vec<_>>(),
        ["sm_121", "sm_90"]
    );
    assert_eq!(near.code_sha256, far.code_sha256);
    assert_eq!(near.amalgam_sha256, far.amalgam_sha256);
    assert_eq!(near.arguments, far.arguments);
    assert!(near.kernels["sm_90"]["probe"].registers > 0);
}

#[test]
fn a_warning_fails_the_build_and_is_shown() {
    let Some(toolchain) = toolchain() else { return };
    let directory = tempfile::tempdir().unwrap();
    let source = "extern \"C\" __global__ void probe(int* out) { int unused; out[0] = 1; }\n";
    let error = build(directory.path(), &toolchain, source).unwrap_err();
    assert!(error.contains("/sparkbench/kernels/probe.cu(1)"), "{error}");
    assert!(error.contains("unused"), "{error}");
}

#[test]
fn a_spill_fails_the_build_and_names_the_kernel() {
    let Some(toolchain) = toolchain() else { return };
    let directory = tempfile::tempdir().unwrap();
    // 64 values that live across barriers, in the 32 registers that 2 blocks of 1024 threads leave a thread.
    let source = "extern \"C\" __global__ void __launch_bounds__(1024, 2) probe(float* p) {\n\
        float a[64];\n\
        #pragma unroll\n\
        for (int i = 0; i < 64; i++) a[i] = p[i * 1024 + threadIdx.x];\n\
        for (int r = 0; r < 64; r++) {\n\
        __syncthreads();\n\
        #pragma unroll\n\
        for (int i = 0; i < 64; i++) a[i] = a[i] * a[(i + 7) % 64] + r;\n\
        }\n\
        #pragma unroll\n\
        for (int i = 0; i < 64; i++) p[i * 1024 + threadIdx.x] = a[i];\n\
        }\n";
    let error = build(directory.path(), &toolchain, source).unwrap_err();
    assert!(
        error.contains("spilled to local memory in function 'probe'"),
        "{error}"
    );
}

#[test]
fn a_kernel_of_internal_linkage_is_refused() {
    let Some(toolchain) = toolchain() else { return };
    let directory = tempfile::tempdir().unwrap();
    let source = "namespace {\n\
        template <int N> __global__ void probe(int* out) { out[0] = N; }\n\
        template __global__ void probe<1>(int*);\n\
        }\n";
    let error = build(directory.path(), &toolchain, source).unwrap_err();
    assert!(error.contains("has internal linkage"), "{error}");
}
