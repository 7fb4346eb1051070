# The text that `--corpus` must be, as the targets in ../configs pin it (a check compares): Tiny Shakespeare, 1.1 MB, in the
# public domain.  A package, never a check: nothing is downloaded unasked.
{ pkgs }:
let
  revision = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e";
  sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed";
in
{
  inherit sha256;
  package = pkgs.fetchurl {
    name = "tiny-shakespeare.txt";
    url = "https://raw.githubusercontent.com/karpathy/char-rnn/${revision}/data/tinyshakespeare/input.txt";
    inherit sha256;
  };
}
