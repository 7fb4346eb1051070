{
  description = "A reproducible benchmark suite for edge MoE inference at batch size 1";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = inputs: import ./nix { inherit inputs; };
}
