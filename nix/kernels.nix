# The image of each kernel family with its manifest, for some architectures, or for all that the recipe names.
{
  pkgs,
  cuda,
  sources,
  kernelBuilder,
  name,
  architectures,
}:
let
  inherit (pkgs) lib;
in
cuda.packages.backendStdenv.mkDerivation {
  name = "sparkbench-kernels-${name}";
  src = sources.kernels;
  strictDeps = true;
  nativeBuildInputs = [
    cuda.packages.cuda_nvcc
    kernelBuilder
  ];
  buildInputs = [ cuda.packages.cuda_cudart ];
  dontConfigure = true;
  # Setup hooks of CUDA packages have put flags into these two; those of an image are in its recipe and nowhere else.
  buildPhase = ''
    runHook preBuild
    unset NVCC_PREPEND_FLAGS NVCC_APPEND_FLAGS
    export NVCC=${lib.getExe' cuda.packages.cuda_nvcc "nvcc"}
    kernel-builder . images ${lib.escapeShellArgs architectures}
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    mkdir -p "$out"
    cp images/*.fatbin images/*.json "$out/"
    runHook postInstall
  '';
  # Device code is not the host's to strip or patch.
  dontFixup = true;
}
