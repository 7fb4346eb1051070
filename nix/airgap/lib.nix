# The part of `nixpkgs.lib` that ../ uses, with nixpkgs' names and meanings.
let
  inherit (builtins)
    attrNames
    concatLists
    concatStringsSep
    elem
    filter
    isList
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    ;

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      start = stringLength s - stringLength suffix;
    in
    start >= 0 && substring start (stringLength suffix) s == suffix;
  escapeShellArg =
    arg:
    let
      s = toString arg;
    in
    if match "[[:alnum:],._+:@%/-]+" s != null then s else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  nameValuePair = name: value: { inherit name value; };
  toList = x: if isList x then x else [ x ];
in
{
  inherit
    attrNames
    concatStringsSep
    elem
    filter
    hasPrefix
    hasSuffix
    nameValuePair
    toList
    ;
  inherit (builtins) attrValues mapAttrs;

  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  concatMapStringsSep =
    sep: f: list:
    concatStringsSep sep (map f list);
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  removeSuffix =
    suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;

  inherit escapeShellArg;
  escapeShellArgs = args: concatStringsSep " " (map escapeShellArg args);

  getExe = drv: "${drv}/bin/${drv.meta.mainProgram or drv.pname or drv.name}";
  getExe' = drv: name: "${drv}/bin/${name}";

  # Only whole paths and unions of them: enough to name the files that a derivation reads.
  fileset = {
    unions =
      sets:
      map (
        path:
        if builtins.pathExists path then path else throw "airgap: no file ${toString path} for a fileset"
      ) (concatLists (map toList sets));
    toSource =
      { root, fileset }:
      let
        wanted = map toString (toList fileset);
      in
      builtins.path {
        name = "source";
        path = root;
        filter =
          path: _: builtins.any (w: path == w || hasPrefix "${w}/" path || hasPrefix "${path}/" w) wanted;
      };
  };
}
