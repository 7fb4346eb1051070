# What `nix flake check` builds.  None needs a GPU, a network or git's history.
{
  pkgs,
  sources,
  targets,
  weights,
  corpus,
  runner,
  allKernels,
  kernels,
  bench,
}:
let
  inherit (pkgs) lib;
  sparkbench = lib.getExe runner;

  # The package with its tests, for a command of Cargo in place of the build.
  cargo =
    name:
    {
      command,
      inputs ? [ ],
    }:
    runner.overrideAttrs (old: {
      pname = "sparkbench-${name}";
      src = sources.tests;
      nativeBuildInputs = old.nativeBuildInputs ++ inputs;
      buildPhase = ''
        runHook preBuild
        ${command}
        runHook postBuild
      '';
      installPhase = "touch $out";
    });

  # Fails unless `script` succeeds.
  check = name: script: pkgs.runCommand "sparkbench-${name}" { } "${script}\ntouch $out";
in
{
  build = runner;

  # Unit tests and those of the command line, with all snapshots. The others start compilers, engines and drivers for
  # minutes, and are left to `cargo test`.
  tests = cargo "tests" {
    inputs = [
      pkgs.gitMinimal
      pkgs.python3
    ];
    # Images come from their own derivation, so tests of nvcc itself find none and say so.  One test asks git which
    # results are tracked.
    command = ''
      export SPARKBENCH_CUDA=auto
      # Debugging information and incremental state would cost time and serve nobody.
      export INSTA_UPDATE=no CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
      git init --quiet
      git add .
      cargo test --offline --no-fail-fast --lib --test bad_files --test cli --test config --test engine --test model
    '';
  };

  clippy = cargo "clippy" {
    inputs = [ pkgs.clippy ];
    command = "CARGO_INCREMENTAL=0 cargo clippy --offline --all-targets -- -D warnings";
  };

  format = cargo "format" {
    inputs = [ pkgs.rustfmt ];
    command = "cargo fmt --check";
  };

  # The code of an architecture does not depend on which others are compiled beside it.
  kernels = check "kernels" (
    lib.concatMapStrings (
      name:
      let
        arch = targets.${name}.architecture;
      in
      ''
        for manifest in ${allKernels}/*.json; do
          code='"${arch}": "[0-9a-f]{64}"'
          all=$(grep -oE "$code" "$manifest")
          one=$(grep -oE "$code" "${kernels.${name}}/''${manifest##*/}")
          [ "$all" = "$one" ] || { echo "${arch}: $all in $manifest, $one alone"; exit 1; }
        done
      ''
    ) (lib.attrNames targets)
  );

  schema = check "schema" "${sparkbench} schema | cmp - ${../schema}/result-v1.json";

  # Every target is planned; what ./targets.nix, ./weights.nix and ./corpus.nix repeat is what ../configs says.
  configs = check "configs" (
    lib.concatMapStrings (target: ''
      ${sparkbench} run --dry-run --target ${target.machine} > plan
      grep -q '^sm_target: ${target.architecture}\b' ${../configs}/${target.machine}.yaml
    '') (lib.attrValues targets)
    + lib.concatMapStrings (pin: ''
      grep -A 8 'default: true' ${../configs}/models/${pin.model}.yaml > pin
      for line in 'repository: ${pin.repository}' 'revision: ${
        if pin.revision == null then "null" else pin.revision
      }' 'file: ${pin.file}' \
        'bytes: ${toString pin.bytes}' 'sha256: ${pin.sha256}'; do
        grep -qE -- "$line( |$)" pin || { echo "${pin.model}.yaml has no $line"; exit 1; }
      done
    '') (lib.attrValues weights)
    + ''
      for target in ${../configs}/targets/*.yaml; do
        grep -q '^  sha256: ${corpus.sha256}$' "$target" || { echo "$target pins another corpus"; exit 1; }
      done
    ''
  );

  # A run without a GPU: the app starts, its provenance reaches the result, and the result verifies.
  smoke = check "smoke" ''
    export HOME=$PWD XDG_DATA_HOME=$PWD
    ${lib.getExe bench} --device cpu --quiet
    ${sparkbench} verify --allow-unpinned results
    grep -q '"${builtins.hashFile "sha256" ../flake.lock}"' results/*.json
  '';
}
// lib.mapAttrs' (name: lib.nameValuePair "kernels-${name}") kernels
