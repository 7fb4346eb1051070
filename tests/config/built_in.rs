//! The built-in files: they load, they are the files of the repository, and they say true things.

use std::fs;
use std::path::Path;

use sparkbench::build_info::sha256_hex;
use sparkbench::config::{self, BaselineKind, GoalKind, Machine, Role, Target, Wanted, load};

fn machine(name: &str) -> Machine {
    load::machine(name).expect("a built-in machine loads")
}

fn target(name: &str) -> Target {
    load::targets(name)
        .expect("a built-in target loads")
        .remove(0)
}

/// Bytes moved for one decoded token, as the machine's data sheet bandwidth would bound it.
fn bandwidth_limit_tokens_per_s(target: &Target, context: u64) -> f64 {
    let stated = &target.model.stated;
    let bytes = stated.weight_bytes_per_token
        + 2 * stated.recurrent_state_bytes
        + stated.kv_window_bytes_f16
        + stated.kv_bytes_per_token_f16 * context;
    target.machine.bandwidth_gbps * 1e9 / bytes as f64
}

#[test]
fn every_built_in_file_loads_under_its_own_name() {
    for name in config::built_in_names(Role::Machine) {
        assert_eq!(machine(name).name, name);
    }
    for name in config::built_in_names(Role::Model) {
        assert_eq!(load::model(name).expect("loads").name, name);
    }
    for name in config::built_in_names(Role::Target) {
        let target = target(name);
        assert_eq!(target.name, name);
        assert_eq!(
            name,
            format!("{}_{}", target.model.name, target.machine.name)
        );
    }
    assert_eq!(load::built_in_targets().expect("load").len(), 8);
}

#[test]
fn every_yaml_file_of_the_repository_is_built_in_and_the_same_by_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut files = 0;
    for (folder, role) in [
        ("", Role::Machine),
        ("models", Role::Model),
        ("targets", Role::Target),
    ] {
        for entry in fs::read_dir(root.join(folder)).expect("the folder exists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                continue;
            }
            let stem = path.file_stem().and_then(|s| s.to_str()).expect("UTF-8");
            assert!(config::built_in_names(role).contains(&stem), "{stem}");
            let argument = path.to_str().expect("UTF-8");
            let (by_path, by_name) = match role {
                Role::Machine => (
                    load::machine(argument).map(|c| c.source),
                    machine(stem).source,
                ),
                Role::Model => (
                    load::model(argument).map(|c| c.source),
                    load::model(stem).expect("loads").source,
                ),
                Role::Target => (
                    load::targets(argument).map(|mut t| t.remove(0).source),
                    target(stem).source,
                ),
            };
            let by_path = by_path.expect("the file loads");
            assert_eq!(by_path.sha256, by_name.sha256);
            assert_eq!(by_path.name, stem);
            assert!(by_name.built_in && !by_path.built_in);
            files += 1;
        }
    }
    assert_eq!(files, 14);
}

#[test]
fn the_digest_of_a_source_is_that_of_its_text() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("m.yaml");
    let text = fs::read_to_string("configs/rtx5090.yaml").expect("readable");
    fs::write(&path, format!("{text}# one more line\n")).expect("writable");
    let changed = load::machine(path.to_str().expect("UTF-8")).expect("loads");
    let built_in = machine("rtx5090");
    assert_ne!(changed.source.sha256, built_in.source.sha256);
    assert_eq!(built_in.source.text, text);
    assert_eq!(built_in.source.path, "configs/rtx5090.yaml");
    assert_eq!(built_in.source.sha256, sha256_hex(text.as_bytes()));
}

#[test]
fn a_machine_stands_for_all_its_targets() {
    let names = |argument: &str| -> Vec<String> {
        let targets = load::targets(argument).expect("loads");
        targets.into_iter().map(|target| target.name).collect()
    };
    let both = ["qwen35_35b_a3b_rtx5090", "gemma4_26b_a4b_rtx5090"];
    assert_eq!(names("rtx5090"), both);
    assert_eq!(names("configs/rtx5090.yaml"), both);
    assert_eq!(
        names("configs/targets/gemma4_26b_a4b_h100.yaml"),
        ["gemma4_26b_a4b_h100"]
    );
}

#[test]
fn a_model_chooses_among_the_targets_of_a_machine() {
    let gemma = load::model("configs/models/gemma4_26b_a4b.yaml").expect("loads");
    let targets = load::targets("rtx5090").expect("loads");
    let chosen = load::only_model(targets, &gemma).expect("one is for it");
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].name, "gemma4_26b_a4b_rtx5090");
    assert_eq!(
        chosen[0].model.source.path,
        "configs/models/gemma4_26b_a4b.yaml"
    );
}

#[test]
fn a_device_is_recognised_by_its_name_and_compute_capability() {
    let found = |name, cc| config::machine_for_device(name, cc).map(|machine| machine.name);
    // Names as deviceQuery prints them.
    assert_eq!(
        found("NVIDIA GeForce RTX 5090", (12, 0)).as_deref(),
        Some("rtx5090")
    );
    assert_eq!(found("NVIDIA GB10", (12, 1)).as_deref(), Some("rtx_spark"));
    assert_eq!(
        found("NVIDIA Thor", (11, 0)).as_deref(),
        Some("jetson_thor")
    );
    assert_eq!(
        found("NVIDIA H100 80GB HBM3", (9, 0)).as_deref(),
        Some("h100")
    );
    // Other chips, boards and slices with a similar name have other figures.
    assert_eq!(found("NVIDIA GeForce RTX 5090 Laptop GPU", (12, 0)), None);
    assert_eq!(found("NVIDIA H100 PCIe", (9, 0)), None);
    assert_eq!(found("NVIDIA H100 80GB HBM3 MIG 3g.40gb", (9, 0)), None);
    assert_eq!(found("NVIDIA GeForce RTX 5090", (8, 9)), None);
    assert_eq!(
        found("PSEUDOTHOR Thor", (11, 0)).as_deref(),
        Some("jetson_thor")
    );
    assert_eq!(found("NVIDIA Author", (11, 0)), None);
}

#[test]
fn the_figures_that_are_often_wrong_are_right() {
    let targets =
        ["rtx5090", "rtx_spark", "jetson_thor", "h100"].map(|name| machine(name).sm_target);
    assert_eq!(targets, ["sm_120", "sm_121", "sm_110", "sm_90"]);
    assert_eq!(machine("rtx5090").memory_bytes, 33_660_534_784);
    assert_eq!(machine("rtx_spark").bandwidth_gbps, 273.0);
    assert!(!machine("h100").edge_target);

    let qwen = load::model("qwen35_35b_a3b").expect("loads");
    assert_eq!(qwen.architecture, "qwen35moe");
    assert_eq!(qwen.attention[0].head_dim, 256);
    assert_eq!(qwen.attention[0].layers.len(), 10);
    assert_eq!(qwen.recurrent.as_ref().map(|r| r.layers.len()), Some(30));
    let gemma = load::model("gemma4_26b_a4b").expect("loads");
    assert_eq!(gemma.hidden_size, 2816);
    assert_eq!(gemma.dense_ffn_width, Some(2112));
    assert_eq!(gemma.shared_expert_width, None);
    assert!(gemma.attention[1].value_from_key);
    for model in [&qwen, &gemma] {
        assert!(model.stated.memory_at_262144_context_bytes < machine("rtx5090").memory_bytes);
    }
}

#[test]
fn the_default_weights_are_the_stock_recipes() {
    let pin = |name: &str| {
        let model = load::model(name).expect("loads");
        model
            .default_weights()
            .cloned()
            .expect("one is the default")
    };
    let qwen = pin("qwen35_35b_a3b");
    assert_eq!(qwen.repository, "lmstudio-community/Qwen3.5-35B-A3B-GGUF");
    assert_eq!(qwen.bytes, 21_169_116_992);
    assert_eq!(qwen.mix.as_deref(), Some("lmstudio-feb2026"));
    let gemma = pin("gemma4_26b_a4b");
    assert_eq!(gemma.repository, "ggml-org/gemma-4-26B-A4B-it-GGUF");
    assert_eq!(gemma.bytes, 16_796_015_136);
    assert_eq!(gemma.mix.as_deref(), Some("ggml-org"));
}

#[test]
fn the_headline_goals_are_kept() {
    let headline = |name: &str| {
        let target = target(name);
        let goal = target
            .goals
            .into_iter()
            .find(|g| g.kind == GoalKind::Headline);
        goal.map(|goal| (goal.context_tokens, goal.wanted()))
    };
    assert_eq!(
        headline("qwen35_35b_a3b_rtx5090"),
        Some((2048, Some(Wanted::DecodeTokensPerS(130.0))))
    );
    assert_eq!(
        headline("gemma4_26b_a4b_rtx5090"),
        Some((262_144, Some(Wanted::FitsInMemory)))
    );
}

#[test]
fn every_stretch_goal_is_possible_and_worth_reaching() {
    for target in load::built_in_targets().expect("load") {
        for goal in target
            .goals
            .iter()
            .filter(|goal| goal.kind == GoalKind::Stretch)
        {
            let Some(Wanted::DecodeTokensPerS(rate)) = goal.wanted() else {
                continue;
            };
            let limit = bandwidth_limit_tokens_per_s(&target, goal.context_tokens);
            let share = rate / limit;
            assert!(
                (0.6..0.85).contains(&share),
                "{}: {rate} of {limit}",
                target.name
            );
            // Rates with the KV cache at this depth or emptier: llama.cpp, on 4-bit GGUF files.
            let llama = target
                .baselines
                .iter()
                .filter(|b| {
                    b.engine.starts_with("llama.cpp")
                        && b.context_tokens >= Some(goal.context_tokens)
                })
                .filter_map(|b| b.decode_tokens_per_s);
            for reached in llama {
                assert!(rate > reached, "{}: {rate} against {reached}", target.name);
            }
        }
    }
}

#[test]
fn only_the_machine_that_was_measured_has_measured_baselines() {
    for target in load::built_in_targets().expect("load") {
        let measured = target
            .baselines
            .iter()
            .any(|b| b.kind == BaselineKind::Measured);
        assert_eq!(measured, target.machine.name == "h100", "{}", target.name);
        assert_eq!(
            target.machine.measured.is_some(),
            target.machine.name == "h100"
        );
    }
}

#[test]
fn a_null_in_json_has_its_reason_beside_it() {
    fn walk(value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let reason = format!("{key}_reason");
                    assert_eq!(value.is_null(), map.contains_key(&reason), "{key}");
                    walk(value);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    let targets = load::built_in_targets().expect("load");
    let json = serde_json::to_value(&targets).expect("serialises");
    walk(&json);
    assert_eq!(json[0]["machine"]["source"]["name"], "rtx5090");
    assert!(json[0]["machine"]["source"].get("text").is_none());
}
