//! The two models: what the program computes of them against facts from elsewhere, against what the configurations
//! state, and against the digests that they pin.

mod facts;
mod stated;
mod synthetic;

use sparkbench::config::{self, load};
use sparkbench::gguf::Gguf;
use sparkbench::model::{Mix, Model, Scale, synth};

/// What the configurations say of a model.
fn configured(model: Model) -> config::Model {
    load::model(model.name()).unwrap()
}

/// A full-size file with the true header and a hole where its tensors would be.
fn hollow(model: Model, mix: Mix) -> Gguf {
    let plan = synth::plan(model, Scale::Full, mix, 1).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), plan.header()).unwrap();
    file.as_file().set_len(plan.file_bytes()).unwrap();
    Gguf::open(file.path()).unwrap()
}
