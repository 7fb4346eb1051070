//! The list of all checks: name, level, what must hold, and the function that looks.

use super::context::Context;
use super::outcome::Outcome;
use super::{
    beside, cases, checkout, derived, file, generation, images, machine, physics, provenance,
    rebuild, replay, resources, session, stages, telemetry, timing, weights,
};

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// Level that it belongs to.
    pub level: u8,
    /// What must hold, in one line.
    pub holds: &'static str,
    pub(super) run: fn(&Context<'_>) -> Outcome,
}

macro_rules! checks {
    ($($level:literal $name:literal $holds:literal $run:expr;)*) => {
        &[$(Check { name: $name, level: $level, holds: $holds, run: $run }),*]
    };
}

/// All checks in order of their levels.
pub const CHECKS: &[Check] = checks! {
    0 "file.size" "at most 64 MiB" file::read;
    0 "file.text" "UTF-8" file::read;
    0 "file.format" "the format is `sparkbench.result/1`" file::read;
    0 "file.parse" "strict JSON of exactly the fields of the schema, no key twice, every number finite" file::read;
    0 "file.integers" "integers are not negative and below 2^53" file::integers;
    0 "file.readings" "a reading has a value or a reason, never both" file::readings;
    0 "file.digests" "digests are SHA-256 in hex, and not of nothing" file::digests;
    0 "file.forms" "ids, seeds, times, commits, versions and UUIDs have their form" file::forms;
    0 "file.content" "a complete session measured something, and no sample list or name is empty" file::content;
    1 "integrity.digest" "the payload's bytes have the stated digest" provenance::digest;
    1 "provenance.commit" "the result names commit and tree" provenance::commit;
    1 "provenance.clean" "the program was built from that commit without changes" provenance::clean;
    1 "provenance.nixpkgs" "Nix built with the nixpkgs that flake.lock pins; skipped for builds without Nix" provenance::nixpkgs;
    1 "provenance.flake_lock" "the result names flake.lock; skipped where the commit has none" provenance::flake_lock;
    1 "provenance.build" "compiler, target and profile are stated and fit each other" provenance::build;
    1 "provenance.nix" "what Nix says it built with fits the program and its kernel images" provenance::nix;
    1 "provenance.images" "kernel images were loaded as built, for the GPU's architecture" images::loaded;
    1 "provenance.manifests" "every kernel image's manifest is consistent, without PTX and without spills" images::manifests;
    1 "provenance.same_build" "sources and kernels are those of this program; skipped for results of other commits" provenance::same_build;
    1 "provenance.configurations" "configurations with the name or the text of a built-in one are that one" provenance::configurations;
    1 "git.commit" "the commit is in the checkout, at or before HEAD" checkout::commit;
    1 "git.tree" "the tree is the commit's" checkout::tree;
    1 "git.flake_lock" "flake.lock is the commit's, and pins the nixpkgs that Nix built with" checkout::flake_lock;
    1 "git.sources" "the program's sources are the commit's" checkout::sources;
    1 "git.kernels" "kernel sources and compiler arguments are the commit's" checkout::kernels;
    1 "git.configurations" "configurations are the commit's" checkout::configurations;
    1 "weights.pins" "weights are the file that a built-in configuration pins" weights::pins;
    2 "session.complete" "every planned case is there" session::complete;
    2 "session.times" "wall clock and monotonic clock agree" session::times;
    2 "session.redaction" "identities are redacted if and only if the session says so" session::redaction;
    2 "plan.digest" "the plan's digest is that of its cases" session::plan_digest;
    2 "plan.cases" "cases were run in the order planned, of the families planned" session::plan_cases;
    2 "plan.bytes" "cases moved the bytes planned" session::plan_bytes;
    2 "plan.totals" "memory and time of the plan are those of its cases" session::plan_totals;
    2 "case.outcome" "a case has a measurement or a reason" cases::outcome;
    2 "case.family" "a case's family is the first word of its id" cases::family;
    2 "case.device" "timer, driver and images are those of the case's device" cases::device;
    2 "case.sizes" "integer parameters agree with work, rotation and operations" cases::sizes;
    2 "case.rotation" "inputs take the bytes of all buffers together" cases::rotation;
    2 "case.cache" "cold inputs take four times the machine's last-level cache" cases::cache;
    2 "case.seed" "inputs are seeded by the session's seed and the case's id" cases::seed;
    2 "case.window" "cases follow each other within the session, and hold their warm-up and sampling" timing::window;
    2 "case.warmup" "warm-up ran as long as its runs need" timing::warmup;
    2 "case.stopping" "sampling stopped by its rule, and took at least as long as its samples" timing::stopping;
    2 "case.discards" "discards lie among the samples" timing::discards;
    2 "check.outputs" "outputs of every sample were poisoned and compared" cases::outputs;
    2 "check.error" "the error is within the tolerance, and exact outputs are the reference's" cases::error;
    2 "weights.manifest" "the list of tensors fits its digest and the file" weights::manifest;
    2 "weights.shape" "vocabulary, layers and experts are the model's" weights::shape;
    2 "engine.launch" "engines were started by a known driver in a clean environment" weights::engines;
    2 "generation.case" "a generation names its weights, engine, model, prompt and sizes" generation::case;
    2 "generation.beside" "an engine beside another had its prompts, and each its runs in turn" beside::turns;
    2 "generation.fill" "contexts are prompts that can be made again; skipped for those that engines made up" generation::fill;
    2 "generation.prompt" "prompts fit their digest, number and vocabulary, and no two runs have the same" generation::prompt;
    2 "generation.ids" "the ids fit their digest, number and vocabulary" generation::ids;
    2 "generation.times" "tokens arrived one after another within the case, and the samples are the times between them" generation::times;
    2 "generation.routing" "the tokens that are asked for went to as many different experts as the model uses" generation::routing;
    2 "generation.figures" "recomputed from the runs" generation::figures;
    2 "generation.resources" "recomputed from the readings of the session; skipped for results from before they were stated" resources::figures;
    2 "generation.oddities" "nothing about a run was odd" generation::oddities;
    2 "stages.table" "a token's parts are named and timed, at the depth and about the speed of the tokens that the harness timed" stages::table;
    2 "stages.bytes" "a token's parts move together about what a token moves" stages::bytes;
    2 "stages.figures" "recomputed from the stages' times and bytes" stages::figures;
    2 "derived.samples" "recomputed from the samples" |c| derived::figure(c, "samples", |d| d.samples as f64);
    2 "derived.min_ns" "recomputed from the samples" |c| derived::figure(c, "min_ns", |d| d.min_ns);
    2 "derived.median_ns" "recomputed from the samples" |c| derived::figure(c, "median_ns", |d| d.median_ns);
    2 "derived.max_ns" "recomputed from the samples" |c| derived::figure(c, "max_ns", |d| d.max_ns);
    2 "derived.mad_ns" "recomputed from the samples" |c| derived::figure(c, "mad_ns", |d| d.mad_ns);
    2 "derived.p50_ns" "recomputed from the samples" |c| derived::figure(c, "p50_ns", |d| d.p50_ns);
    2 "derived.p90_ns" "recomputed from the samples" |c| derived::figure(c, "p90_ns", |d| d.p90_ns);
    2 "derived.p99_ns" "recomputed from the samples" |c| derived::figure(c, "p99_ns", |d| d.p99_ns);
    2 "derived.median_low_ns" "recomputed from the samples" |c| derived::figure(c, "median_low_ns", |d| d.median_low_ns);
    2 "derived.median_high_ns" "recomputed from the samples" |c| derived::figure(c, "median_high_ns", |d| d.median_high_ns);
    2 "derived.per_operation_ns" "recomputed from the samples" |c| derived::figure(c, "per_operation_ns", |d| d.per_operation_ns);
    2 "derived.bandwidth_gbps" "recomputed from the samples" |c| derived::reading(c, "bandwidth_gbps", |d| &d.bandwidth_gbps);
    2 "derived.throughput_tops" "recomputed from the samples" |c| derived::reading(c, "throughput_tops", |d| &d.throughput_tops);
    2 "derived.percent_of_measured_peak" "recomputed from the samples"
        |c| derived::reading(c, "percent_of_measured_peak", |d| &d.percent_of_measured_peak);
    2 "derived.percent_of_data_sheet" "recomputed from the samples"
        |c| derived::reading(c, "percent_of_data_sheet", |d| &d.percent_of_data_sheet);
    2 "peaks.read_gbps" "recomputed from the samples" |c| derived::peak(c, "read_gbps", |p| &p.read_gbps);
    2 "peaks.fp16_tops" "recomputed from the samples" |c| derived::peak(c, "fp16_tops", |p| &p.fp16_tops);
    2 "peaks.int8_tops" "recomputed from the samples" |c| derived::peak(c, "int8_tops", |p| &p.int8_tops);
    2 "physics.memory_bandwidth" "no cold sample is faster than the data sheet's memory, or any host's" physics::memory_bandwidth;
    2 "physics.stages" "no part of a token is faster than the data sheet's memory, or than the SMs can load" physics::stages;
    2 "physics.cache_bandwidth" "no sample moves more than the SMs can load" physics::cache_bandwidth;
    2 "physics.throughput" "no sample is faster than the data sheet's tensor cores" physics::throughput;
    2 "physics.latency" "no operation is faster than memory and clocks allow" physics::latency;
    2 "physics.memory" "cases fit into the memory that they planned, and that the machine has" physics::memory;
    2 "machine.host" "the host is possible, and can run the program" machine::host;
    2 "machine.gpu" "the GPU is possible" machine::gpu;
    2 "machine.driver" "the driver's parts fit each other" machine::driver;
    2 "machine.configuration" "the GPU is the one of the named machine" machine::configuration;
    2 "target.data_sheet" "data-sheet figures are the named machine's" machine::data_sheet;
    2 "target.comparable" "only full size on a GPU is called comparable" machine::comparable;
    2 "telemetry.times" "readings follow each other within the session" telemetry::times;
    2 "telemetry.series" "every series has its unit and one reading per time" telemetry::series;
    2 "telemetry.bounds" "clocks, power, temperature and memory are possible" telemetry::bounds;
    3 "rebuild.runner" "store path, NAR hash and executable are those that Nix builds of the commit" rebuild::runner;
    3 "rebuild.kernels" "kernel images have the code, per architecture, that the commit compiles to" rebuild::kernels;
    4 "replay.weights" "the file has the digests, tensor by tensor, and the shape that the result states" replay::weights;
    4 "replay.prompt" "the prompt is the one that generator and seed give" replay::prompt;
    4 "replay.tokens" "each token is the most probable one, or within 0.02 standard deviations of the logits" replay::tokens;
    4 "replay.experts" "each recorded expert is one that the router chooses, or within 1 % of the least probable of them" replay::experts;
};
