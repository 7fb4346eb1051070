//! Single steps and batches compute the same model in different orders.

use std::collections::HashMap;

use crate::gguf::Gguf;
use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe};
use crate::model::{Architecture, Gemma4, LayerKind};
use crate::quant::TensorType;
use crate::reference::{Decoder, Observer, Place, Point, Routing};

fn both() -> [Architecture; 2] {
    [
        Architecture::Qwen35Moe(micro_qwen35moe()),
        Architecture::Gemma4(micro_gemma4()),
    ]
}

/// Ids without a period that short prompts would show (Knuth's multiplicative hash of the position).
fn ids(count: u64) -> Vec<u32> {
    (0..count)
        .map(|i| (((i * 2_654_435_761) >> 7) % 40) as u32)
        .collect()
}

fn sigma(logits: &[f64]) -> f64 {
    let mean = logits.iter().sum::<f64>() / logits.len() as f64;
    let squares = logits.iter().map(|x| (x - mean) * (x - mean));
    (squares.sum::<f64>() / logits.len() as f64).sqrt()
}

/// The largest difference, in units of the logits' standard deviation.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    largest / sigma(a)
}

fn steps(file: &Gguf<Vec<u8>>, ids: &[u32]) -> Vec<Vec<f64>> {
    let mut decoder = Decoder::new(file).unwrap();
    ids.iter()
        .map(|id| decoder.step(*id).unwrap().to_vec())
        .collect()
}

/// 260 tokens: more than one batch, several chunks of the delta rule and many windows.
#[test]
fn a_prefill_of_n_tokens_is_n_steps() {
    for architecture in both() {
        let file = Sample::new(&architecture, 2, TensorType::F32).file();
        let ids = ids(260);
        let stepped = steps(&file, &ids);
        let mut decoder = Decoder::new(&file).unwrap();
        let mut seen = 0;
        decoder
            .score(&ids, &mut (), |position, logits| {
                assert_eq!(position, seen);
                seen += 1;
                assert!(
                    difference(&stepped[position], logits) < 1e-10,
                    "position {position}"
                );
            })
            .unwrap();
        assert_eq!(seen, 260);
    }
}

#[test]
fn prefills_and_steps_follow_each_other_in_any_order() {
    for architecture in both() {
        let file = Sample::new(&architecture, 3, TensorType::F32).file();
        let ids = ids(90);
        let stepped = steps(&file, &ids);
        let mut decoder = Decoder::new(&file).unwrap();
        for part in [0..1, 1..70, 70..71, 71..72, 72..75, 75..76, 76..90] {
            let logits = match &ids[part.clone()] {
                [id] => decoder.step(*id).unwrap(),
                ids => decoder.prefill(ids).unwrap(),
            };
            assert!(
                difference(&stepped[part.end - 1], logits) < 1e-10,
                "{part:?}"
            );
            assert_eq!(decoder.position(), part.end);
        }
    }
}

#[test]
fn a_reset_forgets_everything() {
    for architecture in both() {
        let file = Sample::new(&architecture, 4, TensorType::F32).file();
        let mut decoder = Decoder::new(&file).unwrap();
        let first = decoder.prefill(&[1, 2, 3]).unwrap().to_vec();
        assert_ne!(decoder.prefill(&[1, 2, 3]).unwrap(), first);
        decoder.reset();
        assert_eq!(
            (
                decoder.position(),
                decoder.logits().len(),
                decoder.routing().len()
            ),
            (0, 0, 0)
        );
        assert_eq!(decoder.prefill(&[1, 2, 3]).unwrap(), first);
    }
}

/// With attention in windows alone, and one layer, what lies before the window is out of reach, and only distances
/// matter. So the last 1024 of 3000 tokens, begun at position 0, give the same logits, and one token more or less
/// does not.
#[test]
fn a_window_of_1024_ends_where_it_should_in_3000_tokens() {
    let architecture = Architecture::Gemma4(Gemma4 {
        layers: vec![LayerKind::SlidingAttention],
        embedding: 8,
        query_heads: 1,
        sliding_kv_heads: 1,
        sliding_head_dim: 4,
        sliding_rotary_dim: 4,
        window: 1024,
        ..micro_gemma4()
    });
    let file = Sample::new(&architecture, 5, TensorType::F32).file();
    let mut decoder = Decoder::new(&file).unwrap();
    let ids = ids(3000);
    let whole = decoder.prefill(&ids).unwrap().to_vec();
    let mut of_last = |count: usize| {
        decoder.reset();
        difference(&whole, decoder.prefill(&ids[3000 - count..]).unwrap())
    };
    assert!(of_last(1024) < 1e-9);
    assert!(of_last(1025) < 1e-9);
    assert!(of_last(1023) > 1e-7);
}

/// Keeps everything that it is shown.
#[derive(Default)]
struct Witness {
    values: HashMap<Place, Vec<f64>>,
    routings: HashMap<(usize, usize), Routing>,
}

impl Observer for Witness {
    fn values(&mut self, at: Place, values: &[f64]) {
        assert!(
            self.values.insert(at, values.to_vec()).is_none(),
            "{at:?} twice"
        );
    }

    fn routing(&mut self, layer: usize, position: usize, routing: &Routing) {
        self.routings.insert((layer, position), routing.clone());
    }
}

#[test]
fn observers_see_the_same_in_both_forms() {
    for architecture in both() {
        let file = Sample::new(&architecture, 6, TensorType::F32).file();
        let (layers, ids) = (architecture.layers().len(), ids(9));
        let (mut stepwise, mut batched) = (Witness::default(), Witness::default());
        let mut decoder = Decoder::new(&file).unwrap();
        for id in &ids {
            decoder.step_observed(*id, &mut stepwise).unwrap();
        }
        decoder.reset();
        decoder.prefill_observed(&ids, &mut batched).unwrap();

        assert_eq!(stepwise.values.len(), ids.len() * (2 + 4 * layers));
        for (place, values) in &stepwise.values {
            assert!(
                difference(values, &batched.values[place]) < 1e-10,
                "{place:?}"
            );
        }
        assert_eq!(stepwise.routings.len(), ids.len() * layers);
        for (at, routing) in &stepwise.routings {
            assert_eq!(routing.experts(), batched.routings[at].experts());
        }
        let last: Vec<Routing> = (0..layers)
            .map(|layer| batched.routings[&(layer, 8)].clone())
            .collect();
        assert_eq!(decoder.routing(), last);
    }
}

#[test]
fn the_residual_stream_is_the_sum_of_what_is_added_to_it() {
    let file = Sample::new(&both()[0], 7, TensorType::F32).file();
    let mut seen = Witness::default();
    Decoder::new(&file)
        .unwrap()
        .step_observed(11, &mut seen)
        .unwrap();
    let at = |layer, point| {
        &seen.values[&Place {
            layer,
            position: 0,
            point,
        }]
    };
    let mut stream = at(0, Point::Embedding).clone();
    for layer in 0..4 {
        for (added, sum) in [
            (Point::Mixer, Point::Middle),
            (Point::FeedForward, Point::Layer),
        ] {
            stream
                .iter_mut()
                .zip(at(layer, added))
                .for_each(|(x, y)| *x += y);
            assert_eq!(&stream, at(layer, sum));
        }
    }
}
