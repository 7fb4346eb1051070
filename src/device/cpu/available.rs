//! How much memory the system can still give. Knows nothing of limits on this process.

/// `MemAvailable` of the text of `/proc/meminfo`, in bytes: what can be allocated without swapping, file pages that can be
/// dropped included.
pub fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read_in_bytes() {
        let text = "MemTotal:       24684092 kB\nMemAvailable:   24052488 kB\n";
        assert_eq!(available_bytes(text), Some(24_052_488 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }
}
