//! Where the driver's libraries lie, and which file was loaded. Knows nothing of what they do.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::build_info::hex;
use crate::result::{Reading, SharedLibrary};

/// Where distributions put the NVIDIA driver's libraries, in the order of search. Absolute paths come first, so that a
/// library put in the loader's way by `LD_LIBRARY_PATH` is not taken for the driver's.
const DIRECTORIES: &[&str] = &[
    "/run/opengl-driver/lib",
    "/usr/lib/wsl/lib",
    #[cfg(target_arch = "x86_64")]
    "/usr/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu/nvidia",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu/tegra",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib",
];

/// The paths to try for `file`, e.g. `libcuda.so.1`: those that exist, then the bare name, which leaves the search to
/// the loader.
pub fn candidates(file: &str) -> Vec<PathBuf> {
    candidates_in(DIRECTORIES.iter().map(Path::new), file)
}

fn candidates_in<'a>(directories: impl Iterator<Item = &'a Path>, file: &str) -> Vec<PathBuf> {
    directories
        .map(|directory| directory.join(file))
        .filter(|path| path.exists())
        .chain([PathBuf::from(file)])
        .collect()
}

/// The library `name` (e.g. `libcuda.so`) as this process has it mapped, and its digest.
pub fn loaded(name: &str) -> Reading<SharedLibrary> {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return Reading::missing("/proc/self/maps cannot be read");
    };
    let Some(path) = mapped_paths(&maps, name).next() else {
        return Reading::missing(format!("{name} is not loaded"));
    };
    Reading::from_result(sha256_of(Path::new(path)).map(|sha256| SharedLibrary {
        path: path.to_owned(),
        sha256,
    }))
}

/// Whether `name` is mapped from one file and no other.
pub fn is_loaded_once(name: &str) -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| {
        let mut paths = mapped_paths(&maps, name);
        let first = paths.next();
        first.is_some() && paths.all(|path| Some(path) == first)
    })
}

/// The paths of the mappings in `/proc/PID/maps` whose file names begin with `name`.
fn mapped_paths<'a>(maps: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    maps.lines()
        .filter_map(|line| line.find('/').and_then(|at| line.get(at..)))
        .filter(move |path| {
            path.rsplit('/')
                .next()
                .is_some_and(|file| file.starts_with(name))
        })
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut block)?;
        match block.get(..read) {
            None | Some([]) => break,
            Some(bytes) => digest.update(bytes),
        }
    }
    Ok(hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_files_come_in_order_and_the_bare_name_last() {
        let [first, second, empty] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        for directory in [&first, &second] {
            std::fs::write(directory.path().join("libx.so.1"), "").unwrap();
        }
        let directories = [second.path(), empty.path(), first.path()];
        assert_eq!(
            candidates_in(directories.into_iter(), "libx.so.1"),
            [
                second.path().join("libx.so.1"),
                first.path().join("libx.so.1"),
                "libx.so.1".into()
            ]
        );
    }

    #[test]
    fn a_mapped_library_is_found_by_the_begin_of_its_file_name() {
        let maps = "\
55d0c0000000-55d0c0001000 r--p 00000000 08:01 131 /usr/bin/libcuda-like
7f0000000000-7f0000001000 r-xp 00000000 00:00 0 \n\
7f1000000000-7f1000200000 r--p 00000000 08:01 977 /usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04
7f1000200000-7f1000400000 r-xp 00200000 08:01 977 /usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
";
        assert_eq!(
            mapped_paths(maps, "libcuda.so").next(),
            Some("/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04")
        );
        assert_eq!(mapped_paths(maps, "libnvidia-ml.so").next(), None);
    }

    #[test]
    fn a_loaded_library_has_path_and_digest_and_others_a_reason() {
        let libc = loaded("libc.so");
        let libc = libc.value().expect("this program is linked to libc");
        assert!(libc.path.starts_with('/'));
        assert_eq!(libc.sha256.len(), 64);
        assert_eq!(
            loaded("libabsent.so").reason(),
            Some("libabsent.so is not loaded")
        );
    }

    #[test]
    fn a_library_that_is_mapped_is_loaded_once() {
        assert!(is_loaded_once("libc.so"));
        assert!(!is_loaded_once("libabsent.so"));
    }

    #[test]
    fn the_digest_of_a_file_is_its_sha256() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        // FIPS 180-4, appendix B.1.
        assert_eq!(
            sha256_of(file.path()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
