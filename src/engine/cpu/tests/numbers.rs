//! Logits and routing: equal to those of the reference, and the same however the work is divided.

use super::scratch::{micro_samples, open, try_open};
use crate::engine::cpu::memory::CHUNK;
use crate::engine::{Engine, Options};
use crate::model::sample::{Sample, ids, mixed_samples};
use crate::quant::TensorType;
use crate::reference::{Decoder, Observer, Place, Point};

/// Largest difference of a logit from the reference, in standard deviations of the logits. What is asked of an engine
/// is 0.01 with F32 weights and 0.1 with quantised ones.
const TOLERANCE: f64 = 5e-6;

/// Compares every position of `ids` from `from` on, and the routing of every layer there.
#[track_caller]
fn agrees(name: &str, sample: &Sample, ids: &[u32], from: usize) {
    let file = sample.file();
    let mut reference = Decoder::new(&file).unwrap();
    let mut engine = open(sample);
    engine.prefill(&ids[..from]).unwrap();
    if from > 0 {
        reference.prefill(&ids[..from]).unwrap();
    }
    for (position, id) in ids.iter().enumerate().skip(from) {
        engine.step(*id).unwrap();
        let expected = reference.step(*id).unwrap();
        let mean = expected.iter().sum::<f64>() / expected.len() as f64;
        let squares = expected.iter().map(|logit| (logit - mean) * (logit - mean));
        let sigma = (squares.sum::<f64>() / expected.len() as f64).sqrt();
        assert!(sigma > 0.1, "{name}: logits that say nothing");
        let differences = engine
            .logits()
            .iter()
            .zip(expected)
            .map(|(found, expected)| (f64::from(*found) - expected).abs());
        let worst = differences.fold(0.0, f64::max) / sigma;
        assert!(
            engine.logits().len() == expected.len() && worst < TOLERANCE,
            "{name}, position {position}: {worst:e} standard deviations off"
        );
        let routing: Vec<Vec<u32>> = reference
            .routing()
            .iter()
            .map(|layer| layer.chosen.iter().map(|choice| choice.expert).collect())
            .collect();
        assert_eq!(engine.routing(), routing, "{name}, position {position}");
    }
}

/// The residual streams in front of the first layer and behind each.
#[derive(Default)]
struct Streams(Vec<Vec<f64>>);

impl Observer for Streams {
    fn values(&mut self, at: Place, values: &[f64]) {
        if matches!(at.point, Point::Embedding | Point::Layer) {
            self.0.push(values.to_vec());
        }
    }
}

#[test]
fn each_layer_begins_with_the_residual_stream_of_the_reference() {
    for sample in micro_samples() {
        let file = sample.file();
        let mut reference = Decoder::new(&file).unwrap();
        let (mut shown, mut plain) = (open(&sample), open(&sample));
        for id in ids(12) {
            let mut expected = Streams::default();
            reference.step_observed(id, &mut expected).unwrap();
            // Behind the last layer none begins.
            expected.0.pop();
            let found = shown.step_by_layers(id).unwrap();
            let width = found.len() / expected.0.len();
            for (found, expected) in found.chunks(width).zip(&expected.0) {
                assert_eq!(found.len(), expected.len());
                let squares = expected.iter().map(|x| x * x).sum::<f64>();
                let size = (squares / expected.len() as f64).sqrt();
                for (found, expected) in found.iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < TOLERANCE * size);
                }
            }
            plain.step(id).unwrap();
            assert_eq!(shown.logits(), plain.logits());
            assert_eq!(shown.routing(), plain.routing());
        }
        let unknown = shown.architecture().vocabulary() as u32;
        assert!(shown.step_by_layers(unknown).is_err());
        assert_eq!(shown.position(), 12);
    }
}

#[test]
fn models_of_odd_sizes_agree_with_the_reference() {
    for sample in micro_samples() {
        agrees("micro", &sample, &ids(20), 0);
    }
}

#[test]
fn a_long_prompt_crosses_the_window_and_the_chunk_as_in_the_reference() {
    for sample in micro_samples() {
        agrees("long", &sample, &ids(2 * CHUNK + 20), 2 * CHUNK + 10);
    }
}

#[test]
fn every_mix_of_types_agrees_with_the_reference() {
    for (name, sample) in mixed_samples() {
        agrees(&name, &sample, &ids(7), 4);
    }
}

#[test]
fn weights_of_half_precision_agree_with_the_reference() {
    for (mut sample, ty) in micro_samples()
        .into_iter()
        .zip([TensorType::F16, TensorType::BF16])
    {
        let matrices = sample
            .tensors
            .iter_mut()
            .filter(|tensor| tensor.dims.len() > 1);
        matrices.for_each(|tensor| tensor.narrow(ty));
        agrees(&ty.to_string(), &sample, &ids(6), 0);
    }
}

#[test]
fn prefill_and_single_steps_give_the_same_bits() {
    let mixed = mixed_samples().into_iter().map(|(_, sample)| (sample, 6));
    for (sample, count) in micro_samples()
        .map(|sample| (sample, CHUNK + 9))
        .into_iter()
        .chain(mixed)
    {
        let ids = ids(count);
        let (mut whole, mut steps, mut parts) = (open(&sample), open(&sample), open(&sample));
        whole.prefill(&ids).unwrap();
        ids.iter().for_each(|id| steps.step(*id).unwrap());
        ids.chunks(5).for_each(|part| parts.prefill(part).unwrap());
        for other in [steps, parts] {
            assert_eq!(whole.logits(), other.logits());
            assert_eq!(whole.routing(), other.routing());
            assert_eq!(whole.position(), other.position());
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for sample in micro_samples().into_iter().chain(
        mixed_samples()
            .into_iter()
            .map(|(_, sample)| sample)
            .take(1),
    ) {
        let with = |threads| {
            let options = Options {
                threads: Some(threads),
                ..Options::default()
            };
            let mut engine = try_open(&sample, options).unwrap();
            engine.prefill(&ids(9)).unwrap();
            engine.logits().to_vec()
        };
        let one = with(1);
        assert!([2, 5].iter().all(|threads| with(*threads) == one));
    }
}

#[test]
fn a_reset_engine_is_a_new_one() {
    for sample in micro_samples() {
        let mut engine = open(&sample);
        assert!(engine.logits().is_empty() && engine.routing().is_empty());
        engine.prefill(&ids(30)).unwrap();
        let first = engine.logits().to_vec();
        engine.prefill(&[1, 2, 3]).unwrap();
        assert_ne!(engine.logits(), first);
        engine.reset();
        assert_eq!(engine.position(), 0);
        assert!(engine.logits().is_empty() && engine.routing().is_empty());
        engine.prefill(&ids(30)).unwrap();
        assert_eq!(engine.logits(), first);
    }
}
