# A measurement as a derivation, for fleets that queue jobs by Nix's remote builders; see ../docs/fleet.md.  Opt-in: no
# output of the flake builds one.  `run` names this measurement, since the same name would be the same, finished build.
{
  pkgs,
  targets,
  benches,
}:
{
  target,
  run,
  arguments ? [ ],
}:
pkgs.runCommand "sparkbench-${target}-${run}"
  {
    requiredSystemFeatures = [
      "cuda-${targets.${target}.architecture}"
      "benchmark"
    ];
    # What was measured is on the rig that measured it.
    preferLocalBuild = false;
    allowSubstitutes = false;
  }
  ''
    mkdir -p "$out"
    export HOME="$PWD"
    ${
      pkgs.lib.getExe benches.${target}
    } --out "$out" ${pkgs.lib.escapeShellArgs arguments} | tee "$out/table.txt"
  ''
