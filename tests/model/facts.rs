//! The architectures, mixes and figures of `inspect` against facts that were worked out without this code
//! (`../fixtures/model_facts.json`, made by `../oracle/model_facts_fixture.py`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use sparkbench::build_info::hex;
use sparkbench::gguf::{Array, Gguf, Value};
use sparkbench::model::inspect::{self, Inspection, Machine};
use sparkbench::model::{Architecture, Mix, Model, Scale, synth};

use super::hollow;

fn facts() -> Json {
    serde_json::from_str(include_str!("../fixtures/model_facts.json")).unwrap()
}

fn every_variant() -> impl Iterator<Item = (Model, Mix, Json)> {
    let facts = facts();
    Model::ALL
        .into_iter()
        .flat_map(|model| Mix::of(model).iter().map(move |mix| (model, *mix)))
        .map(move |(model, mix)| {
            (
                model,
                mix,
                facts[model.name()]["variants"][mix.name()].clone(),
            )
        })
}

fn inspected(file: &Gguf) -> Inspection {
    let machines = [
        ("RTX 5090", 1792.0),
        ("DGX Spark", 273.0),
        ("H100 SXM", 3350.0),
    ];
    let machines = machines.map(|(name, bandwidth_gbps)| Machine {
        name: name.to_owned(),
        bandwidth_gbps,
    });
    inspect::inspect(file, &[2048, 32_768, 262_144], &machines).unwrap()
}

#[test]
fn every_tensor_of_every_variant_has_its_name_shape_type_size_and_place() {
    for (model, mix, facts) in every_variant() {
        let plan = synth::plan(model, Scale::Full, mix, 1).unwrap();
        let data = plan.header().len() as u64;
        let mut digest = Sha256::new();
        for tensor in plan.tensors() {
            let dims: Vec<_> = tensor.dims.iter().map(u64::to_string).collect();
            let (name, ty, bytes, offset) =
                (&tensor.name, tensor.ty, tensor.bytes, tensor.offset - data);
            digest.update(format!("{name} {} {ty} {bytes} {offset}\n", dims.join("x")));
        }
        let digest = hex(&digest.finalize());
        assert_eq!(
            json!(plan.tensors().len()),
            facts["tensors"],
            "{model} {mix}"
        );
        assert_eq!(json!(digest), facts["tensors_sha256"], "{model} {mix}");
        assert_eq!(
            json!(plan.file_bytes() - data),
            facts["data_section_bytes"],
            "{model} {mix}"
        );
    }
}

#[test]
fn inspection_equals_the_facts_to_the_byte_in_under_a_second() {
    for (model, mix, facts) in every_variant() {
        let file = hollow(model, mix);
        let start = Instant::now();
        let found = inspected(&file);
        assert!(start.elapsed() < Duration::from_secs(1));

        let types: BTreeMap<_, _> = found
            .types
            .iter()
            .map(|total| (total.r#type, total.tensors))
            .collect();
        assert_eq!(json!(types), facts["types"], "{model} {mix}");
        assert_eq!(
            json!(found.tensor_bytes),
            facts["tensor_bytes"],
            "{model} {mix}"
        );
        assert_eq!(
            found.classes.iter().map(|class| class.bytes).sum::<u64>(),
            found.tensor_bytes
        );
        let decode = found.decode.unwrap();
        let classes: BTreeMap<_, _> = decode
            .weights_by_class
            .iter()
            .map(|class| (class.class, class.bytes))
            .collect();
        assert_eq!(
            json!(classes),
            facts["weights_per_token_by_class"],
            "{model} {mix}"
        );
        assert_eq!(
            json!(decode.weights_read_bytes),
            facts["weights_per_token_bytes"],
            "{model} {mix}"
        );
        assert_eq!(decode.weights_resident_bytes, found.tensor_bytes);
    }
}

#[test]
fn parameters_kv_and_state_equal_the_facts() {
    for model in Model::ALL {
        let facts = &facts()[model.name()];
        let number = |key: &str| facts[key].as_u64().unwrap();
        let found = inspected(&hollow(model, Mix::pinned(model)));
        assert_eq!(found.parameters, number("parameters"));
        let decode = found.decode.unwrap();
        assert_eq!(decode.state_bytes, number("state_bytes"));
        assert_eq!(decode.state_moved_bytes, 2 * number("state_bytes"));
        for at in decode.contexts {
            let sliding = at.context_tokens.min(number("window_tokens"));
            let kv = number("kv_per_token_full_bytes") * at.context_tokens
                + number("kv_per_token_sliding_bytes") * sliding;
            assert_eq!(at.kv_bytes, kv, "{model} at {}", at.context_tokens);
            assert_eq!(
                at.moved_bytes,
                decode.weights_read_bytes + kv + decode.state_moved_bytes
            );
            assert_eq!(
                at.resident_bytes,
                decode.weights_resident_bytes + kv + decode.state_bytes
            );
        }
    }
}

/// The roofline as published beside the facts, rounded there to whole tokens: RTX 5090, DGX Spark, H100 SXM.
#[test]
fn bandwidth_limits_are_those_of_the_roofline() {
    for (model, expected) in [
        (
            Model::Qwen35,
            [[833, 127, 1557], [644, 98, 1205], [240, 37, 448]],
        ),
        (
            Model::Gemma4,
            [[629, 96, 1177], [515, 79, 964], [219, 33, 410]],
        ),
    ] {
        let decode = inspected(&hollow(model, Mix::pinned(model)))
            .decode
            .unwrap();
        for (at, expected) in decode.contexts.iter().zip(expected) {
            let found: Vec<_> = at
                .limits
                .iter()
                .map(|limit| limit.tokens_per_s.round() as i64)
                .collect();
            assert_eq!(found, expected, "{model} at {}", at.context_tokens);
        }
    }
}

#[test]
fn the_files_state_the_hyper_parameters_of_the_published_ones() {
    for model in Model::ALL {
        let file = hollow(model, Mix::pinned(model));
        let facts = &facts()[model.name()];
        for entry in facts["metadata"].as_array().unwrap() {
            let key = entry[0].as_str().unwrap();
            let value = file
                .metadata()
                .get(key)
                .unwrap_or_else(|| panic!("no {key}"));
            let (ty, value) = as_facts(value);
            assert_eq!(
                (json!(ty), value),
                (entry[1].clone(), entry[2].clone()),
                "{key}"
            );
        }
        for (key, entries) in facts["tokenizer"].as_object().unwrap() {
            let Some(Value::Array(array)) = file.metadata().get(key) else {
                panic!("no array {key}");
            };
            assert_eq!(json!(array.len()), *entries, "{key}");
        }
        assert!(
            file.metadata()
                .str("general.name")
                .unwrap()
                .contains("synthetic")
        );
    }
}

/// A value as the facts write it: type and JSON.
fn as_facts(value: &Value) -> (&'static str, Json) {
    match value {
        Value::U32(number) => ("UINT32", json!(number)),
        Value::F32(number) => (
            "FLOAT32",
            number
                .to_string()
                .parse::<f64>()
                .map(|number| json!(number))
                .unwrap(),
        ),
        Value::Array(Array::I32(numbers)) => ("ARRAY[INT32]", json!(numbers)),
        Value::Array(Array::Bool(truths)) => ("ARRAY[BOOL]", json!(truths)),
        other => panic!("no hyper-parameter is {}", other.describe()),
    }
}

#[test]
fn a_file_gives_back_the_architecture_that_it_was_made_from() {
    for model in Model::ALL {
        let file = hollow(model, Mix::pinned(model));
        let read = Architecture::read(file.metadata(), file.tensors()).unwrap();
        assert_eq!(read, model.architecture(Scale::Full));
    }
}
