//! The synthetic files' digests, which configurations pin: a change of one byte on any machine shows here.

use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sparkbench::model::synth::{self, SynthReport};
use sparkbench::model::{Mix, Model, Scale};

use super::configured;

/// Writes each file of `scale` that is pinned, and gives its report to `done`; every model has its pinned mix's.
fn write_pinned(scale: Scale, dir: &Path, done: impl Fn(&Path, &SynthReport)) {
    for model in Model::ALL {
        let pins = configured(model).synthetic;
        let pins: Vec<_> = pins.iter().filter(|pin| pin.scale == scale).collect();
        assert!(pins.iter().any(|pin| pin.mix == Mix::pinned(model).name()));
        for pin in pins {
            let mix = Mix::parse(model, &pin.mix).unwrap();
            let path = dir.join(format!("{model}.{}.gguf", scale.name()));
            let plan = synth::plan(model, scale, mix, pin.seed).unwrap();
            let report = synth::write(&plan, &path, |_| ControlFlow::Continue(())).unwrap();
            done(&path, &report);
            assert_eq!((report.bytes, &report.sha256), (pin.bytes, &pin.sha256));
        }
    }
}

fn wanted_dir() -> Option<PathBuf> {
    env::var_os("SPARKBENCH_SYNTH_DIR").map(PathBuf::from)
}

#[test]
fn tiny_files_are_the_pinned_ones() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = wanted_dir().unwrap_or(scratch.path().to_owned());
    write_pinned(Scale::Tiny, &dir, |_, _| ());
}

/// Writes 38 GB, one file after the other. `SPARKBENCH_SYNTH_DIR` says where; run it with `--release`.
#[test]
#[ignore = "writes 21 GB at a time into $SPARKBENCH_SYNTH_DIR"]
fn full_size_files_are_the_pinned_ones() {
    let dir = wanted_dir().expect("SPARKBENCH_SYNTH_DIR names the folder to write into");
    let start = Instant::now();
    write_pinned(Scale::Full, &dir, |path, report| {
        fs::remove_file(path).unwrap();
        println!("{report:?} after {:.1} s", start.elapsed().as_secs_f64());
    });
}
