//! A `.npy` file of float32 as bytes: header and numbers. Knows not what they mean.

/// The header of a `.npy` file, version 1.0, of little-endian float32 in C order; as `numpy.lib.format` documents it:
/// magic, version, length, and a Python dictionary that is padded so that the numbers begin at a multiple of 64 bytes.
/// `shape` has two lengths or more.
pub(super) fn header(shape: &[usize]) -> Vec<u8> {
    const PREFIX_BYTES: usize = 10;
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    let lengths = lengths.join(", ");
    let mut dictionary =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({lengths}), }}");
    while !(PREFIX_BYTES + dictionary.len() + 1).is_multiple_of(64) {
        dictionary.push(' ');
    }
    dictionary.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    // At most 192 bytes of three lengths, whatever they are.
    header.extend((dictionary.len() as u16).to_le_bytes());
    header.extend(dictionary.bytes());
    header
}

/// Numbers as they follow the header.
pub(super) fn numbers(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}
