//! What must be the same on a GPU however a token is queued, and what must be nearly the same on the processor. For a real
//! GPU and the emulated one: this process has either.

use std::path::Path;

use sparkbench::engine::{self, Device, Engine, Options};

/// Largest difference of a number of a residual stream from the CPU engine's, over the root of that stream's mean square.
/// Keys and values are f16.
const LAYERS_TOLERANCE: f64 = 5e-3;

/// Opens `model` with room for `context` tokens.
fn open(device: Device, model: &Path, context: usize) -> Box<dyn Engine> {
    let options = Options {
        context: Some(context),
        ..Options::default()
    };
    engine::open(device, model, options).unwrap()
}

/// Each layer begins with what it begins with on the processor, and behind tokens that show their layers everything is as
/// behind those that do not.
pub fn layers(name: &str, model: &Path, tokens: u32) {
    let of = |device| open(device, model, tokens as usize);
    let (mut shown, mut plain) = (of(Device::Cuda), of(Device::Cuda));
    let mut expected = of(Device::Cpu);
    let layers = expected.architecture().layers().len();
    let vocabulary = expected.architecture().vocabulary() as u32;
    let (mut largest, mut other_experts) = (0.0f64, 0);
    for id in (0..tokens).map(|index| (index * index * 31 + 7) % vocabulary) {
        let found = shown.step_by_layers(id).unwrap();
        plain.step(id).unwrap();
        assert_same_bits(shown.logits(), plain.logits(), name);
        assert_eq!(shown.routing(), plain.routing(), "{name}");
        let streams = expected.step_by_layers(id).unwrap();
        assert_eq!(found.len(), streams.len());
        // Experts that the router finds equally good: each engine may take another.
        if shown.routing() != expected.routing() {
            other_experts += 1;
            continue;
        }
        let width = streams.len() / layers;
        for (found, expected) in found.chunks(width).zip(streams.chunks(width)) {
            largest = largest.max(difference(found, expected));
        }
    }
    println!("{name}: layers differ by {largest:.1e}, {other_experts} tokens with other experts");
    assert!(largest <= LAYERS_TOLERANCE, "{name}: {largest:e}");
    assert!(other_experts <= 1, "{name}");
}

/// The largest difference, over the root of the mean square of `expected`.
fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let squares = expected.iter().map(|x| f64::from(*x).powi(2));
    let size = (squares.sum::<f64>() / expected.len() as f64).sqrt();
    farthest(found, expected) / size
}

/// The largest difference; infinite where a number is none.
fn farthest(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    let differences = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    differences.fold(0.0, |most, x| match x.is_nan() {
        true => f64::INFINITY,
        false => most.max(x),
    })
}

fn assert_same_bits(found: &[f32], expected: &[f32], what: &str) {
    assert!(!expected.is_empty(), "{what}");
    let bits = |logits: &[f32]| logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(found) == bits(expected), "{what}: logits differ");
}
