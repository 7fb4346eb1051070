//! The host's load and free memory, as they change.

use std::fs;

use crate::device::cpu::available_bytes;

/// Share of the processors' time that was not idle, since the reading before.
#[derive(Debug, Default)]
pub(super) struct HostLoad {
    before: Option<Ticks>,
}

/// Time of all processors since boot, in ticks of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    total: u64,
}

impl HostLoad {
    /// Per mille; nothing at the first reading and where no tick has passed since.
    pub(super) fn read(&mut self) -> Result<Option<u64>, String> {
        let text = read("/proc/stat")?;
        let now = ticks(&text).ok_or("/proc/stat has another form than expected")?;
        Ok(self.since(now))
    }

    fn since(&mut self, now: Ticks) -> Option<u64> {
        let before = self.before.replace(now)?;
        let total = now
            .total
            .checked_sub(before.total)
            .filter(|total| *total > 0)?;
        // The kernel may take back idle time that it had counted.
        let idle = now.idle.saturating_sub(before.idle).min(total);
        Some((total - idle) * 1000 / total)
    }
}

/// Memory that programs can still have without swapping, in bytes.
pub(super) fn memory_available() -> Result<Option<u64>, String> {
    let text = read("/proc/meminfo")?;
    let bytes = available_bytes(&text).ok_or("/proc/meminfo has another form than expected")?;
    Ok(Some(bytes))
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// The line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user already.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Option<Vec<u64>> = line
        .split_whitespace()
        .take(8)
        .map(|field| field.parse().ok())
        .collect();
    let fields = fields?;
    Some(Ticks {
        idle: fields.get(3)? + fields.get(4)?,
        total: fields.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_the_share_of_time_that_was_not_idle() {
        let before = ticks("cpu  100 0 50 800 50 0 0 0 10 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(
            before,
            Ticks {
                idle: 850,
                total: 1000
            }
        );
        let mut load = HostLoad::default();
        assert_eq!(load.since(before), None);
        assert_eq!(
            load.since(Ticks {
                idle: 1000,
                total: 1200
            }),
            Some(250)
        );
        assert_eq!(
            load.since(Ticks {
                idle: 1000,
                total: 1200
            }),
            None
        );
        assert_eq!(
            load.since(Ticks {
                idle: 990,
                total: 1300
            }),
            Some(1000)
        );
    }

    #[test]
    fn a_text_without_the_line_is_refused() {
        for text in ["", "cpu0 1 2 3 4 5", "cpu  1 2 3", "cpu  1 2 x 4 5"] {
            assert_eq!(ticks(text), None);
        }
    }

    #[test]
    fn this_host_answers() {
        assert!(
            memory_available()
                .unwrap()
                .is_some_and(|bytes| bytes > 1 << 20)
        );
        assert_eq!(HostLoad::default().read(), Ok(None));
    }
}
