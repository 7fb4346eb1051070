# The few phases of nixpkgs' stdenv that ../ relies on.
set -euo pipefail
export HOME=/homeless-shelter SOURCE_DATE_EPOCH=315532800 TZ=UTC LC_ALL=C
cd "${NIX_BUILD_TOP:?}"

runHook() { if [ -n "${!1-}" ]; then eval "${!1}"; fi; }

if [ -z "${dontUnpack-}" ]; then
  cp -r "$src" source
  chmod -R u+w source
  cd "${sourceRoot:-source}"
  runHook postPatch
fi
for phase in configure build install; do
  skip=dont${phase^} body=${phase}Phase
  if [ -z "${!skip-}" ]; then
    echo "airgap: $body"
    runHook "$body"
  fi
done
