//! What the compiler made of the kernels, as the disassembler beside nvcc shows it. Without one these tests say so and pass.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use sparkbench::build_info;

use super::build::toolchain::find_nvcc;

/// A kernel of an architecture, counted.
#[derive(Debug, Default)]
struct Code {
    /// Loads of 16 bytes to registers in front of the wait for the previous grid.
    early_loads: usize,
    /// Copies to shared memory in front of it.
    early_copies: usize,
    /// Whether there is such a wait, and not only that of blocks without work, which end behind theirs.
    waits: bool,
    /// Whether the operation in front was a wait.
    has_waited: bool,
    /// Loads and stores whose kind of memory the compiler did not know.
    generic: usize,
}

impl Code {
    fn count(&mut self, opcode: &str) {
        let operation = opcode.split('.').next().unwrap_or("");
        // The second half of an encoding has a line of its own.
        if operation.is_empty() {
            return;
        }
        if self.has_waited && operation != "EXIT" {
            self.waits = true;
        }
        self.has_waited = operation == "ACQBULK";
        match operation {
            "LDG" if opcode.contains(".128") && !self.waits => self.early_loads += 1,
            "LDGSTS" if !self.waits => self.early_copies += 1,
            "LD" | "ST" => self.generic += 1,
            _ => {}
        }
    }
}

/// By architecture and name.
type Kernels = BTreeMap<(String, String), Code>;

/// The kernels of family `decode`, or nothing; taken apart once for all tests.
fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS.get_or_init(disassembled).as_ref()
}

/// As [`kernels`]; prints a line where there are none.
fn disassembled() -> Option<Kernels> {
    let images = build_info::images().unwrap();
    let Some(image) = images.iter().find(|image| image.family == "decode") else {
        println!("skipped: no kernel images in this build");
        return None;
    };
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let nvcc = find_nvcc(&variable).unwrap();
    let tool = nvcc.map(|nvcc| nvcc.with_file_name("cuobjdump"));
    let Some(tool) = tool.filter(|tool| tool.is_file()) else {
        println!("skipped: no cuobjdump beside nvcc (NVCC, CUDA_HOME, CUDA_PATH, PATH)");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decode.fatbin");
    fs::write(&path, image.bytes).unwrap();
    let output = Command::new(tool).arg("-sass").arg(&path).output().unwrap();
    assert!(output.status.success());
    let (mut kernels, mut architecture, mut name) = (Kernels::new(), "", "");
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines().map(str::trim) {
        if let Some(found) = line.strip_prefix("arch = ") {
            architecture = found;
        } else if let Some(found) = line.strip_prefix("Function : ") {
            name = found;
        } else if let Some((_, code)) = line.split_once("*/") {
            // Address, perhaps a predicate, operation.
            let mut words = code.split_whitespace();
            let opcode = words.find(|word| !word.starts_with('@')).unwrap_or("");
            let key = (architecture.to_owned(), name.to_owned());
            kernels
                .entry(key)
                .or_default()
                .count(opcode.trim_end_matches(';'));
        }
    }
    Some(kernels)
}

/// The assembler moves a wait in front of the loads above it unless a branch lies between; then nothing is prefetched, and
/// nothing else shows it.
#[test]
fn weights_are_loaded_before_the_wait_for_the_previous_grid() {
    let Some(kernels) = kernels() else { return };
    let mut seen = 0;
    for ((architecture, name), code) in kernels {
        let early = match name.as_str() {
            "project" | "project_k" | "head" | "head_k" => code.early_copies,
            name if name.starts_with("delta_step") => code.early_loads,
            name if name.starts_with("attention_") && name != "attention_combine" => {
                code.early_copies
            }
            _ => continue,
        };
        assert!(code.waits && early > 0, "{architecture} {name}: {code:?}");
        seen += 1;
    }
    // Four architectures, four kernels of rows, four delta steps, sixteen attentions.
    assert_eq!(seen, 4 * (4 + 4 + 16));
}

/// A generic load asks where its address lies, every time.
#[test]
fn the_compiler_knows_where_every_address_lies() {
    let Some(kernels) = kernels() else { return };
    for ((architecture, name), code) in kernels {
        // It runs once a token.
        let excepted = name == "next_token";
        assert!(
            excepted || code.generic == 0,
            "{architecture} {name}: {code:?}"
        );
    }
}
