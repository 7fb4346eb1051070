# Both programs, with the kernel images of all architectures.  Which commit they are is not in them, but handed over by
# ./app.nix: a commit that changes none of the sources leaves this store path as it is.
{
  pkgs,
  sources,
  kernels,
}:
pkgs.rustPlatform.buildRustPackage {
  pname = "sparkbench";
  version = (fromTOML (builtins.readFile ../Cargo.toml)).package.version;
  src = sources.runner;
  cargoLock.lockFile = ../Cargo.lock;
  env = {
    SPARKBENCH_CUDA = "require";
    SPARKBENCH_KERNELS_DIR = "${kernels}";
  };
  # The tests have files of their own, and so are a derivation of their own: ./checks.nix.
  doCheck = false;
  meta = {
    description = "A reproducible benchmark suite for edge MoE inference at batch size 1";
    mainProgram = "sparkbench";
  };
}
