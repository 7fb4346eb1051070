//! Findings about machine and program as tables: what was found, or why nothing was.

use serde::Serialize;

use crate::result::Reading;

use super::style::Tone;
use super::table::{Side, Table};

/// Findings that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    title: String,
    findings: Vec<Finding>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Finding {
    name: String,
    #[serde(flatten)]
    reading: Reading<String>,
}

impl Section {
    /// A section without findings.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding.
    pub fn add(&mut self, name: &str, reading: Reading<String>) {
        self.findings.push(Finding {
            name: name.to_owned(),
            reading,
        });
    }
}

/// All sections; a missing finding is marked `-` before its reason.
pub fn render(sections: &[Section]) -> String {
    let mut table = Table::new(&[("", Side::Left), ("", Side::Left)]);
    for section in sections {
        table.group(&section.title);
        for Finding { name, reading } in &section.findings {
            let found = match (reading.value(), reading.reason()) {
                (Some(value), _) => (value.clone(), Tone::Plain),
                (None, reason) => {
                    let reason = reason.unwrap_or("no reason given");
                    (format!("- ({reason})"), Tone::Warning)
                }
            };
            table.toned_row([(format!("  {name}"), Tone::Plain), found]);
        }
    }
    table.render() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_and_reasons_stand_side_by_side() {
        let mut driver = Section::new("driver");
        driver.add("libcuda", Reading::missing("no NVIDIA driver"));
        let mut host = Section::new("host");
        host.add("kernel", Reading::of("6.1.0".to_owned()));
        host.add("operating system", Reading::of("Debian".to_owned()));
        let text = anstream::adapter::strip_str(&render(&[driver, host])).to_string();
        insta::assert_snapshot!(text);
    }
}
