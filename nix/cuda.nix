# The CUDA release, and the recipe of the kernel images, which Cargo's build reads from the same file.
{ pkgs }:
let
  packages = pkgs.cudaPackages_13_2;
  recipe = pkgs.lib.importJSON ../kernels/build.json;
in
{
  inherit packages;
  version = packages.cudaMajorMinorVersion;
  nvccFlags = recipe.flags;
}
