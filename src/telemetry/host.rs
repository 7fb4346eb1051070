//! Facts about the host, read once from the kernel's files. Knows nothing of GPUs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::cpu_model::{cpu_model, under_hypervisor};
use crate::result::{HostRecord, Reading};

/// The host as it is now.
pub fn host() -> HostRecord {
    let system = rustix::system::uname();
    let memory = rustix::system::sysinfo();
    let files = Files::new("/");
    HostRecord {
        name: files.host_name(),
        os: files.os(),
        kernel: system.release().to_string_lossy().into_owned(),
        architecture: system.machine().to_string_lossy().into_owned(),
        cpu_model: files.cpu_model(),
        logical_cpus: logical_cpus(),
        cache_bytes: files.cache_bytes(),
        memory_bytes: memory.totalram * u64::from(memory.mem_unit),
        governor: files.governor(),
        virtualised: files.virtualised(),
        load_average: files.load_average(),
    }
}

/// All last-level caches together, in bytes: what a rotation over inputs must exceed when every core takes part.
pub fn cache_total_bytes() -> Reading<u64> {
    Files::new("/").cache_total_bytes()
}

/// Logical processors that this process may run on: its affinity, which a cpuset limits too.
fn logical_cpus() -> u64 {
    let affinity = rustix::thread::sched_getaffinity(None).map(|set| u64::from(set.count()));
    // The affinity mask of the call has room for 1024 processors; a larger machine refuses it.
    affinity.unwrap_or_else(|_| {
        std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
    })
}

/// The kernel's files below a root, which is `/` but in tests.
struct Files {
    root: PathBuf,
}

impl Files {
    fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The trimmed text of `path`, or why it cannot be read.
    fn text(&self, path: &str) -> Result<String, String> {
        let text = fs::read_to_string(self.root.join(path));
        text.map(|text| text.trim_end().to_owned())
            .map_err(|error| format!("/{path}: {error}"))
    }

    /// What `parse` finds in `path`, or why there is nothing.
    fn parsed<T>(&self, path: &str, parse: impl FnOnce(&str) -> Option<T>) -> Reading<T> {
        Reading::from_result(self.text(path).and_then(|text| {
            parse(&text).ok_or_else(|| format!("/{path} has another form than expected"))
        }))
    }

    fn host_name(&self) -> Reading<String> {
        self.parsed("proc/sys/kernel/hostname", non_empty)
    }

    fn os(&self) -> Reading<String> {
        let etc = self.parsed("etc/os-release", pretty_name);
        if etc.value().is_some() {
            return etc;
        }
        self.parsed("usr/lib/os-release", pretty_name)
    }

    fn cpu_model(&self) -> Reading<String> {
        self.parsed("proc/cpuinfo", cpu_model)
    }

    fn governor(&self) -> Reading<String> {
        self.parsed(
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            non_empty,
        )
    }

    fn virtualised(&self) -> Reading<bool> {
        let flag = self
            .text("proc/cpuinfo")
            .ok()
            .and_then(|text| under_hypervisor(&text));
        let hypervisor = self.root.join("sys/hypervisor/type").exists()
            || self.root.join("proc/device-tree/hypervisor").exists();
        match (flag, hypervisor) {
            (_, true) => Reading::of(true),
            (Some(flag), false) => Reading::of(flag),
            (None, false) => Reading::missing("this processor has no flag that tells"),
        }
    }

    fn load_average(&self) -> Reading<f64> {
        self.parsed("proc/loadavg", load_average)
    }

    fn cache_bytes(&self) -> Reading<u64> {
        let largest = self.caches().iter().map(|cache| cache.bytes).max();
        Reading::from_option(largest, NO_CACHES)
    }

    fn cache_total_bytes(&self) -> Reading<u64> {
        let caches = self.caches();
        let last = caches.iter().map(|cache| cache.level).max();
        let total = last.map(|last| {
            caches
                .iter()
                .filter(|cache| cache.level == last)
                .map(|cache| cache.bytes)
                .sum()
        });
        Reading::from_option(total, NO_CACHES)
    }

    /// The caches of all processors, a shared one once.
    fn caches(&self) -> BTreeSet<Cache> {
        let cpus = self.root.join("sys/devices/system/cpu");
        numbered(&cpus, "cpu")
            .flat_map(|cpu| numbered(&cpu.join("cache"), "index"))
            .filter_map(|directory| cache(&directory))
            .collect()
    }
}

const NO_CACHES: &str = "/sys/devices/system/cpu lists no caches";

/// A data or unified cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cache {
    level: u64,
    bytes: u64,
    shared_by: String,
}

fn cache(directory: &Path) -> Option<Cache> {
    let text = |name: &str| fs::read_to_string(directory.join(name)).ok();
    if text("type")?.trim() == "Instruction" {
        return None;
    }
    Some(Cache {
        level: text("level")?.trim().parse().ok()?,
        bytes: size(&text("size")?)?,
        shared_by: text("shared_cpu_list")?.trim().to_owned(),
    })
}

/// The directories `prefix0`, `prefix1`, ... in `directory`.
fn numbered(directory: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(move |path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix(prefix));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// A size as the kernel writes it, e.g. `32768K` (1 K = 1024 bytes).
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = match text.strip_suffix('K') {
        Some(number) => (number, 1 << 10),
        None => match text.strip_suffix('M') {
            Some(number) => (number, 1 << 20),
            None => (text, 1),
        },
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `PRETTY_NAME` of an os-release file, without its quotes.
fn pretty_name(text: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    non_empty(value.trim().trim_matches(['"', '\'']))
}

/// The one-minute load average of `/proc/loadavg`.
fn load_average(text: &str) -> Option<f64> {
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    load.is_finite().then_some(load)
}

fn non_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root directory with `files`.
    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = Files::new(root.path());
        (root, files)
    }

    fn caches(list: &[(u32, u32, &str, &str, &str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .flat_map(|(cpu, index, level, kind, size, shared)| {
                let at = format!("sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
                [
                    ("level", level),
                    ("type", kind),
                    ("size", size),
                    ("shared_cpu_list", shared),
                ]
                .map(|(name, text)| (format!("{at}/{name}"), format!("{text}\n")))
            })
            .collect()
    }

    #[test]
    fn this_host_answers() {
        let host = host();
        assert!(host.logical_cpus >= 1);
        assert!(host.memory_bytes > 100 << 20);
        assert!(!host.kernel.is_empty() && !host.architecture.is_empty());
        assert!(host.load_average.is_well_formed() && host.governor.is_well_formed());
    }

    #[test]
    fn a_host_without_any_file_gives_a_reason_for_each_fact() {
        let (_root, files) = root(&[]);
        assert_eq!(
            files.host_name().reason(),
            Some("/proc/sys/kernel/hostname: No such file or directory (os error 2)")
        );
        assert!(files.os().reason().is_some());
        assert!(files.cpu_model().reason().is_some());
        assert!(files.governor().reason().is_some());
        assert!(files.virtualised().reason().is_some());
        assert!(files.load_average().reason().is_some());
        assert_eq!(files.cache_bytes().reason(), Some(NO_CACHES));
        assert_eq!(files.cache_total_bytes().reason(), Some(NO_CACHES));
    }

    #[test]
    fn facts_are_read_from_their_files() {
        let (_root, files) = root(&[
            ("proc/sys/kernel/hostname", "rig\n"),
            (
                "etc/os-release",
                "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            ),
            ("proc/loadavg", "0.42 0.30 0.25 1/123 4567\n"),
            (
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                "performance\n",
            ),
            ("sys/hypervisor/type", "xen\n"),
        ]);
        assert_eq!(files.host_name(), Reading::of("rig".into()));
        assert_eq!(
            files.os(),
            Reading::of("Debian GNU/Linux 12 (bookworm)".into())
        );
        assert_eq!(files.load_average(), Reading::of(0.42));
        assert_eq!(files.governor(), Reading::of("performance".into()));
        assert_eq!(files.virtualised(), Reading::of(true));
    }

    #[test]
    fn a_shared_cache_counts_once_and_an_instruction_cache_never() {
        let list = caches(&[
            (0, 0, "1", "Data", "48K", "0"),
            (0, 1, "1", "Instruction", "64M", "0"),
            (0, 3, "3", "Unified", "32768K", "0-1"),
            (1, 3, "3", "Unified", "32768K", "0-1"),
            (2, 3, "3", "Unified", "96M", "2-3"),
        ]);
        let list: Vec<(&str, &str)> = list
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let (_root, files) = root(&list);
        assert_eq!(files.cache_bytes(), Reading::of(96 << 20));
        assert_eq!(files.cache_total_bytes(), Reading::of(128 << 20));
    }

    #[test]
    fn malformed_texts_are_told_from_absent_files() {
        let (_root, files) = root(&[("proc/loadavg", "nan 1 2"), ("etc/os-release", "ID=x\n")]);
        assert_eq!(
            files.load_average().reason(),
            Some("/proc/loadavg has another form than expected")
        );
        assert_eq!(
            [size("12K"), size("3M"), size("7"), size("K")],
            [Some(12_288), Some(3 << 20), Some(7), None]
        );
    }
}
