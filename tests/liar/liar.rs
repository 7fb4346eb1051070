//! Engines that lie or fail, for the tests: `liar LIE serve` is `spark-engine serve` but for one lie, and
//! `liar LIE --model …` stands in for `llama-server`.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use sparkbench::engine::{self, Device, Engine, EngineError, Options};

use frames::Frames;
use model::LyingModel;

mod frames;
mod llama;
mod model;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [lie, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: liar LIE serve");
        process::exit(2);
    };
    // `name=value`, where the lie needs one.
    let (name, value) = lie.split_once('=').unwrap_or((lie, ""));
    match name {
        // Neither reads nor answers.
        "deaf" => loop {
            thread::sleep(Duration::from_secs(60));
        },
        "quits" => process::exit(1),
        _ => {}
    }
    match rest.first().map(String::as_str) {
        Some("serve") => serve(name, value),
        _ => llama::serve(name, rest),
    }
}

fn serve(name: &str, value: &str) {
    let mut open =
        |device: Device, path: &Path, options: Options| -> Result<Box<dyn Engine>, EngineError> {
            match name {
                "other_model" => engine::open(device, Path::new(value), options),
                "few_experts" => model::with_half_the_experts(device, path, options),
                _ => LyingModel::open(name, device, path, options),
            }
        };
    let stdout = io::stdout().as_fd().try_clone_to_owned().unwrap();
    let mut output = Frames::new(name, File::from(stdout));
    let input = &mut io::stdin().lock();
    if let Err(error) = engine::serve(input, &mut output, &format!("liar {name}"), &mut open) {
        eprintln!("error: {error}");
        process::exit(error.code().number().into());
    }
}
