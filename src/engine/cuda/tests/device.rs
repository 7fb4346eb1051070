//! The engine on a GPU against the one on the processor, and against itself. Ignored; without a GPU each test says so and
//! passes.

use std::ops::ControlFlow;
use std::path::Path;

use crate::engine::cpu::CpuEngine;
use crate::engine::cuda::CudaEngine;
use crate::engine::{Engine, EngineError, Options, greedy};
use crate::model::sample::{Sample, ids, mixed_samples};
use crate::quant::TensorType;

use super::samples::{float_samples, odd_gemma, odd_qwen};

/// Largest difference of a logit from the CPU engine's, in standard deviations of the logits. Keys and values are f16.
const TOLERANCE: f64 = 2e-3;

fn in_file<T>(sample: &Sample, open: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, sample.bytes()).unwrap();
    open(&path)
}

fn options(context: usize) -> Options {
    Options {
        context: Some(context),
        threads: Some(2),
        ..Options::default()
    }
}

/// The sample on the GPU, or a printed line and nothing.
fn gpu(sample: &Sample, context: usize) -> Option<CudaEngine> {
    match in_file(sample, |path| CudaEngine::open(path, options(context))) {
        Ok(engine) => Some(engine),
        Err(error @ EngineError::Unavailable { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn cpu(sample: &Sample, context: usize) -> CpuEngine {
    in_file(sample, |path| CpuEngine::open(path, options(context))).unwrap()
}

/// Largest difference in standard deviations of `expected`, and whether both choose the same token or have a tie.
fn difference(found: &[f32], expected: &[f32]) -> (f64, bool) {
    assert_eq!(found.len(), expected.len());
    let count = expected.len() as f64;
    let mean = expected.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let squares = expected.iter().map(|x| (f64::from(*x) - mean).powi(2));
    let sigma = (squares.sum::<f64>() / count).sqrt();
    let differences = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| f64::from(found - expected).abs());
    let worst = differences.fold(
        0.0,
        |worst: f64, x| if x > worst || x.is_nan() { x } else { worst },
    );
    let (ours, theirs) = (greedy(found), greedy(expected));
    let logit = |id: Option<u32>| id.map_or(f64::NAN, |id| f64::from(expected[id as usize]));
    let tie = logit(theirs) - logit(ours) <= 2.0 * TOLERANCE * sigma;
    (worst / sigma, ours == theirs || tie)
}

/// Both engines over `count` tokens.
fn agrees(name: &str, sample: &Sample, count: usize) {
    let Some(mut found) = gpu(sample, count) else {
        return;
    };
    let mut expected = cpu(sample, count);
    let (mut largest, mut others) = (0.0f64, 0);
    for (position, id) in ids(count).into_iter().enumerate() {
        found.step(id).unwrap();
        expected.step(id).unwrap();
        // Of two experts that the router finds equally good, each engine may take another; from there on both have read
        // different things.
        if found.routing() != expected.routing() {
            others += 1;
            continue;
        }
        let tolerance = if others > 0 { 10.0 } else { 1.0 } * TOLERANCE;
        let (worst, same) = difference(found.logits(), expected.logits());
        assert!(
            worst <= tolerance && same,
            "{name}, position {position}: {worst:e} standard deviations off"
        );
        largest = largest.max(worst);
    }
    println!(
        "{name}: at most {largest:.1e} standard deviations off, {others} tokens with other experts"
    );
    assert!(
        others <= count / 100 + 1,
        "{name}: {others} tokens with other experts"
    );
}

#[test]
#[ignore = "needs a GPU"]
fn weights_that_are_not_quantised_agree_with_the_cpu() {
    for (name, sample) in float_samples() {
        agrees(&name, &sample, 48);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn every_mix_of_types_agrees_with_the_cpu() {
    for (name, sample) in mixed_samples() {
        agrees(&name, &sample, 48);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_long_context_agrees_with_the_cpu() {
    for architecture in [odd_qwen(), odd_gemma()] {
        let sample = Sample::new(&architecture, 3, TensorType::F32);
        agrees(architecture.name(), &sample, 600);
    }
}

fn every_sample() -> Vec<(String, Sample)> {
    let floats = float_samples().into_iter().step_by(2);
    floats.chain(mixed_samples()).collect()
}

#[test]
#[ignore = "needs a GPU"]
fn a_prompt_gives_the_same_bits_however_it_is_cut() {
    for (name, sample) in every_sample() {
        let Some(mut engine) = gpu(&sample, 64) else {
            return;
        };
        let ids = ids(50);
        let mut state = |feed: &dyn Fn(&mut CudaEngine)| {
            engine.reset();
            assert_eq!((engine.position(), engine.logits().len()), (0, 0));
            assert!(engine.routing().is_empty());
            feed(&mut engine);
            (engine.logits().to_vec(), engine.routing().to_vec())
        };
        let whole = state(&|engine| engine.prefill(&ids).unwrap());
        let again = state(&|engine| engine.prefill(&ids).unwrap());
        let steps = state(&|engine| ids.iter().for_each(|id| engine.step(*id).unwrap()));
        let parts = state(&|engine| {
            ids.chunks(7).for_each(|part| engine.prefill(part).unwrap());
        });
        assert!(whole.0.iter().all(|logit| logit.is_finite()), "{name}");
        assert!(whole == again, "{name}: two runs differ");
        assert!(whole == parts, "{name}: parts differ");
        // The order of sums is another one.
        assert_eq!(whole.1, steps.1, "{name}: other experts");
        let worst = greatest(whole.0.iter().zip(&steps.0).map(|(a, b)| a - b));
        let largest = greatest(steps.0.iter().copied());
        assert!(worst <= TOLERANCE as f32 * largest, "{name}: {worst}");
    }
}

fn greatest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.fold(0.0, |most, number| most.max(number.abs()))
}

/// The ids and the traced experts of a generation.
fn generated(
    engine: &mut dyn Engine,
    pending: Option<u32>,
    tokens: usize,
    traced: &[u32],
) -> (Vec<u32>, Vec<Vec<Vec<u32>>>) {
    let (mut ids, mut experts) = (Vec::new(), Vec::new());
    let mut each = |id: u32, routing: &[Vec<u32>]| {
        ids.push(id);
        experts.push(routing.to_vec());
        ControlFlow::Continue(())
    };
    engine.generate(pending, tokens, traced, &mut each).unwrap();
    (ids, experts)
}

#[test]
#[ignore = "needs a GPU"]
fn a_generation_is_prefill_and_the_greedy_choice_again_and_again() {
    for (name, sample) in every_sample() {
        let Some(mut engine) = gpu(&sample, 200) else {
            return;
        };
        let prompt = ids(10);
        engine.prefill(&prompt).unwrap();
        let (mut expected, mut routing) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let id = greedy(engine.logits()).unwrap();
            expected.push(id);
            routing.push(engine.routing().to_vec());
            engine.step(id).unwrap();
        }
        engine.reset();
        engine.prefill(&prompt).unwrap();
        // In two calls, the second with the first one's last id pending.
        let (first, experts) = generated(&mut engine, None, 30, &[0, 7, 29]);
        assert_eq!(engine.position(), 39);
        assert_eq!(first, expected[..30], "{name}");
        for (step, experts) in experts.iter().enumerate() {
            match [0, 7, 29].contains(&step) {
                true => assert_eq!(experts, &routing[step], "{name}, step {step}"),
                false => assert!(experts.is_empty()),
            }
        }
        let pending = first.last().copied();
        let (second, experts) = generated(&mut engine, pending, 70, &[0, 69]);
        assert_eq!(second, expected[30..], "{name}");
        assert_eq!(experts[0], routing[30], "{name}");
        assert_eq!(experts[69], routing[99], "{name}");
        assert_eq!(engine.position(), 109);
        assert_eq!(engine.routing(), routing[99], "{name}");
        assert_eq!(greedy(engine.logits()), second.last().copied(), "{name}");
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_context_takes_as_many_tokens_as_were_asked_for() {
    for architecture in [odd_qwen(), odd_gemma()] {
        let sample = Sample::new(&architecture, 1, TensorType::F32);
        let Some(mut engine) = gpu(&sample, 10) else {
            return;
        };
        assert_eq!(engine.context(), 10);
        engine.prefill(&ids(8)).unwrap();
        let before = engine.logits().to_vec();
        let error = engine.prefill(&ids(3)).unwrap_err();
        let expected = "expected at most 10 tokens in the context, found 8 and 3 more";
        assert_eq!(error.to_string(), expected);
        let error = engine.prefill(&[1, 61]).unwrap_err();
        assert_eq!(error.to_string(), "expected token ids below 61, found 61");
        assert_eq!((engine.position(), engine.logits()), (8, &before[..]));
        // The last one chosen is not appended.
        let (ids, _) = generated(&mut engine, None, 3, &[]);
        assert_eq!((ids.len(), engine.position()), (3, 10));
        assert!(engine.step(0).is_err());
        let mut none = |_: u32, _: &[Vec<u32>]| ControlFlow::Continue(());
        assert!(engine.generate(Some(1), 1, &[], &mut none).is_err());
        assert!(engine.generate(None, 1, &[], &mut none).is_ok());
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_generation_that_is_broken_off_can_be_reset() {
    let sample = Sample::new(&odd_qwen(), 1, TensorType::F32);
    let Some(mut engine) = gpu(&sample, 100) else {
        return;
    };
    engine.prefill(&ids(5)).unwrap();
    let (expected, _) = generated(&mut engine, None, 20, &[]);
    engine.reset();
    engine.prefill(&ids(5)).unwrap();
    let mut count = 0;
    let mut third = |_: u32, _: &[Vec<u32>]| {
        count += 1;
        match count {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    engine.generate(None, 20, &[], &mut third).unwrap();
    engine.reset();
    engine.prefill(&ids(5)).unwrap();
    let (again, _) = generated(&mut engine, None, 20, &[]);
    assert_eq!((count, again), (3, expected));
}

#[test]
#[ignore = "needs a GPU"]
fn logits_that_are_no_numbers_end_a_generation() {
    for architecture in [odd_qwen(), odd_gemma()] {
        let mut sample = Sample::new(&architecture, 1, TensorType::F32);
        let tensor = sample.tensor("output_norm.weight");
        tensor.bytes = f32::NAN.to_le_bytes().repeat(tensor.bytes.len() / 4);
        let Some(mut engine) = gpu(&sample, 50) else {
            return;
        };
        engine.prefill(&ids(5)).unwrap();
        assert!(engine.logits().iter().all(|logit| logit.is_nan()));
        let mut none = |_: u32, _: &[Vec<u32>]| ControlFlow::Continue(());
        for pending in [None, Some(1)] {
            let error = engine.generate(pending, 5, &[], &mut none).unwrap_err();
            assert!(matches!(error, EngineError::Logits { .. }), "{error}");
        }
    }
}
