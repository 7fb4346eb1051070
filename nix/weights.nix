# The default weights of each model by their digest, as ../configs/models names them (a check compares).  Packages,
# never checks: nothing downloads 20 GB unasked.  Whoever has a file already gives it the same store path by
# `nix store add --mode flat --hash-algo sha256 --name FILE PATH`.
{ pkgs }:
let
  inherit (pkgs) lib;
  pins = {
    gemma4_26b_a4b = {
      repository = "ggml-org/gemma-4-26B-A4B-it-GGUF";
      revision = "ae4d537a6345467d1c86bb5cc0d4505ff3ebe0f3";
      file = "gemma-4-26B-A4B-it-Q4_K_M.gguf";
      bytes = 16796015136;
      sha256 = "88f4a13b0bb95f031a7fad973e10854122fb67ebc34d214d39a2f65053046abc";
    };
    qwen35_35b_a3b = {
      repository = "lmstudio-community/Qwen3.5-35B-A3B-GGUF";
      # No public source names the commit.  The digest decides either way.
      revision = null;
      file = "Qwen3.5-35B-A3B-Q4_K_M.gguf";
      bytes = 21169116992;
      sha256 = "f25d609171b8f80950a60f38696597f74025de4070682d2fb1eeffe306ca7d5d";
    };
  };
  url =
    pin:
    let
      revision = if pin.revision == null then "main" else pin.revision;
    in
    "https://huggingface.co/${pin.repository}/resolve/${revision}/${pin.file}";
in
lib.mapAttrs (
  model: pin:
  pin
  // {
    inherit model;
    url = url pin;
    package = pkgs.fetchurl {
      name = pin.file;
      url = url pin;
      inherit (pin) sha256;
    };
  }
) pins
