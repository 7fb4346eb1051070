{
  description = "A stand-in for nixpkgs on machines that reach no binary cache: the same attributes, the host's compilers";

  outputs =
    { self }:
    {
      # Read by nix/provenance.nix, so that no result built this way can pass for a pinned one.
      standIn = true;
      lib = import ./lib.nix;
      legacyPackages.x86_64-linux = import self.outPath { system = "x86_64-linux"; };
    };
}
