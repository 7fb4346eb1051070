//! What must be the same on a GPU however a token is queued, and what must be nearly the same on the processor. For a real
//! GPU and the emulated one: this process has either.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use sparkbench::engine::{self, Device, Engine, Options, greedy};
use sparkbench::kernels::tuning;

/// Largest difference of a number of a residual stream from the CPU engine's, over the root of that stream's mean square.
/// Keys and values are f16.
const LAYERS_TOLERANCE: f64 = 5e-3;

/// In front of what is generated.
const PROMPT: [u32; 3] = [7, 31, 5];
/// The largest logit may be another one where it is no farther in front of that, in standard deviations of the logits.
const TIE: f64 = 0.02;
/// Largest difference of a logit where attention is cut into another number of parts, in the same unit.
const SPLITS_TOLERANCE: f64 = 1e-3;

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
        // Of experts that the router finds equally good, each engine may take another.
        if sets(shown.routing()) != sets(expected.routing()) {
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

/// Ids, and what some of them were chosen by: logits, and the experts of the token in front.
struct Text {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
    experts: Vec<Vec<Vec<u32>>>,
}

impl Text {
    /// The prompt behind `filled` tokens that are made up, and nothing behind it yet.
    fn begin(engine: &mut dyn Engine, filled: usize) -> Self {
        engine.reset();
        if filled > 0 {
            engine.fill(filled).unwrap();
        }
        engine.prefill(&PROMPT).unwrap();
        Text {
            ids: Vec::new(),
            logits: Vec::new(),
            experts: Vec::new(),
        }
    }

    fn note(&mut self, engine: &dyn Engine) {
        self.logits.push(engine.logits().to_vec());
        self.experts.push(engine.routing().to_vec());
    }
}

/// The greedy text behind the prompt, from graphs queued ahead: `part` tokens a call, and what the last of each call was
/// chosen by.
fn generated(engine: &mut dyn Engine, filled: usize, tokens: usize, part: usize) -> Text {
    let mut text = Text::begin(engine, filled);
    while text.ids.len() < tokens {
        let pending = text.ids.last().copied();
        let mut each = |id, _: &[Vec<u32>]| {
            text.ids.push(id);
            ControlFlow::Continue(())
        };
        engine.generate(pending, part, &[], &mut each).unwrap();
        text.note(engine);
    }
    text
}

/// The same from launches without a graph; what every token was chosen by.
fn launched(engine: &mut dyn Engine, filled: usize, tokens: usize) -> Text {
    let mut text = Text::begin(engine, filled);
    loop {
        let id = greedy(engine.logits()).expect("numbers");
        text.ids.push(id);
        text.note(engine);
        if text.ids.len() == tokens {
            return text;
        }
        engine.step_by_layers(id).unwrap();
    }
}

/// A greedy text of `tokens` behind `filled` others is the same, and its logits have the same bits, in two runs, in calls of
/// one token, and without a graph; and where attention is not split, it is the same but for ties.
pub fn generation(name: &str, model: &Path, filled: usize, tokens: usize) {
    let options = Options {
        context: Some(filled + PROMPT.len() + tokens),
        ..Options::default()
    };
    let mut engine = engine::open(Device::Cuda, model, options).unwrap();
    let text = launched(engine.as_mut(), filled, tokens);
    for part in [tokens, tokens, 1] {
        let found = generated(engine.as_mut(), filled, tokens, part);
        assert!(found.ids == text.ids, "{name}, by {part}: ids differ");
        let behind = tokens - found.logits.len();
        for (found, expected) in found.logits.iter().zip(&text.logits[behind..]) {
            assert_same_bits(found, expected, name);
        }
        assert!(found.experts == text.experts[behind..], "{name}, by {part}");
    }
    let different: BTreeSet<&u32> = text.ids.iter().collect();
    println!("{name}: {tokens} tokens, {} different", different.len());
    let options = Options {
        attention_splits: Some(1),
        ..options
    };
    let mut whole = engine::open(Device::Cuda, model, options).unwrap();
    near(name, whole.as_mut(), filled, &text);
}

/// [`generation`] where a token's context becomes too long for the graph of the one before. Each graph cuts attention in
/// its own way, and joins it in its own.
pub fn crossings(name: &str, model: &Path, tokens: usize) {
    for most in [tuning::JOINED_CONTEXT, tuning::SHORT_CONTEXT] {
        let filled = most - PROMPT.len() - tokens / 2;
        generation(
            &format!("{name}, over {most} tokens"),
            model,
            filled,
            tokens,
        );
    }
}

/// An engine that reads `text`, and sums in another order, would choose its tokens where there is no tie.
fn near(name: &str, engine: &mut dyn Engine, filled: usize, text: &Text) {
    Text::begin(engine, filled);
    let (mut largest, mut ties, mut other_experts) = (0.0f64, 0, 0);
    for ((id, expected), experts) in text.ids.iter().zip(&text.logits).zip(&text.experts) {
        // Of experts that the router finds equally good, each may take another.
        if sets(engine.routing()) == sets(experts) {
            let (found, sigma) = (engine.logits(), deviation(expected));
            let distance = farthest(found, expected) / sigma;
            largest = largest.max(distance);
            let best = greedy(found).expect("numbers");
            let gap = f64::from(expected[*id as usize]) - f64::from(expected[best as usize]);
            assert!(gap <= TIE * sigma, "{name}: another token is {gap} behind");
            ties += usize::from(best != *id);
        } else {
            other_experts += 1;
        }
        engine.step(*id).unwrap();
    }
    println!(
        "{name}: not split, {largest:.1e} standard deviations, {ties} ties, {other_experts} tokens with other experts"
    );
    assert!(largest > 0.0, "{name}: attention was never split");
    let tolerance = if other_experts > 0 {
        TIE
    } else {
        SPLITS_TOLERANCE
    };
    assert!(largest <= tolerance, "{name}: {largest:e}");
    assert!(
        other_experts <= text.ids.len() / 50,
        "{name}: {other_experts}"
    );
}

/// The experts of each layer, in whichever order the router had them.
fn sets(experts: &[Vec<u32>]) -> Vec<BTreeSet<u32>> {
    let set = |layer: &Vec<u32>| layer.iter().copied().collect();
    experts.iter().map(set).collect()
}

fn deviation(logits: &[f32]) -> f64 {
    let count = logits.len() as f64;
    let mean = logits.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let squares = logits.iter().map(|x| (f64::from(*x) - mean).powi(2));
    (squares.sum::<f64>() / count).sqrt()
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
