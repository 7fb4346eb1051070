//! Images that were built apart, in `SPARKBENCH_KERNELS_DIR`: accepted if they are those of the present sources.

use std::fs;
use std::path::Path;

use super::amalgam::amalgamate;
use super::code_digest::code_digests;
use super::compile::check;
use super::digest::sha256_hex;
use super::manifest::ImageManifest;
use super::recipe::Recipe;

/// Reads `<family>.fatbin` and `<family>.json` of every family from `directory`, as [`build_image`] writes them, and
/// copies the image to `out`. An image may have code for some of the recipe's architectures alone.
///
/// [`build_image`]: super::compile::build_image
///
/// # Errors
/// If one is missing, or is not what `kernels/` and its recipe in `root` describe.
pub fn take_image(
    root: &Path,
    recipe: &Recipe,
    family: &str,
    directory: &Path,
    out: &Path,
) -> Result<ImageManifest, String> {
    let read = |name: &str| {
        let path = directory.join(name);
        fs::read(&path).map_err(|e| {
            format!(
                "SPARKBENCH_KERNELS_DIR: cannot read {}: {e}",
                path.display()
            )
        })
    };
    let image = read(&format!("{family}.fatbin"))?;
    let manifest: ImageManifest = serde_json::from_slice(&read(&format!("{family}.json"))?)
        .map_err(|e| format!("SPARKBENCH_KERNELS_DIR: {family}.json: {e}"))?;

    let recipe = recipe
        .only(&manifest.architectures)
        .map_err(|e| format!("SPARKBENCH_KERNELS_DIR: {family}.json: {e}"))?;
    let amalgam = amalgamate(root, recipe.units(family))?;
    let code = code_digests(&image)
        .map_err(|e| format!("SPARKBENCH_KERNELS_DIR: {family}.fatbin: {e}"))?;
    let agreements = [
        ("family", manifest.family == family),
        ("sources", manifest.sources == amalgam.sources),
        (
            "amalgam_sha256",
            manifest.amalgam_sha256 == sha256_hex(amalgam.text.as_bytes()),
        ),
        ("image_sha256", manifest.image_sha256 == sha256_hex(&image)),
        ("image_bytes", manifest.image_bytes == image.len() as u64),
        ("arguments", manifest.arguments == recipe.arguments(family)),
        ("code_sha256", manifest.code_sha256 == code),
    ];
    if let Some((field, _)) = agreements.iter().find(|(_, agrees)| !agrees) {
        return Err(format!(
            "SPARKBENCH_KERNELS_DIR: {field} in {family}.json is not that of the image and of the sources in kernels/"
        ));
    }
    check(&manifest)?;
    let copy = out.join(format!("{family}.fatbin"));
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&copy, &image))
        .map_err(|e| format!("cannot write {}: {e}", copy.display()))?;
    Ok(manifest)
}
