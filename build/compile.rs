//! Sources of a family to its image, by one nvcc run that is not repeated while nothing that it read has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use super::amalgam::{Amalgam, amalgamate};
use super::code_digest::code_digests;
use super::digest::sha256_hex;
use super::manifest::ImageManifest;
use super::ptxas;
use super::recipe::Recipe;
use super::toolchain::Toolchain;

type Handle<'a> = ScopedJoinHandle<'a, Result<ImageManifest, String>>;

/// Makes the images of all families, side by side: nvcc works through the architectures one by one, so a single family
/// would leave cores idle.
pub fn build_images(
    root: &Path,
    recipe: &Recipe,
    toolchain: &Toolchain,
    out: &Path,
) -> Result<BTreeMap<String, ImageManifest>, String> {
    thread::scope(|scope| {
        let compile = |family| build_image(root, recipe, family, toolchain, out);
        let running: Vec<_> = recipe
            .families
            .keys()
            .map(|family| (family, scope.spawn(move || compile(family))))
            .collect();
        let join = |(family, thread): (&String, Handle<'_>)| match thread.join() {
            Ok(result) => result.map(|manifest| (family.clone(), manifest)),
            Err(_) => Err(format!("compiling family {family} panicked")),
        };
        running.into_iter().map(join).collect()
    })
}

/// Makes `<family>.fatbin` and `<family>.json` in `out`, or keeps those that lie there if they were made from the same
/// sources with the same flags by the same compilers.
pub fn build_image(
    root: &Path,
    recipe: &Recipe,
    family: &str,
    toolchain: &Toolchain,
    out: &Path,
) -> Result<ImageManifest, String> {
    let amalgam = amalgamate(root, recipe.units(family))?;
    let key = cache_key(&amalgam, &recipe.arguments(family), toolchain);
    let key_file = out.join(format!("{family}.key"));
    if fs::read_to_string(&key_file).is_ok_and(|found| found == key)
        && let Some(manifest) = kept(family, out)
    {
        return Ok(manifest);
    }
    // An interrupted build must not leave a key to files that are not its own.
    let _ = fs::remove_file(&key_file);
    let manifest = compile(recipe, family, &amalgam, toolchain, out)?;
    write(&key_file, key.as_bytes())?;
    Ok(manifest)
}

/// Digest of everything that decides the image, and of the code that decides its manifest.
fn cache_key(amalgam: &Amalgam, arguments: &[String], toolchain: &Toolchain) -> String {
    let logic = [
        include_str!("compile.rs"),
        include_str!("ptxas.rs"),
        include_str!("../src/build_info/code_digest.rs"),
    ];
    let parts = (
        logic.map(|text| sha256_hex(text.as_bytes())),
        &amalgam.sources,
        sha256_hex(amalgam.text.as_bytes()),
        arguments,
        &toolchain.nvcc_version,
        &toolchain.host_compiler_version,
    );
    sha256_hex(format!("{parts:?}").as_bytes())
}

/// The manifest in `out`, if the image beside it is still the one that it describes.
fn kept(family: &str, out: &Path) -> Option<ImageManifest> {
    let image = fs::read(out.join(format!("{family}.fatbin"))).ok()?;
    let manifest = fs::read(out.join(format!("{family}.json"))).ok()?;
    let manifest: ImageManifest = serde_json::from_slice(&manifest).ok()?;
    (manifest.image_sha256 == sha256_hex(&image)).then_some(manifest)
}

fn compile(
    recipe: &Recipe,
    family: &str,
    amalgam: &Amalgam,
    toolchain: &Toolchain,
    out: &Path,
) -> Result<ImageManifest, String> {
    let arguments = recipe.arguments(family);
    fs::create_dir_all(out).map_err(|e| format!("cannot create {}: {e}", out.display()))?;
    write(&out.join(format!("{family}.cu")), amalgam.text.as_bytes())?;

    let run = Command::new(&toolchain.nvcc)
        .current_dir(out)
        .arg(format!("-ccbin={}", toolchain.host_compiler.display()))
        .args(&arguments)
        // Through these the compilers would read headers or programs that no manifest names.
        .env_remove("NVCC_CCBIN")
        .env_remove("CPATH")
        .env_remove("CPLUS_INCLUDE_PATH")
        .output()
        .map_err(|e| format!("cannot run {}: {e}", toolchain.nvcc.display()))?;
    let log = [run.stdout, run.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    write(&out.join(format!("{family}.log")), log.as_bytes())?;
    if !run.status.success() {
        let said = log.lines().filter(|line| {
            !line.contains("ptxas info")
                && !line.contains(" bytes stack frame")
                && !line.trim().is_empty()
        });
        let said = said.collect::<Vec<_>>().join("\n");
        return Err(format!(
            "nvcc {} failed on family {family} ({}):\n{said}",
            toolchain.nvcc_version.version, run.status
        ));
    }

    let image_path = out.join(format!("{family}.fatbin"));
    let image =
        fs::read(&image_path).map_err(|e| format!("cannot read {}: {e}", image_path.display()))?;
    let manifest = ImageManifest {
        family: family.to_owned(),
        sources: amalgam.sources.clone(),
        amalgam_sha256: sha256_hex(amalgam.text.as_bytes()),
        image_sha256: sha256_hex(&image),
        image_bytes: image.len() as u64,
        architectures: recipe.architecture_names(),
        arguments,
        nvcc: toolchain.nvcc_version.clone(),
        host_compiler: toolchain.host_compiler_version.clone(),
        code_sha256: code_digests(&image).map_err(|e| format!("image of {family}: {e}"))?,
        kernels: ptxas::parse(&log)?,
    };
    check(&manifest)?;
    let json = serde_json::to_string_pretty(&manifest).map_err(|e| e.to_string())?;
    write(
        &out.join(format!("{family}.json")),
        (json + "\n").as_bytes(),
    )?;
    Ok(manifest)
}

/// What every image must satisfy, whoever built it.
pub fn check(manifest: &ImageManifest) -> Result<(), String> {
    let family = &manifest.family;
    if let Some(spills) = ptxas::spills(&manifest.kernels) {
        return Err(format!("family {family}: {spills}"));
    }
    for (what, found) in [
        ("code", manifest.code_sha256.keys().collect::<Vec<_>>()),
        ("ptxas figures", manifest.kernels.keys().collect()),
    ] {
        let mut wanted: Vec<_> = manifest.architectures.iter().collect();
        wanted.sort();
        if found != wanted {
            return Err(format!(
                "family {family}: expected {what} for {wanted:?}, found {found:?}"
            ));
        }
    }
    // nvcc derives names of internal linkage from the directory of the build, and they name sections of the code.
    let internal = manifest
        .kernels
        .values()
        .flat_map(|kernels| kernels.keys())
        .find(|kernel| kernel.contains("_GLOBAL__N_") || kernel.contains("_INTERNAL_"));
    match internal {
        Some(kernel) => Err(format!(
            "family {family}: kernel {kernel} has internal linkage, so its code would differ between directories; \
             move it out of the anonymous namespace or drop `static`"
        )),
        None => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
