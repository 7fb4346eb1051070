//! Arrays as NumPy reads them.

use crate::engine::fake::Fake;
use crate::engine::{Engine, LayersError, ScoreError, layers, score};

use super::HungUp;

/// The dictionary of a `.npy` file, and its numbers.
fn array(bytes: &[u8]) -> (&str, Vec<f32>) {
    // Layout of a version 1.0 file: numpy.lib.format's documentation.
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let dictionary = str::from_utf8(&bytes[10..10 + header]).unwrap();
    assert!(dictionary.ends_with('\n'));
    assert_eq!((10 + header) % 64, 0);
    let (numbers, rest) = bytes[10 + header..].as_chunks::<4>();
    assert!(rest.is_empty());
    let numbers = numbers.iter().map(|x| f32::from_le_bytes(*x));
    (dictionary.trim_end_matches([' ', '\n']), numbers.collect())
}

#[test]
fn scores_are_an_array_of_float32() {
    let mut bytes = Vec::new();
    score(&mut Fake::new(9), &[3, 4], &[], &mut bytes).unwrap();
    let (dictionary, numbers) = array(&bytes);
    assert_eq!(
        dictionary,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2048), }"
    );
    assert_eq!(numbers.len(), 2 * 2048);
    let at = |row: usize, id: usize| numbers[row * 2048 + id];
    assert_eq!(
        (at(0, 3), at(0, 4), at(1, 3), at(1, 7)),
        (1.0, -4.0, -3.0, 1.0)
    );
}

#[test]
fn a_refused_id_is_an_error_and_not_a_shorter_array() {
    let refused = score(&mut Fake::new(9), &[3, 9999], &[], &mut Vec::new());
    assert!(matches!(refused, Err(ScoreError::Engine(_))));
}

#[test]
fn layers_are_an_array_of_three_dimensions() {
    let (mut engine, mut bytes) = (Fake::new(9), Vec::new());
    layers(&mut engine, &[3, 4], &mut bytes).unwrap();
    let (dictionary, numbers) = array(&bytes);
    assert_eq!(
        dictionary,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 8, 3), }"
    );
    let streams = [(3, 1), (4, 2)]
        .into_iter()
        .flat_map(|(id, position)| (0..8).flat_map(move |layer| Fake::stream(id, position, layer)));
    assert!(streams.eq(numbers));
    assert_eq!(engine.position(), 2);
    let refused = layers(&mut engine, &[9999], &mut Vec::new());
    assert!(matches!(refused, Err(LayersError::Engine(_))));
}

#[test]
fn a_writer_that_refuses_is_an_error() {
    let refused = layers(&mut Fake::new(9), &[3], &mut HungUp);
    assert!(matches!(refused, Err(LayersError::Write(_))));
}
