# `sparkbench run`, for one machine or for the one found.  All arguments are the program's, but for `--weights pinned`.
{
  pkgs,
  runner,
  provenance,
  weights,
  name,
  # The machine in ../configs to measure for; null for the one found.
  machine,
}:
let
  inherit (pkgs) lib;
  gigabytes = bytes: toString (bytes / 1000000000);
  # Paths without context: an app needs no weights before somebody asks for them.
  choices = lib.concatMapStringsSep "\n" (pin: ''
    ${pin.model})
      file=${lib.escapeShellArg pin.file} size='${gigabytes pin.bytes} GB' sha256=${pin.sha256}
      url=${lib.escapeShellArg pin.url}
      path=${builtins.unsafeDiscardStringContext pin.package.outPath}
      ;;
  '') (lib.attrValues weights);
in
import ./app.nix {
  inherit
    pkgs
    runner
    provenance
    name
    ;
  command = "run";
  prepare = ''
    refuse() {
      printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
      exit 2
    }

    machine=${lib.escapeShellArg (if machine == null then "" else machine)}
    target="" weights="" model="" arguments=()
    while [ $# -gt 0 ]; do
      case $1 in
        --weights=* | --model=* | --target=*) option=''${1%%=*} value=''${1#*=} given=("$1") ;;
        --weights | --model | --target)
          option=$1 value=''${2-} given=("$@")
          given=("''${given[@]:0:2}")
          ;;
        *) option="" value="" given=("$1") ;;
      esac
      shift "''${#given[@]}"
      case $option in
        --target) target=$value ;;
        --model) model=$value ;;
        --weights) weights=$value ;;
      esac
      if [ "$option=$value" != --weights=pinned ]; then arguments+=("''${given[@]}"); fi
    done
    set -- "''${arguments[@]}"
    if [ -z "$target" ] && [ -n "$machine" ]; then set -- --target "$machine" "$@"; fi
    if [ "$weights" = pinned ]; then
      case $model in
        ${choices}
        *) refuse "expected --model with --weights pinned, found ''${model:-none}" \
            ${lib.escapeShellArg "name one of ${lib.concatStringsSep ", " (lib.attrNames weights)}"} ;;
      esac
      if [ ! -e "$path" ]; then
        if [ ! -t 0 ]; then
          refuse "$file ($size) is not in the Nix store, and nobody is there to agree to its download" \
            "pass --weights PATH, or download it first: nix build .#weights-$model"
        fi
        read -r -p "Download $file ($size) into the Nix store? [y/N] " answer
        case $answer in
          y | Y | yes) ;;
          *) refuse "nothing was downloaded" "pass --weights PATH if you have $file" ;;
        esac
        nix --extra-experimental-features nix-command store prefetch-file --name "$file" --hash-type sha256 \
          --expected-hash "sha256:$sha256" "$url"
      fi
      set -- --weights "$path" "$@"
    fi

    # The driver looks for its other libraries by name, and a program of the Nix store does not read the list of the
    # system's directories.  These hold nothing but the driver: no second C library comes in by them.
    for directory in /usr/lib/wsl/lib /usr/lib/aarch64-linux-gnu/nvidia /usr/lib/aarch64-linux-gnu/tegra; do
      if [ -e "$directory/libcuda.so.1" ]; then
        export LD_LIBRARY_PATH="''${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$directory"
      fi
    done
  '';
}
