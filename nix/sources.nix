# Which files a derivation reads.  A file that is not named cannot change its store path.
{ lib }:
let
  root = ../.;
  from =
    files:
    lib.fileset.toSource {
      inherit root;
      fileset = lib.fileset.unions files;
    };
  # As DETERMINING in src/build_info/record.rs.  One that is missing here shows as another `source_sha256`.
  determining = [
    ../Cargo.lock
    ../Cargo.toml
    ../build
    ../build.rs
    ../configs
    ../kernels
    ../schema
    ../src
  ];
in
{
  runner = from determining;
  tests = from (
    determining
    ++ [
      ../README.md
      ../docs
      ../fuzz
      ../results
      ../tests
    ]
  );
  kernels = from [ ../kernels ];
  kernelBuilder = from [
    ../build
    ../src/build_info/code_digest.rs
    ../src/build_info/digest.rs
    ../src/build_info/manifest.rs
    ../src/build_info/nix.rs
    ../src/build_info/record.rs
    ./kernel-builder
  ];
}
