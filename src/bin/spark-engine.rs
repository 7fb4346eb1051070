//! The system under test.

fn main() {}
