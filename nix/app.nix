# A command of the runner, with the record of the commit that it is.
{
  pkgs,
  runner,
  provenance,
  name,
  # Bash that may replace the arguments "$@".
  prepare ? "",
  command,
}:
pkgs.writeShellApplication {
  inherit name;
  text = ''
    export SPARKBENCH_PROVENANCE=${provenance}
    ${prepare}
    exec ${pkgs.lib.getExe runner} ${command} "$@"
  '';
}
