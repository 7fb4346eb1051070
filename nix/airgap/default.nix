# `import nixpkgs { … }` for machines that reach no binary cache.
#
# It builds with the host's compilers, so it is not hermetic, and says so (`standIn` in ./flake.nix).  What does not come
# from the host still comes in by hash: crates by the checksums in Cargo.lock, the CUDA compiler by those in cuda.json.
# ./seed puts those files into the store beforehand; nothing here can download.  What ../ may use is this file and
# ./lib.nix: an attribute that is not modelled is an error, never ignored.
{ system, ... }:
let
  lib = import ./lib.nix;

  # The contract with the host, which ./seed sets up.
  hostPath = "/opt/airgap/rust/bin:/usr/bin";

  # Attributes that become the builder's environment, and those that only Nix sees.
  modelled = [
    "src"
    "sourceRoot"
    "postPatch"
    "configurePhase"
    "buildPhase"
    "installPhase"
    "dontUnpack"
    "dontConfigure"
    "dontBuild"
    "dontFixup"
    "requiredSystemFeatures"
    "preferLocalBuild"
    "allowSubstitutes"
  ];
  unseen = [
    "name"
    "pname"
    "version"
    "env"
    "meta"
    "nativeBuildInputs"
    "buildInputs"
    "strictDeps"
    "doCheck"
  ];

  mkDerivation =
    args:
    let
      unknown = lib.filter (n: !lib.elem n (modelled ++ unseen)) (lib.attrNames args);
      inputs = (args.nativeBuildInputs or [ ]) ++ (args.buildInputs or [ ]);
      drv = derivation (
        builtins.removeAttrs args unseen
        // (args.env or { })
        // {
          name = args.name or "${args.pname}-${args.version}";
          inherit system;
          builder = "/usr/bin/bash";
          args = [
            "-e"
            ./setup.sh
          ];
          PATH = lib.concatStringsSep ":" (map (i: "${i}/bin") inputs ++ [ hostPath ]);
        }
      );
    in
    if unknown != [ ] then
      throw "airgap: attributes that this stand-in does not model: ${toString unknown}"
    else if args.doCheck or false then
      throw "airgap: this stand-in runs no check phase"
    else
      drv
      // {
        meta = args.meta or { };
        inherit (args) pname version;
        overrideAttrs = f: mkDerivation (args // f ({ nativeBuildInputs = [ ]; } // args));
      };

  # A file that has to be in the store already.  Its path follows from name and digest, so it is the one that nixpkgs'
  # fetchurl has.
  seeded =
    {
      name,
      sha256,
      how ? "run nix/airgap/seed",
    }:
    derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [
        "-c"
        "echo 'airgap: ${name} is not in the store; ${how}' >&2; exit 1"
      ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
    };

  # The URL is for those with a network.
  fetchurl =
    {
      name,
      url,
      sha256,
    }:
    assert builtins.isString url;
    seeded {
      inherit name sha256;
      how = "add it: nix store add --mode flat --hash-algo sha256 --name ${name} FILE";
    };

  runCommand =
    name: attributes: script:
    mkDerivation (
      attributes
      // {
        inherit name;
        dontUnpack = true;
        dontConfigure = true;
        dontBuild = true;
        installPhase = script;
      }
    );

  writeText =
    name: text:
    mkDerivation {
      inherit name;
      env = { inherit text; };
      dontUnpack = true;
      dontConfigure = true;
      dontBuild = true;
      installPhase = ''printf '%s' "$text" > "$out"'';
    };

  vendor =
    lockFile:
    let
      crates = lib.filter (p: p ? source) (fromTOML (builtins.readFile lockFile)).package;
      unpack =
        p:
        let
          dir = "${p.name}-${p.version}";
          sha256 = p.checksum or (throw "airgap: ${p.name} is not from a registry");
          archive = seeded {
            name = "crate-${dir}.tar.gz";
            inherit sha256;
          };
        in
        ''
          mkdir "$out/${dir}"
          tar xf ${archive} -C "$out/${dir}" --strip-components=1
          printf '{"files":{},"package":"${sha256}"}' > "$out/${dir}/.cargo-checksum.json"
        '';
    in
    runCommand "cargo-vendor-dir" { } ''
      mkdir "$out"
      ${lib.concatMapStrings unpack crates}
    '';

  buildRustPackage =
    args:
    let
      crates = vendor args.cargoLock.lockFile;
    in
    mkDerivation (
      {
        configurePhase = ''
          # A copy: what Cargo says of its sources must not make the crates a dependency of what it builds.
          cp -r ${crates} "$NIX_BUILD_TOP/cargo-vendor-dir"
          export CARGO_HOME="$NIX_BUILD_TOP/cargo-home"
          mkdir -p "$CARGO_HOME"
          printf '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "%s"\n' \
            "$NIX_BUILD_TOP/cargo-vendor-dir" > "$CARGO_HOME/config.toml"
          export RUSTFLAGS="--remap-path-prefix=$NIX_BUILD_TOP=/build"
        '';
        buildPhase = "cargo build --offline --profile release";
        installPhase = ''
          mkdir -p "$out/bin"
          find target/release -maxdepth 1 -type f -executable ! -name '*.so' -exec cp -t "$out/bin" {} +
        '';
      }
      // builtins.removeAttrs args [ "cargoLock" ]
    );

  writeShellApplication =
    { name, text }:
    mkDerivation {
      inherit name;
      dontUnpack = true;
      dontConfigure = true;
      dontBuild = true;
      env.script = ''
        #!/usr/bin/bash
        set -o errexit
        set -o nounset
        set -o pipefail
        ${text}
      '';
      installPhase = ''
        mkdir -p "$out/bin"
        printf '%s' "$script" > "$out/bin/${name}"
        chmod +x "$out/bin/${name}"
        bash -n "$out/bin/${name}"
      '';
      meta.mainProgram = name;
    };

  mkShell =
    {
      packages,
      env,
      shellHook,
    }:
    mkDerivation {
      name = "nix-shell";
      nativeBuildInputs = packages;
      env = env // {
        inherit shellHook;
      };
      dontUnpack = true;
      dontConfigure = true;
      dontBuild = true;
      installPhase = "touch $out";
    };

  cuda = lib.importJSON ./cuda.json;
  wheels =
    name: parts:
    runCommand name { } ''
      mkdir "$out" unpacked
      ${lib.concatMapStringsSep "\n" (
        p: "python3 -m zipfile -e ${seeded cuda.wheels.${p}} unpacked"
      ) parts}
      cp -r unpacked/nvidia/cu*/. "$out/"
      for dir in bin nvvm/bin; do
        if [ -d "$out/$dir" ]; then chmod -R +x "$out/$dir"; fi
      done
    '';

  cudaPackages = {
    cudaMajorMinorVersion = cuda.version;
    backendStdenv = { inherit mkDerivation; };
    # In nixpkgs the compiler finds the runtime's headers by hooks; here they lie beside it.
    cuda_nvcc = wheels "cuda_nvcc-${cuda.version}" [
      "nvcc"
      "nvvm"
      "crt"
      "cccl"
      "runtime"
    ];
    cuda_cudart = wheels "cuda_cudart-${cuda.version}" [ "runtime" ];
  };

  # Tools that are on every builder's PATH already, or that only a shell needs.
  host = name: runCommand "host-${name}" { } "mkdir $out";
in
{
  inherit
    fetchurl
    lib
    mkShell
    runCommand
    writeText
    writeShellApplication
    ;
  stdenv.hostPlatform = { inherit system; };
  rustPlatform = { inherit buildRustPackage; };
  ${"cudaPackages_" + builtins.replaceStrings [ "." ] [ "_" ] cuda.version} = cudaPackages;
}
// lib.genAttrs [
  "cargo"
  "cargo-deny"
  "cargo-insta"
  "clippy"
  "deadnix"
  "gitMinimal"
  "nixfmt"
  "nixfmt-tree"
  "python3"
  "rust-analyzer"
  "rustc"
  "rustfmt"
] host
