# The part of build.rs that compiles kernels, as a program: one that changes with that code only, so that a change
# elsewhere in ../src recompiles no kernel.
{ pkgs, sources }:
pkgs.rustPlatform.buildRustPackage {
  pname = "kernel-builder";
  version = (fromTOML (builtins.readFile ./kernel-builder/Cargo.toml)).package.version;
  src = sources.kernelBuilder;
  sourceRoot = "source/nix/kernel-builder";
  cargoLock.lockFile = ./kernel-builder/Cargo.lock;
  doCheck = false;
  meta = {
    description = "Compiles the kernel images apart from the binaries that embed them";
    mainProgram = "kernel-builder";
  };
}
