//! The exit codes, part of the interface: scripts may depend on them.

/// How the program ends. Never 101 (a Rust panic) and nothing from 126 on but the two signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: what was asked for is done.
    Done,
    /// 1: a bug in this program, or something of the machine that no other code names.
    Unexpected,
    /// 2: the command line, a configuration or a model file is wrong.
    Usage,
    /// 3: a result does not verify.
    NotVerified,
    /// 4: the device, its driver, its kernel images or what builds them are unavailable.
    Device,
    /// 5: a kernel's output differs from the reference.
    WrongNumbers,
    /// 6: a measurement is invalid.
    InvalidMeasurement,
    /// 7: a comparison crossed its threshold.
    Threshold,
    /// 8: results cannot be written, or memory ran out.
    Output,
    /// 130: interrupted by SIGINT; what was measured is in a result marked so.
    Interrupted,
    /// 143: ended by SIGTERM; what was measured is in a result marked so.
    Terminated,
}

impl Exit {
    /// Every code, in the order of `--help`.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::NotVerified,
        Self::Device,
        Self::WrongNumbers,
        Self::InvalidMeasurement,
        Self::Threshold,
        Self::Output,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotVerified => 3,
            Self::Device => 4,
            Self::WrongNumbers => 5,
            Self::InvalidMeasurement => 6,
            Self::Threshold => 7,
            Self::Output => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, for `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unexpected => "unexpected: a bug, or the machine failed",
            Self::Usage => "wrong command line, configuration or model file",
            Self::NotVerified => "a result does not verify",
            Self::Device => "device, driver, kernel images or what builds them unavailable",
            Self::WrongNumbers => "a kernel's output differs from the reference",
            Self::InvalidMeasurement => "a measurement is invalid",
            Self::Threshold => "a comparison crossed its threshold",
            Self::Output => "results cannot be written, or out of memory",
            Self::Interrupted => "interrupted (SIGINT); the result is marked so",
            Self::Terminated => "terminated (SIGTERM); the result is marked so",
        }
    }

    /// The table that `--help` ends with.
    pub fn help() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_none_is_a_panic_or_a_shell_code() {
        let codes = Exit::ALL.map(Exit::code);
        let distinct: std::collections::BTreeSet<u8> = codes.into_iter().collect();
        assert_eq!(distinct.len(), codes.len());
        assert!(codes.iter().all(|c| *c < 101 || [130, 143].contains(c)));
    }

    #[test]
    fn the_readme_lists_them() {
        let readme = include_str!("../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(readme.contains(&row), "{row}");
        }
    }
}
