//! The protocol as its document has it, in another language.

use std::path::{Path, PathBuf};
use std::process::Command;

use sparkbench::protocol::Offer;
use sparkbench::subject::{NativeOptions, Subject, Task};

use crate::{GO_ON, options, start, task};

/// The interpreter itself, not a shim that needs a home directory; says so where there is none.
fn python() -> Option<PathBuf> {
    let output = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let output = output.ok().filter(|output| output.status.success());
    if output.is_none() {
        println!("no python3 here: the example engine is not run");
    }
    let path = String::from_utf8(output?.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

fn python_options(python: &Path) -> NativeOptions {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subject/engine.py");
    let mut options = options(python, &[script.to_str().unwrap()]);
    let shape = options.shape;
    for number in [
        shape.vocabulary,
        shape.layers,
        shape.experts,
        shape.experts_used,
    ] {
        options.arguments.push(number.to_string());
    }
    options
}

#[test]
fn an_engine_in_python_is_driven_like_any_other() {
    let Some(python) = python() else {
        return;
    };
    let mut engine = start(&python_options(&python)).unwrap();
    assert_eq!(engine.launch().name, "engine.py 1");
    let generation = engine.generate(&task(&[1000, 100], &[2])).unwrap();
    assert_eq!(generation.ids[..4], [76, 152, 304, 608]);
    let [(position, routing)] = &generation.routing[..] else {
        panic!("{:?}", generation.routing);
    };
    assert_eq!((*position, &routing[1]), (3, &vec![4, 5, 6, 7]));
    assert_eq!(generation.self_reported["language"], "python");
}

#[test]
fn a_context_that_the_engine_makes_up_lies_in_front_of_the_prompt() {
    let Some(python) = python() else {
        return;
    };
    let mut options = python_options(&python);
    options.context_filled = 100;
    let mut engine = start(&options).unwrap();
    assert!(engine.offers(Offer::Fill) && !engine.offers(Offer::Stages));
    assert_eq!(engine.stages(3, &GO_ON).unwrap(), None);
    let filled = Task {
        filled: 80,
        ..task(&[3, 4], &[2])
    };
    let generation = engine.generate(&filled).unwrap();
    // Eighty tokens of id 1, and the two of the prompt.
    assert_eq!(generation.ids[..3], [87, 174, 348]);
    let positions: Vec<u32> = generation.routing.iter().map(|token| token.0).collect();
    assert_eq!(positions, [83]);
    let mut too_long = start(&python_options(&python)).unwrap();
    let error = too_long.generate(&filled).unwrap_err();
    assert_eq!(error.name(), "refused");
}

#[test]
fn an_engine_s_refusal_reaches_the_harness_with_its_hint() {
    let Some(python) = python() else {
        return;
    };
    let mut engine = start(&python_options(&python)).unwrap();
    let error = engine.generate(&task(&[1; 65], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the engine refuses a prefill: expected at most 64 tokens in the context"
    );
    assert_eq!(error.hint().unwrap(), "ask for a longer context");
}
