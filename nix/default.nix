# The outputs, per system.  Everything it imports takes what it needs by name and knows nothing of flakes, but for
# ./provenance.nix.
{ inputs }:
let
  inherit (inputs) self nixpkgs;
  inherit (nixpkgs) lib;
  targets = import ./targets.nix;
  prefixed = prefix: lib.mapAttrs' (name: value: lib.nameValuePair "${prefix}-${name}" value);

  perSystem =
    system:
    let
      pkgs = import nixpkgs {
        inherit system;
        config = import ./nixpkgs-config.nix;
      };
      cuda = import ./cuda.nix { inherit pkgs; };
      sources = import ./sources.nix { inherit lib; };
      weights = import ./weights.nix { inherit pkgs; };
      corpus = import ./corpus.nix { inherit pkgs; };

      kernelBuilder = import ./kernel-builder.nix { inherit pkgs sources; };
      kernelsFor =
        name: architectures:
        import ./kernels.nix {
          inherit
            pkgs
            cuda
            sources
            kernelBuilder
            name
            architectures
            ;
        };
      allKernels = kernelsFor "all" [ ];
      kernels = lib.mapAttrs (name: target: kernelsFor name [ target.architecture ]) targets;

      runner = import ./runner.nix {
        inherit pkgs sources;
        kernels = allKernels;
      };
      engine = pkgs.runCommand "spark-engine-${runner.version}" { meta.mainProgram = "spark-engine"; } ''
        mkdir -p "$out/bin"
        ln -s ${runner}/bin/spark-engine "$out/bin/"
      '';

      provenance = import ./provenance.nix {
        inherit
          pkgs
          cuda
          runner
          allKernels
          self
          nixpkgs
          ;
      };
      app =
        command:
        import ./app.nix {
          inherit
            pkgs
            runner
            provenance
            command
            ;
          name = command;
        };
      bench =
        name: machine:
        import ./bench.nix {
          inherit
            pkgs
            runner
            provenance
            weights
            name
            machine
            ;
        };
      benches = lib.mapAttrs (name: target: bench "bench-${name}" target.machine) targets;
      programs = {
        bench = bench "bench" null;
        verify = app "verify";
        inspect = app "inspect";
      }
      // prefixed "bench" benches;
      descriptions = {
        bench = "Measure the machine found";
        verify = "Check result files";
        inspect = "Show what a GGUF file holds and costs";
      }
      // prefixed "bench" (lib.mapAttrs (_: target: "Measure ${target.title}") targets);
    in
    {
      packages = {
        default = runner;
        sparkbench = runner;
        spark-engine = engine;
        kernels-all = allKernels;
        kernel-builder = kernelBuilder;
        inherit provenance;
        corpus = corpus.package;
      }
      // prefixed "bench" benches
      // prefixed "kernels" kernels
      // prefixed "weights" (lib.mapAttrs (_: pin: pin.package) weights);

      apps = lib.mapAttrs (name: program: {
        type = "app";
        program = lib.getExe program;
        meta.description = descriptions.${name};
      }) programs;

      checks = import ./checks.nix {
        inherit
          pkgs
          sources
          targets
          weights
          corpus
          runner
          allKernels
          kernels
          ;
        bench = programs.bench;
      };

      devShells.default = import ./dev-shell.nix { inherit pkgs cuda; };
      formatter = pkgs.nixfmt-tree;
      lib.queued = import ./queued.nix { inherit pkgs targets benches; };
    };

  all = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] perSystem;
  output = name: lib.mapAttrs (_: outputs: outputs.${name}) all;
in
lib.genAttrs [ "packages" "apps" "checks" "devShells" "formatter" "lib" ] output
