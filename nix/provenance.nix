# What this build can say of itself, in the form that `SPARKBENCH_PROVENANCE` takes.  Only this file knows the flake.
{
  pkgs,
  cuda,
  runner,
  allKernels,
  self,
  nixpkgs,
}:
let
  inherit (pkgs) lib;
  # `dirtyRev` is the commit under the changes.  Nix names neither when an input was overridden.
  commit = self.rev or (lib.removeSuffix "-dirty" (self.dirtyRev or ""));
  known = commit != "";
  # Of the evaluated input, not the locked one: an override changes these and not flake.lock.  The stand-in has a hash,
  # and as a part of this flake a revision too, but none of nixpkgs.
  standIn = nixpkgs.standIn or false;
  revision = if standIn then null else nixpkgs.rev or null;
  narHash = if standIn then null else nixpkgs.narHash or null;
in
pkgs.writeText "sparkbench-provenance.json" (
  builtins.toJSON {
    source = "file";
    commit = if known then commit else null;
    tree = null;
    dirty = if known then !(self ? rev) else null;
    commit_reason =
      if known then
        "Nix names the commit, but not its tree"
      else
        "Nix names no commit: the flake is no git checkout, or one of its inputs was overridden";
    flake_lock_sha256 = builtins.hashFile "sha256" ../flake.lock;
    flake_lock_reason = null;
    nix_reason = null;
    nix = {
      nixpkgs_rev = revision;
      nixpkgs_nar_hash = narHash;
      nixpkgs_reason =
        if standIn then
          "the stand-in is no revision of nixpkgs"
        else if revision == null || narHash == null then
          "Nix names no revision or no hash of a directory in place of nixpkgs"
        else
          null;
      stand_in = standIn;
      system = pkgs.stdenv.hostPlatform.system;
      cuda_version = cuda.version;
      nvcc_flags = cuda.nvccFlags;
      runner_attribute = "sparkbench";
      runner_store_path = runner;
      kernels_store_paths.all = allKernels;
    };
  }
)
