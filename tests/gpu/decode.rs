//! The decode engine on a GPU as its users open it, and the copies that bring weights there.

use std::ops::ControlFlow;
use std::path::Path;

use sparkbench::{
    device::cuda::{Arena, Cuda, Stream, Uploader},
    engine::{self, Device, Engine, Options, greedy},
    kernels::decode::{Address, Decode, planes},
    model::{Mix, Model, Scale, synth},
    quant::TensorType,
};

use super::{exact, gpu};

/// Tokens that both engines read.
const TOKENS: u32 = 44;
/// Largest difference of a logit from the CPU engine's, in standard deviations of the logits. Keys and values are f16.
const TOLERANCE: f64 = 2e-3;

/// Bytes without a pattern.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
#[ignore = "needs a GPU"]
fn a_large_upload_arrives_whole() {
    let Some(cuda) = gpu() else { return };
    let stream = Stream::new(&cuda).unwrap();
    let from = bytes((37 << 20) + 13);
    let mut arena = Arena::new(&cuda, 64 << 20).unwrap();
    let to = arena.take(from.len() as u64).unwrap();
    for chunk in [1 << 20, 5 << 20, 64 << 20] {
        stream.fill(to, 0).unwrap();
        let mut uploader = Uploader::new(&cuda, &stream, chunk).unwrap();
        let (first, rest) = from.split_at(100);
        uploader.upload(first, to).unwrap();
        let behind = to.part(100, rest.len() as u64).unwrap();
        uploader.upload(rest, behind).unwrap();
        drop(uploader);
        let arrived: Vec<u8> = stream.download(to, from.len()).unwrap();
        assert!(arrived == from, "in chunks of {chunk}");
        let mut uploader = Uploader::new(&cuda, &stream, chunk).unwrap();
        assert!(uploader.upload(&from, behind).is_err());
    }
}

/// The image, or a printed line and nothing.
fn decode(cuda: &Cuda) -> Option<Decode> {
    Decode::load(cuda)
        .map_err(|error| println!("skipped: {error}"))
        .ok()
}

#[test]
#[ignore = "needs a GPU"]
fn planes_give_back_the_bytes_of_the_file() {
    let Some(cuda) = gpu() else { return };
    let Some(kernels) = decode(&cuda) else {
        return;
    };
    let stream = Stream::new(&cuda).unwrap();
    let types = [
        TensorType::Q8_0,
        TensorType::Q5_0,
        TensorType::Q5_1,
        TensorType::Q6_K,
    ];
    for ty in types {
        let planes = planes(ty).unwrap();
        assert!(planes.is_cut());
        // In two parts, as a tensor that is larger than the staging buffer.
        let (blocks, first) = (1003u64, 700);
        let from = bytes((blocks * ty.block_bytes()) as usize);
        let mut arena = Arena::new(&cuda, 4 << 20).unwrap();
        let file = arena.take(from.len() as u64).unwrap();
        let (starts, length) = planes.layout(blocks);
        let cut = arena.take(length).unwrap();
        let to = starts
            .map(|start| start.map_or(Address::NULL, |start| Address(cut.address()).offset(start)));
        let split = (first * ty.block_bytes()) as usize;
        stream.fill(cut, 0xee).unwrap();
        let parts = [(0, &from[..split]), (first, &from[split..])];
        for (first, part) in parts {
            stream.upload(part, file).unwrap();
            let count = part.len() as u64 / ty.block_bytes();
            let repack = planes.repack(Address(file.address()), to, first, count);
            kernels.repack(&stream, &repack).unwrap();
            stream.synchronize().unwrap();
        }
        stream.fill(file, 0xee).unwrap();
        let restore = planes.repack(Address(file.address()), to, 0, blocks);
        kernels.restore(&stream, &restore).unwrap();
        let back: Vec<u8> = stream.download(file, from.len()).unwrap();
        assert!(back == from, "{ty}");
    }
}

fn open(device: Device, path: &Path) -> Box<dyn Engine> {
    let options = Options {
        context: Some(128),
        ..Options::default()
    };
    engine::open(device, path, options).unwrap()
}

/// Calls `look` with each mix of both models' tiny twins, in a file.
fn with_each_twin(look: impl Fn(&str, &Path)) {
    let Some(cuda) = gpu() else { return };
    if decode(&cuda).is_none() {
        return;
    }
    drop(cuda);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for model in Model::ALL {
        for mix in Mix::of(model) {
            let plan = synth::plan(model, Scale::Tiny, *mix, 5).unwrap();
            synth::write(&plan, &path, |_| ControlFlow::Continue(())).unwrap();
            look(&format!("{model} {}", mix.name()), &path);
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn the_tiny_twins_of_both_models_agree_with_the_cpu() {
    with_each_twin(|name, path| {
        let (mut found, mut expected) = (open(Device::Cuda, path), open(Device::Cpu, path));
        compare(name, found.as_mut(), expected.as_mut());
    });
}

#[test]
#[ignore = "needs a GPU"]
fn each_layer_begins_with_what_it_begins_with_on_the_cpu() {
    with_each_twin(|name, path| exact::layers(name, path, TOKENS));
}

#[test]
#[ignore = "needs a GPU"]
fn a_greedy_text_of_512_tokens_is_the_same_however_its_tokens_are_queued() {
    with_each_twin(|name, path| exact::generation(name, path, 0, 512));
}

#[test]
#[ignore = "needs a GPU"]
fn a_greedy_text_is_the_same_where_its_context_grows_into_another_graph() {
    with_each_twin(|name, path| exact::crossings(name, path, 64));
}

fn compare(name: &str, found: &mut dyn Engine, expected: &mut dyn Engine) {
    let (mut largest, mut other_experts) = (0.0f64, 0);
    for id in (0..TOKENS).map(|index| (index * index * 31 + 7) % 2048) {
        found.step(id).unwrap();
        expected.step(id).unwrap();
        // Experts that the router finds equally good: each engine may take another.
        if found.routing() != expected.routing() {
            other_experts += 1;
            continue;
        }
        let logits = expected.logits();
        let count = logits.len() as f64;
        let mean = logits.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let squares = logits.iter().map(|x| (f64::from(*x) - mean).powi(2));
        let sigma = (squares.sum::<f64>() / count).sqrt();
        let pairs = found.logits().iter().zip(logits);
        let worst = pairs
            .map(|(found, expected)| f64::from((found - expected).abs()))
            .fold(0.0, f64::max);
        largest = largest.max(worst / sigma);
        let best = |logits: &[f32]| greedy(logits).expect("numbers") as usize;
        let behind = logits[best(logits)] - logits[best(found.logits())];
        assert!(
            f64::from(behind) <= 2.0 * TOLERANCE * sigma,
            "{name}: another token is {behind} behind"
        );
    }
    println!(
        "{name}: {largest:.1e} standard deviations, {other_experts} tokens with other experts"
    );
    let tolerance = if other_experts > 0 { 10.0 } else { 1.0 } * TOLERANCE;
    assert!(largest <= tolerance, "{name}: {largest:e}");
    assert!(other_experts <= 1, "{name}");
}
