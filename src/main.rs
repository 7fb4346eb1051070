//! The harness: owns the clock, the plan, the inputs, the checks, the result file and its verification.

fn main() {}
