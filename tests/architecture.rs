//! The order of the modules, and what else `src/` keeps to, read from its text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module uses only modules to its right. `cli` and `ui` go together, as do the two binaries.
const ORDER: &[&str] = &[
    "bin",
    "main",
    "cli",
    "ui",
    "ab",
    "run",
    "report",
    "compare",
    "rebuild",
    "replay",
    "verify",
    "subject",
    "bench",
    "prompt",
    "plan",
    "measure",
    "telemetry",
    "engine",
    "reference",
    "kernels",
    "device",
    "protocol",
    "tokenizer",
    "model",
    "gguf",
    "quant",
    "result",
    "config",
    "stats",
    "build_info",
    "units",
];

/// Modules that read results must do so on any laptop: they use only these.
const READERS: &[&str] = &["report", "compare", "verify"];
const FOR_READERS: &[&str] = &["result", "config", "stats", "build_info", "units"];

/// Where the lint against `unsafe` may be lifted.
const UNSAFE: &[&str] = &["src/device/cuda/", "src/gguf/mmap.rs"];

/// A file that is longer is to be split by idea.
const LINES_MAX: usize = 450;

struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// `verify` of `src/verify/checks.rs` and of `src/verify.rs`; none for `src/lib.rs`.
    fn module(&self) -> Option<&str> {
        let name = self.path.strip_prefix("src/")?.split(['/', '.']).next()?;
        (name != "lib").then_some(name)
    }

    /// What the program consists of: without tests and what only they use.
    fn program(&self) -> &str {
        let ends = ["/tests.rs", "/sample.rs"];
        let test_only =
            self.path.contains("/tests/") || ends.iter().any(|end| self.path.ends_with(end));
        match self.text.split_once("#[cfg(test)]\nmod ") {
            _ if test_only => "",
            Some((program, _)) => program,
            None => &self.text,
        }
    }

    /// The text without comments and doc comments.
    fn code(&self) -> String {
        let code = |line: &str| match line.find("//") {
            Some(at) if !line[..at].contains('"') => line[..at].to_owned(),
            _ => line.to_owned(),
        };
        self.text.lines().map(code).collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    let read = |path: PathBuf| Source {
        path: path.strip_prefix(root).unwrap().display().to_string(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(read).collect()
}

/// The modules of this crate that a text names: `crate::x`, `sparkbench::x`, and each of `crate::{x, y::z}`.
fn modules_named_in(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for root in ["crate::", "sparkbench::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => named.extend(heads(list)),
                None => named.extend([identifier(rest)]),
            }
        }
    }
    named
}

/// The first identifier of each item of a `{…}` list whose brace has been read.
fn heads(list: &str) -> Vec<String> {
    let (mut heads, mut depth, mut item) = (Vec::new(), 1, String::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (c, depth) {
            (',', 1) | ('}', 0) => heads.push(identifier(std::mem::take(&mut item).trim())),
            _ => item.push(c),
        }
        if depth == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

#[test]
fn paths_in_every_form_are_found() {
    let code = "use crate::config::{self, Role}; use crate::{gguf, model::{Mix, synth}, quant};\nlet x = crate::ui::print(); use sparkbench::cli;";
    let named: Vec<String> = modules_named_in(code).into_iter().collect();
    assert_eq!(named, ["cli", "config", "gguf", "model", "quant", "ui"]);
}

#[test]
fn every_module_has_its_place_in_the_order() {
    for source in sources() {
        if let Some(module) = source.module() {
            assert!(
                rank(module).is_some(),
                "{}: no place for {module}",
                source.path
            );
        }
    }
}

#[test]
fn a_module_uses_only_modules_below_it() {
    let wrong: Vec<String> = sources().iter().flat_map(upward_uses).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_use_of_a_module_above_would_be_found() {
    let upward = |path: &str, text: &str| {
        upward_uses(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    };
    let reader = "src/verify/checks.rs";
    assert_eq!(
        upward(reader, "use crate::{result, stats::median};"),
        [""; 0]
    );
    assert_eq!(
        upward(reader, "use crate::device::cuda; // crate::cli"),
        ["src/verify/checks.rs: verify uses device"]
    );
    assert_eq!(
        upward("src/units.rs", "fn f() { crate::stats::median() }"),
        ["src/units.rs: units uses stats"]
    );
}

/// What a file names although its module may not use it.
fn upward_uses(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let may_use = |used: &str| {
        let below = rank(used) > rank(module);
        let readable = !READERS.contains(&module) || FOR_READERS.contains(&used);
        used == module || below && readable
    };
    modules_named_in(&source.code())
        .iter()
        .filter(|used| !may_use(used))
        .map(|used| format!("{}: {module} uses {used}", source.path))
        .collect()
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let words = [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "allow(unsafe_code)",
        "expect(unsafe_code)",
    ];
    for source in sources() {
        let allowed = UNSAFE.iter().any(|place| source.path.starts_with(place));
        let found = words.iter().find(|word| source.code().contains(**word));
        assert!(allowed || found.is_none(), "{}: {found:?}", source.path);
    }
}

#[test]
fn a_mod_file_has_no_logic() {
    for source in sources() {
        let code = source.code();
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let found = words.find(|word| ["fn", "impl", "trait", "macro_rules"].contains(word));
        let is_mod = source.path.ends_with("/mod.rs");
        assert!(!is_mod || found.is_none(), "{}: {found:?}", source.path);
    }
}

#[test]
fn only_ui_and_the_engine_write_to_the_terminal() {
    let words = ["print!(", "println!(", "stdout()", "stderr()"];
    for source in sources() {
        let allowed = matches!(source.module(), Some("ui" | "bin"));
        let found = words.iter().find(|word| source.program().contains(**word));
        assert!(allowed || found.is_none(), "{}: {found:?}", source.path);
    }
}

#[test]
fn every_module_says_in_its_first_line_what_it_is_for() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}

#[test]
fn files_are_short_enough_to_be_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.program().lines().count(), &source.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "more than {LINES_MAX} lines before the tests:\n{}",
        long.join("\n")
    );
}
