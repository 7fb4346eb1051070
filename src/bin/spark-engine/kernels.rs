//! `spark-engine kernels`: hands over the images; the harness loads, launches, times and checks them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sparkbench::build_info::{self, EmbeddedImage, ImageManifest};

use super::error::CommandError;

#[derive(clap::Args)]
pub struct KernelsArguments {
    /// Also write each image and its manifest to DIR, as <family>.fatbin and <family>.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What `spark-engine kernels` prints.
#[derive(Serialize)]
struct Handover {
    format: &'static str,
    version: &'static str,
    source_sha256: &'static str,
    images: BTreeMap<&'static str, &'static ImageManifest>,
}

pub fn kernels(arguments: &KernelsArguments) -> Result<(), CommandError> {
    let build = build_info::build()?;
    if let Some(reason) = &build.images_reason {
        return Err(CommandError::NoImages { reason });
    }
    let own: Vec<EmbeddedImage> = build_info::images()?
        .iter()
        .copied()
        .filter(|image| !image.is_ruler())
        .collect();
    if let Some(directory) = &arguments.out {
        write_images(&own, directory)?;
    }
    let handover = Handover {
        format: "sparkbench.kernels/1",
        version: &build.version,
        source_sha256: &build.source_sha256,
        images: own
            .iter()
            .map(|image| (image.family, image.manifest))
            .collect(),
    };
    let json = serde_json::to_string_pretty(&handover)?;
    writeln!(io::stdout().lock(), "{json}").map_err(CommandError::Print)
}

fn write_images(images: &[EmbeddedImage], directory: &Path) -> Result<(), CommandError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |cause| CommandError::Write { path, cause }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    for image in images {
        let path = directory.join(format!("{}.fatbin", image.family));
        fs::write(&path, image.bytes).map_err(failed(&path))?;
        let path = directory.join(format!("{}.json", image.family));
        let manifest = serde_json::to_string_pretty(image.manifest)? + "\n";
        fs::write(&path, manifest).map_err(failed(&path))?;
    }
    Ok(())
}
