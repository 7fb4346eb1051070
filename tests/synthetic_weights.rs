//! The synthetic files' digests, which configurations pin: a change of one byte on any machine shows here.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sparkbench::model::synth::{self, SynthReport};
use sparkbench::model::{Mix, Model, Scale};

/// Model, bytes and SHA-256 of the file with the pinned mix and seed 1.
const TINY: [(Model, u64, &str); 2] = [
    (
        Model::Qwen35,
        40_680_896,
        "ecff61435da60118eb18b5dc80157d489be7e211a94f32009f165722112ad1dc",
    ),
    (
        Model::Gemma4,
        35_822_560,
        "6eff09765b35d40ff218bc666c2c1787ef8d5236990ef169415d899ec30baabb",
    ),
];
const FULL: [(Model, u64, &str); 2] = [
    (
        Model::Qwen35,
        21_165_334_048,
        "24649f08f220f185f1b162704afab55da6325cbb4626624f0e504c56567529ac",
    ),
    (
        Model::Gemma4,
        16_792_118_112,
        "0a50f143cc11fba43c4c488745bcaa52109cdae16b25d0298222a462b04c0f40",
    ),
];

fn write(model: Model, scale: Scale, path: &Path) -> SynthReport {
    let plan = synth::plan(model, scale, Mix::pinned(model), 1).unwrap();
    synth::write(&plan, path, |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn tiny_digests_are_pinned() {
    let kept = std::env::var_os("SPARKBENCH_SYNTH_DIR").map(PathBuf::from);
    let scratch = tempfile::tempdir().unwrap();
    for (model, bytes, sha256) in TINY {
        let dir = kept.as_deref().unwrap_or(scratch.path());
        let report = write(model, Scale::Tiny, &dir.join(format!("{model}.tiny.gguf")));
        assert_eq!(
            (report.bytes, report.sha256.as_str()),
            (bytes, sha256),
            "{model}"
        );
    }
}

/// Writes 38 GB, one file after the other. `SPARKBENCH_SYNTH_DIR` says where; run it with `--release`.
#[test]
#[ignore = "writes 21 GB at a time into $SPARKBENCH_SYNTH_DIR"]
fn full_size_digests_are_pinned() {
    let dir = std::env::var_os("SPARKBENCH_SYNTH_DIR").map(PathBuf::from);
    let dir = dir.expect("SPARKBENCH_SYNTH_DIR names the folder to write into");
    let mut wrong = Vec::new();
    for (model, bytes, sha256) in FULL {
        let path = dir.join(format!("{model}.gguf"));
        let start = Instant::now();
        let report = write(model, Scale::Full, &path);
        std::fs::remove_file(&path).unwrap();
        println!(
            "{model}: {} bytes, {}, {:.1} s",
            report.bytes,
            report.sha256,
            start.elapsed().as_secs_f64()
        );
        if (report.bytes, report.sha256.as_str()) != (bytes, sha256) {
            wrong.push(model.name());
        }
    }
    assert_eq!(wrong, [""; 0]);
}
