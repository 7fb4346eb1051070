//! The hash that Nix takes of a file tree; knows nothing of the store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The SHA-256 of the NAR of the file, link or directory at `path`, as `nix path-info --json` states it:
/// `sha256-` and base64.
///
/// A NAR (figure 5.2 of Dolstra's thesis, "The Purely Functional Software Deployment Model", 2006) is a sequence of
/// strings, each as its length in 64 bits, little-endian, and its bytes, filled up with zeros to a multiple of 8.
///
/// # Errors
/// The file system's; and a tree with anything but files, links and directories.
pub fn nar_hash(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    string(&mut hash, b"nix-archive-1");
    node(&mut hash, path)?;
    Ok(format!("sha256-{}", base64(&hash.finalize())))
}

fn node(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    string(hash, b"(");
    string(hash, b"type");
    if kind.is_symlink() {
        string(hash, b"symlink");
        string(hash, b"target");
        string(hash, fs::read_link(path)?.as_os_str().as_bytes());
    } else if kind.is_dir() {
        string(hash, b"directory");
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_vec()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            string(hash, b"entry");
            string(hash, b"(");
            string(hash, b"name");
            string(hash, &name);
            string(hash, b"node");
            node(hash, &path.join(std::ffi::OsString::from_vec(name)))?;
            string(hash, b")");
        }
    } else if kind.is_file() {
        string(hash, b"regular");
        if metadata.permissions().mode() & 0o100 != 0 {
            string(hash, b"executable");
            string(hash, b"");
        }
        string(hash, b"contents");
        contents(hash, path, metadata.len())?;
    } else {
        return Err(io::Error::other(format!(
            "{} is no file, link or directory",
            path.display()
        )));
    }
    string(hash, b")");
    Ok(())
}

fn string(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
    fill(hash, bytes.len() as u64);
}

/// A file's content as a string, without holding it all.
fn contents(hash: &mut Sha256, path: &Path, bytes: u64) -> io::Result<()> {
    hash.update(bytes.to_le_bytes());
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut read = 0;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        hash.update(chunk);
        read += count as u64;
    }
    if read != bytes {
        return Err(io::Error::other(format!(
            "{} changed while it was read",
            path.display()
        )));
    }
    fill(hash, bytes);
    Ok(())
}

fn fill(hash: &mut Sha256, bytes: u64) {
    let missing = (8 - bytes % 8) % 8;
    hash.update(&[0; 8][..missing as usize]);
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, i| {
            word << 8 | usize::from(chunk.get(i).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let place = word >> (18 - 6 * digit) & 63;
            text.push(match digit <= chunk.len() {
                true => char::from(DIGITS[place]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        let known = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, expected) in known.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
    }

    #[test]
    fn an_empty_directory_has_the_hash_that_nix_is_known_to_give_it() {
        // What fetchers of nixpkgs report when they fetched nothing.
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(
            nar_hash(directory.path()).unwrap(),
            "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="
        );
    }

    #[test]
    fn a_tree_hashes_by_names_contents_links_and_the_executable_bit_alone() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("bin")).unwrap();
        fs::write(root.join("text"), "12345678").unwrap();
        symlink("bin/run", root.join("link")).unwrap();
        fs::write(root.join("bin/run"), "#!/bin/sh\n").unwrap();
        let mode = |mode| {
            fs::set_permissions(root.join("bin/run"), fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o755);
        // By a program in another language, written from the thesis.
        let expected = "sha256-pu2wUaLOIrV4QqxyyxGuuIoChUXrRRnyH3+XyvM82J8=";
        assert_eq!(nar_hash(root).unwrap(), expected);
        mode(0o700);
        assert_eq!(nar_hash(root).unwrap(), expected);
        mode(0o644);
        assert_ne!(nar_hash(root).unwrap(), expected);
    }
}
