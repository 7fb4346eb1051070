//! Tests of reading and writing together.

mod others;
mod raw;
mod refusals;
mod round_trip;
mod tensor_refusals;
mod whole_files;
