//! Whether the weights that engines were given are the frozen ones, and the engines ones that could be started so.

use std::collections::BTreeSet;

use super::context::Context;
use super::outcome::{Findings, Outcome};
use super::provenance::unpinned;
use crate::config::{self, Model, Role, SyntheticScale};
use crate::result::{SessionStatus, WeightsOrigin, WeightsRecord, tensors_sha256};

/// Ways to speak to an engine.
const DRIVERS: [&str; 2] = ["native", "llama_server"];

/// What every engine is started with.
const FIXED_ENVIRONMENT: [(&str, &str); 2] = [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")];

/// What names devices, and may be handed on.
const DEVICE_ENVIRONMENT: [&str; 2] = ["CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"];

const NONE: &str = "no engine ran";

/// The built-in configuration that a record names.
fn built_in(weights: &WeightsRecord) -> Option<Model> {
    let names = config::built_in_names(Role::Model);
    let known = names.contains(&weights.model.as_str());
    known
        .then(|| config::load::model(&weights.model).ok())
        .flatten()
}

/// Bytes and digest of the pin that a record names.
fn pinned<'a>(model: &'a Model, weights: &WeightsRecord) -> Option<(u64, &'a str)> {
    let pin = weights.pin.value()?;
    match pin.origin {
        WeightsOrigin::Published => model
            .weights
            .iter()
            .find(|published| published.file == pin.name)
            .map(|published| (published.bytes, published.sha256.as_str())),
        WeightsOrigin::Synthetic => model
            .synthetic
            .iter()
            .find(|synthetic| synthetic.scale.name() == pin.name)
            .map(|synthetic| (synthetic.bytes, synthetic.sha256.as_str())),
    }
}

pub(super) fn pins(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut not_frozen: Option<String> = None;
    for weights in &context.payload.weights {
        let model = built_in(weights);
        let missing = match (&model, weights.pin.reason()) {
            (None, _) => Some("no built-in model"),
            (_, reason) => reason,
        };
        if let Some(reason) = missing {
            not_frozen.get_or_insert(format!(
                "{}: the weights are not frozen: {reason}",
                weights.model
            ));
            continue;
        }
        let found = (weights.file_bytes, weights.sha256.as_str());
        let pin = model.as_ref().and_then(|model| pinned(model, weights));
        findings.expect(pin == Some(found), || {
            let expected = pin.map_or("no such pin".to_owned(), |(bytes, sha256)| {
                format!("{bytes} bytes of digest {sha256}")
            });
            format!(
                "{}: pinned are {expected}, the weights are {} bytes of digest {}",
                weights.model, found.0, found.1
            )
        });
    }
    match (findings.outcome(), not_frozen) {
        _ if context.payload.weights.is_empty() => Outcome::skipped(NONE),
        (held, Some(finding)) if held.details.is_empty() => {
            unpinned(context, finding, "measure with a file that is pinned")
        }
        (outcome, _) => outcome,
    }
}

/// Whether a case generated with these weights, or failed and does not say with which of its model.
fn is_used(context: &Context<'_>, weights: &WeightsRecord) -> bool {
    let of_model = format!("e2e/{}/", weights.model);
    let cases = context.payload.cases.iter();
    let mut generations = cases
        .filter(|case| case.id.starts_with(&of_model))
        .map(|case| case.generation.as_ref());
    generations.any(|generation| generation.is_none_or(|it| it.weights_sha256 == weights.sha256))
}

pub(super) fn manifest(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut seen = BTreeSet::new();
    for weights in &context.payload.weights {
        let once = seen.insert((&weights.model, &weights.sha256));
        findings.expect(once, || format!("{}: listed twice", weights.model));
        let complete = context.payload.session.status == SessionStatus::Complete;
        findings.expect(!complete || is_used(context, weights), || {
            format!("{}: no case was given them", weights.model)
        });
        let mut expect = |holds: bool, finding: &str| {
            findings.expect(holds, || format!("{}: {finding}", weights.model));
        };
        let tensors = &weights.tensors;
        let names: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let named = tensors.iter().all(|tensor| !tensor.name.trim().is_empty());
        expect(
            names.len() == tensors.len() && named && !tensors.is_empty(),
            "expected tensors, each with a name of its own",
        );
        expect(
            tensors_sha256(tensors) == weights.tensors_sha256,
            "tensors_sha256 is not that of the tensors",
        );
        let bytes: u128 = tensors.iter().map(|tensor| u128::from(tensor.bytes)).sum();
        expect(
            bytes < u128::from(weights.file_bytes),
            "the tensors take more bytes than the file",
        );
    }
    findings.outcome()
}

pub(super) fn shape(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for weights in &context.payload.weights {
        let found = [
            weights.vocabulary,
            weights.layers,
            weights.experts,
            weights.experts_used,
        ];
        findings.expect(
            found.iter().all(|n| *n > 0) && weights.experts_used <= weights.experts,
            || format!("{}: {found:?} is no shape of a model", weights.model),
        );
        // A tiny twin has a shape of its own, and what nobody pinned may have any.
        let whole = weights.pin.value().is_some_and(|pin| {
            pin.origin == WeightsOrigin::Published || pin.name != SyntheticScale::Tiny.name()
        });
        if let Some(model) = built_in(weights).filter(|_| whole) {
            let expected = [
                model.vocabulary_size,
                u64::from(model.layer_count),
                u64::from(model.experts.count),
                u64::from(model.experts.per_token),
            ];
            findings.expect(found == expected, || {
                format!(
                    "{}: vocabulary, layers, experts and experts used are {found:?}, the model's {expected:?}",
                    weights.model
                )
            });
        }
    }
    findings.outcome()
}

pub(super) fn engines(context: &Context<'_>) -> Outcome {
    let mut findings = Findings::default();
    for engine in &context.payload.engines {
        let mut expect = |holds: bool, finding: String| {
            findings.expect(holds, || format!("{}: {finding}", engine.name));
        };
        expect(
            DRIVERS.contains(&engine.driver.as_str()),
            format!(
                "expected driver {}, found {}",
                DRIVERS.join(" or "),
                engine.driver
            ),
        );
        expect(
            !engine.name.trim().is_empty(),
            "expected a name, found none".to_owned(),
        );
        let environment = &engine.environment;
        let fixed = FIXED_ENVIRONMENT
            .iter()
            .all(|(name, value)| environment.get(*name).map(String::as_str) == Some(*value));
        let known = environment.keys().all(|name| {
            let fixed = FIXED_ENVIRONMENT.iter().any(|(known, _)| known == name);
            fixed || DEVICE_ENVIRONMENT.contains(&name.as_str())
        });
        expect(
            fixed && known,
            format!("not the environment that engines are started in: {environment:?}"),
        );
        let used = context.payload.cases.iter().any(|case| {
            let generation = case.generation.as_ref();
            generation.is_some_and(|generation| generation.engine_sha256 == engine.program_sha256)
        });
        let all_failed = context.generations().next().is_none();
        expect(used || all_failed, "no case ran it".to_owned());
    }
    findings.outcome()
}
