# The part of build.rs that compiles kernels, as a program: one that changes with that code only, so that a change
# elsewhere in ../src recompiles no kernel.
{ pkgs, sources }:
pkgs.rustPlatform.buildRustPackage {
  pname = "sparkbench-kernels";
  version = (fromTOML (builtins.readFile ./kernels/Cargo.toml)).package.version;
  src = sources.kernelCompiler;
  sourceRoot = "source/nix/kernels";
  cargoLock.lockFile = ../Cargo.lock;
  # The package's lock file, of which Cargo drops what this program does not use.
  postPatch = ''
    cp ${../Cargo.lock} Cargo.lock
    chmod +w Cargo.lock
  '';
  doCheck = false;
  meta = {
    description = "Compiles the kernel images apart from the binaries that embed them";
    mainProgram = "sparkbench-kernels";
  };
}
