//! `sparkbench`: how fast does this source code run this frozen model on this machine, and how close is that to what
//! the hardware allows?
//!
//! The modules form one total order; a module uses only modules below it in this list (`tests/architecture.rs`).

pub mod bench;
pub mod build_info;
pub mod cli;
pub mod config;
pub mod device;
pub mod engine;
pub mod gguf;
pub mod kernels;
pub mod measure;
pub mod model;
pub mod plan;
pub mod prompt;
pub mod protocol;
pub mod quant;
pub mod rebuild;
pub mod reference;
pub mod replay;
pub mod result;
pub mod run;
pub mod stats;
pub mod subject;
pub mod telemetry;
pub mod tokenizer;
pub mod ui;
pub mod units;
pub mod verify;
