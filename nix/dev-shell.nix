# What a contributor needs: `nix develop`, then Cargo as anywhere else.
{ pkgs, cuda }:
pkgs.mkShell {
  packages = [
    pkgs.cargo
    pkgs.cargo-deny
    pkgs.cargo-insta
    pkgs.clippy
    pkgs.deadnix
    pkgs.gitMinimal
    pkgs.nixfmt
    pkgs.python3
    pkgs.rust-analyzer
    pkgs.rustc
    pkgs.rustfmt
    cuda.packages.cuda_nvcc
    cuda.packages.cuda_cudart
  ];
  env.SPARKBENCH_CUDA = "require";
  # As in ./kernels.nix.
  shellHook = "unset NVCC_PREPEND_FLAGS NVCC_APPEND_FLAGS";
}
