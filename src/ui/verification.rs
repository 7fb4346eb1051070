//! What `verify` found, file by file: failures first, then what could not be checked, then what held.

use crate::verify::{CheckOutcome, Report, Status};

use super::style::Tone;
use super::table::{Side, Table};

/// All reports, and a sum where there are several.
pub fn render(reports: &[Report]) -> String {
    let mut parts: Vec<String> = reports.iter().map(render_file).collect();
    if reports.len() > 1 {
        let verified = reports.iter().filter(|report| report.verified).count();
        parts.push(format!("{verified} of {} files verify", reports.len()));
    }
    parts.join("\n\n") + "\n"
}

fn render_file(report: &Report) -> String {
    let (verdict, tone) = match report.verified {
        true => ("verified", Tone::Good),
        false => ("not verified", Tone::Bad),
    };
    let level = match (report.level.value(), report.verified) {
        (Some(level), true) => format!("level {level}"),
        (Some(level), false) => format!("holds to level {level}"),
        (None, _) => "no level holds".to_owned(),
    };
    let evidence = match report.pinned {
        true => "pinned evidence".to_owned(),
        false => Tone::Warning.paint("no pinned evidence"),
    };
    let counts = [
        (report.passed, "passed"),
        (report.failed, "failed"),
        (report.allowed, "allowed"),
        (report.skipped, "skipped"),
    ];
    let counts = counts
        .iter()
        .filter(|(count, word)| *count > 0 || *word != "allowed")
        .map(|(count, word)| format!("{count} {word}"))
        .collect::<Vec<_>>()
        .join(", ");
    let heading = format!(
        "{}: {}, {level}, {evidence} ({counts})",
        report.file,
        tone.paint(verdict),
    );
    let mut table = Table::new(&[("", Side::Left), ("", Side::Left), ("", Side::Left)]);
    for (status, word, tone) in [
        (Status::Fail, "failed", Tone::Bad),
        (Status::Allowed, "allowed", Tone::Warning),
        (Status::Skipped, "skipped", Tone::Warning),
    ] {
        for check in with_status(report, status) {
            table.toned_row([
                (format!("  {word}"), tone),
                (check.name.to_owned(), Tone::Plain),
                (check.details.join("\n"), Tone::Plain),
            ]);
        }
    }
    for command in &report.rebuilt_by {
        table.toned_row([
            ("  rebuilt".to_owned(), Tone::Plain),
            ("by".to_owned(), Tone::Plain),
            (command.clone(), Tone::Plain),
        ]);
    }
    for run in &report.replayed {
        table.toned_row([
            ("  replayed".to_owned(), Tone::Plain),
            ("run".to_owned(), Tone::Plain),
            (run.clone(), Tone::Plain),
        ]);
    }
    let mut levels: Vec<u8> = report.checks.iter().map(|check| check.level).collect();
    levels.sort_unstable();
    levels.dedup();
    for level in levels {
        let names: Vec<&str> = with_status(report, Status::Pass)
            .filter(|check| check.level == level)
            .map(|check| check.name)
            .collect();
        if !names.is_empty() {
            table.toned_row([
                ("  passed".to_owned(), Tone::Good),
                (format!("level {level}"), Tone::Plain),
                (names.join(", "), Tone::Plain),
            ]);
        }
    }
    format!("{heading}\n{}", table.render())
}

fn with_status(report: &Report, status: Status) -> impl Iterator<Item = &CheckOutcome> {
    report
        .checks
        .iter()
        .filter(move |check| check.status == status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Reading;

    fn check(name: &'static str, level: u8, status: Status, details: &[&str]) -> CheckOutcome {
        CheckOutcome {
            name,
            level,
            status,
            details: details.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    fn report(file: &str, checks: Vec<CheckOutcome>) -> Report {
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        Report {
            file: file.to_owned(),
            verified: count(Status::Fail) == 0,
            level: match count(Status::Fail) {
                0 => Reading::of(2),
                _ => Reading::of(1),
            },
            pinned: count(Status::Fail) + count(Status::Allowed) == 0,
            passed: count(Status::Pass),
            failed: count(Status::Fail),
            allowed: count(Status::Allowed),
            rebuilt_by: Vec::new(),
            replayed: Vec::new(),
            skipped: count(Status::Skipped),
            checks,
        }
    }

    #[test]
    fn failures_come_first_and_every_check_is_named() {
        let good = report(
            "results/good.json",
            vec![
                check("file.parse", 0, Status::Pass, &[]),
                check("derived.median_ns", 2, Status::Pass, &[]),
            ],
        );
        let bad = report(
            "results/bad.json",
            vec![
                check("file.parse", 0, Status::Pass, &[]),
                check(
                    "provenance.git",
                    1,
                    Status::Skipped,
                    &["no checkout was given (--git DIR)"],
                ),
                check(
                    "derived.median_ns",
                    2,
                    Status::Fail,
                    &[
                        "cases[0] (memory/read): expected 686800, found 600000",
                        "cases[3] (memory/copy): expected 1, found 2",
                    ],
                ),
                check("physics.bandwidth", 2, Status::Pass, &[]),
            ],
        );
        let good = Report {
            rebuilt_by: vec!["nix build --no-link --json 'git+file:///src?rev=c0ffee#packages.x86_64-linux.sparkbench'".to_owned()],
            ..good
        };
        let allowed = report(
            "results/development.json",
            vec![
                check("file.parse", 0, Status::Pass, &[]),
                check(
                    "provenance.clean",
                    1,
                    Status::Allowed,
                    &["the program was built from a working copy with uncommitted changes"],
                ),
            ],
        );
        let text = anstream::adapter::strip_str(&render(&[good, bad, allowed])).to_string();
        insta::assert_snapshot!(text);
    }
}
