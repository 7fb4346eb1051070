//! The digest of all sources that determine the binary, taken by walking directories, so that it needs no git.

use std::fs;
use std::path::Path;

use super::digest::sha256_hex;
pub use super::record::DETERMINING;

/// SHA-256 over one `<sha256>  <path>\n` line per file, sorted by path. Hidden files do not count.
pub fn source_digest(root: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    for name in DETERMINING {
        if root.join(name).exists() {
            collect(root, name, &mut files)?;
        }
    }
    files.sort();
    let mut list = String::new();
    for path in files {
        let bytes = fs::read(root.join(&path)).map_err(|e| format!("cannot read {path}: {e}"))?;
        list.push_str(&format!("{}  {path}\n", sha256_hex(&bytes)));
    }
    Ok(sha256_hex(list.as_bytes()))
}

fn collect(root: &Path, path: &str, files: &mut Vec<String>) -> Result<(), String> {
    let absolute = root.join(path);
    if !absolute.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |e: std::io::Error| format!("cannot read directory {path}: {e}");
    for entry in fs::read_dir(&absolute).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| format!("{path}: {name:?} is not UTF-8"))?;
        if !name.starts_with('.') {
            collect(root, &format!("{path}/{name}"), files)?;
        }
    }
    Ok(())
}
