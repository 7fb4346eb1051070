# The benchmarked machines: `bench-<name>` and `kernels-<name>` follow from an entry.  `machine` names its configuration
# in ../configs, which a check holds against `architecture`.
{
  rtx5090 = {
    title = "an RTX 5090";
    machine = "rtx5090";
    architecture = "sm_120";
  };
  rtx-spark = {
    title = "an RTX Spark (GB10)";
    machine = "rtx_spark";
    architecture = "sm_121";
  };
  jetson-thor = {
    title = "a Jetson Thor";
    machine = "jetson_thor";
    architecture = "sm_110";
  };
  h100 = {
    title = "an H100, which is no edge target";
    machine = "h100";
    architecture = "sm_90";
  };
}
