//! `kernels/build.json`: the one place that names the flags, architectures and families of the kernels.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The content of `kernels/build.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Compute capabilities without the point: 90 is sm_90.
    pub architectures: Vec<u32>,
    /// Flags of nvcc for every family.
    pub flags: Vec<String>,
    /// Per family, its translation units by path from `kernels/`.
    pub families: BTreeMap<String, Vec<String>>,
}

impl Recipe {
    /// Reads `kernels/build.json` under `root`.
    pub fn read(root: &Path) -> Result<Self, String> {
        let path = root.join("kernels/build.json");
        let text = fs::read_to_string(&path)
            .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let recipe: Self =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        for (family, units) in &recipe.families {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if family.is_empty() || !family.chars().all(plain) {
                return Err(format!(
                    "kernels/build.json: expected a family of lowercase letters, digits and _, found {family:?}"
                ));
            }
            if units.is_empty() {
                return Err(format!(
                    "kernels/build.json: expected at least one translation unit in {family}, found none"
                ));
            }
        }
        if recipe.architectures.is_empty() {
            return Err(
                "kernels/build.json: expected at least one architecture, found none".to_owned(),
            );
        }
        Ok(recipe)
    }

    /// The recipe of the same images for `architectures` (`sm_90`) alone.
    ///
    /// # Errors
    /// If there are none, one twice, or one that the recipe has not.
    pub fn only(&self, architectures: &[String]) -> Result<Self, String> {
        let known = self.architecture_names();
        let mut kept: Vec<u32> = Vec::new();
        for name in architectures {
            let place = known.iter().position(|known| known == name);
            match place.and_then(|place| self.architectures.get(place)) {
                Some(found) if !kept.contains(found) => kept.push(*found),
                Some(_) => {
                    return Err(format!(
                        "expected every architecture once, found {name} twice"
                    ));
                }
                None => {
                    return Err(format!(
                        "expected an architecture of kernels/build.json ({}), found {name:?}",
                        known.join(", ")
                    ));
                }
            }
        }
        if kept.is_empty() {
            return Err("expected at least one architecture, found none".to_owned());
        }
        Ok(Self {
            architectures: kept,
            ..self.clone()
        })
    }

    /// The names of the architectures: `sm_90`.
    pub fn architecture_names(&self) -> Vec<String> {
        self.architectures
            .iter()
            .map(|a| format!("sm_{a}"))
            .collect()
    }

    /// The translation units of `family`.
    pub fn units(&self, family: &str) -> &[String] {
        self.families
            .get(family)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The arguments of nvcc that make the image of `family`, but for `-ccbin`. The file names are relative: nvcc runs
    /// where the amalgam lies. Code is generated for the listed architectures alone and never PTX, so that a device
    /// without its image is refused instead of running what its driver compiled.
    pub fn arguments(&self, family: &str) -> Vec<String> {
        let code = |a: &u32| format!("-gencode=arch=compute_{a},code=sm_{a}");
        let files = [
            "--fatbin".to_owned(),
            format!("{family}.cu"),
            "-o".to_owned(),
            format!("{family}.fatbin"),
        ];
        let flags = self.flags.iter().cloned();
        flags
            .chain(self.architectures.iter().map(code))
            .chain(files)
            .collect()
    }
}
