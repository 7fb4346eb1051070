//! The configuration files as a user meets them: the built-in ones load and say true things, broken ones say what is
//! wrong, where, and what to do.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use sparkbench::config::{
    self, BaselineKind, ConfigError, GoalKind, Machine, Model, Role, Target, Wanted, load,
};

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
    // FIPS 180-2, appendix B.1, over a file that is not YAML cannot load; a comment gives a text we control.
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("m.yaml");
    let text = fs::read_to_string("configs/rtx5090.yaml").expect("readable");
    fs::write(&path, format!("{text}# one more line\n")).expect("writable");
    let changed = load::machine(path.to_str().expect("UTF-8")).expect("loads");
    let built_in = machine("rtx5090");
    assert_ne!(changed.source.sha256, built_in.source.sha256);
    assert_eq!(built_in.source.text, text);
    assert_eq!(built_in.source.path, "configs/rtx5090.yaml");
    assert_eq!(changed.source.sha256.len(), 64);
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
    assert_eq!(qwen.mix.as_deref(), Some("q4_k_m.lmstudio_feb2026"));
    let gemma = pin("gemma4_26b_a4b");
    assert_eq!(gemma.repository, "ggml-org/gemma-4-26B-A4B-it-GGUF");
    assert_eq!(gemma.bytes, 16_796_015_136);
    assert_eq!(gemma.mix.as_deref(), Some("q4_k_m.ggml_org"));
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

mod errors {
    use super::*;

    /// What a user would see, with the directory taken out of the paths.
    fn told<T>(outcome: Result<T, ConfigError>, dir: &Path) -> String {
        let Err(error) = outcome else {
            return "no error\n".to_owned();
        };
        let mut said = format!("error: {error}\n");
        if let Some(hint) = error.hint() {
            let _ = writeln!(said, "hint: {hint}");
        }
        said.replace(&format!("{}/", dir.display()), "")
    }

    /// Loads a built-in file with one text replaced by another, once for each edit.
    fn edited<T>(
        built_in: &str,
        load: impl Fn(&str) -> Result<T, ConfigError>,
        edits: &[(&str, &str)],
    ) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let text = fs::read_to_string(built_in).expect("readable");
        let file = Path::new(built_in).file_name().expect("a name");
        let path = dir.path().join(file);
        let mut all = String::new();
        for (from, to) in edits {
            assert!(text.contains(from), "{built_in} has no `{from}`");
            fs::write(&path, text.replacen(from, to, 1)).expect("writable");
            let said = told(load(path.to_str().expect("UTF-8")), dir.path());
            let _ = writeln!(all, "{:?} -> {:?}\n{said}", from, to);
        }
        all
    }

    #[test]
    fn machine_files() {
        insta::assert_snapshot!(edited(
            "configs/rtx5090.yaml",
            load::machine,
            &[
                ("bandwidth_gbps", "bandwidth_gb"),
                ("memory_bytes", "memory_gib"),
                ("sm_count", "sms"),
                ("description", "descripton"),
                (
                    "edge_target: true",
                    "edge_target: true\nexpert_paging: true"
                ),
                ("1792", "~1792"),
                ("33660534784", "33_660_534_784"),
                ("33660534784", "32 GB"),
                ("33660534784", "-1"),
                ("33660534784", "0"),
                ("33660534784", "99999999999999999999"),
                ("33660534784", "9007199254740992"),
                ("1792", "0"),
                ("1792", "-1792"),
                ("1792", ".nan"),
                ("1792", ".inf"),
                ("1792", "null"),
                ("sm_count: 170", "#"),
                ("sm_target: sm_120", "sm_target: sm_100"),
                ("sm_target: sm_120", "sm_target: sm_121"),
                ("[12, 0]", "[12]"),
                ("[12, 0]", "12.0"),
                ("[RTX 5090]", "[]"),
                ("[RTX 5090]", "RTX 5090"),
                ("edge_target: true", "edge_target: yes"),
                ("memory_kind: discrete", "memory_kind: unifed"),
                ("memory_kind: discrete", "memory_kind: [discrete]"),
                ("tensor_int8_tops: 838", "tensor_int8_tops: null"),
                (
                    "tensor_int8_tops: 838",
                    "tensor_int8_tops: 838\ntensor_int8_tops_reason: none"
                ),
                ("name: rtx5090", "name: RTX 5090"),
                ("name: rtx5090", "name: ''"),
                ("name: rtx5090", "name: rtx5090\nname: rtx5090"),
                ("l2_bytes: 100663296", "l2_bytes: 100663296\n\tx: 1"),
                ("name: rtx5090", "name: [rtx5090"),
                ("name: rtx5090", "name: \"rtx\u{7}5090\""),
                ("name: rtx5090", "name: *other"),
                ("name: rtx5090", "source: here\nname: rtx5090"),
            ],
        ));
    }

    #[test]
    fn model_files() {
        insta::assert_snapshot!(edited(
            "configs/models/qwen35_35b_a3b.yaml",
            load::model,
            &[
                ("sha256: f25d", "sha256: F25D"),
                ("sha256: 3b46", "sha256: 3b4"),
                ("revision: bc01", "revision: main-bc01"),
                (
                    "    revision_reason: no public source names the commit; the digest identifies the file\n",
                    ""
                ),
                ("bytes: 22016023168", "bytes: 22.0 GB"),
                ("bytes: 22016023168", "bytes: 22016023168\n    bytes: 1"),
                ("bytes: 22016023168", "size_bytes: 22016023168"),
                ("default: true", "default: false"),
                (
                    "repository: unsloth",
                    "default: true\n    repository: unsloth"
                ),
                ("kv_heads: 2", "kv_heads: 3"),
                ("rotary_dim: 64", "rotary_dim: 512"),
                ("layers: [3, 7,", "layers: [3, 3, 7,"),
                ("layers: [3, 7,", "layers: [7,"),
                ("35, 39]", "35, 40]"),
                ("per_token: 8", "per_token: 300"),
                ("layer_count: 40", "layer_count: 0"),
                ("rope_theta: 1.0e7", "rope_theta: 10_000_000"),
                (
                    "synthetic: []",
                    "synthetic: [{scale: full, mix: a, seed: 1, bytes: 5, sha256: aa}]"
                ),
                ("synthetic: []", "synthetic:\n  - scale: huge"),
                ("kv_bytes_per_token_f16: 20480", "kv_bytes_per_token: 20480"),
                ("stated:", "stated: null\nstates:"),
            ],
        ));
    }

    #[test]
    fn target_files() {
        insta::assert_snapshot!(edited(
            "configs/targets/qwen35_35b_a3b_rtx5090.yaml",
            load::targets,
            &[
                ("contexts_tokens: [2048,", "contexts_tokens: [2048, 2048,"),
                ("contexts_tokens: [2048,", "contexts_tokens: [4096, 2048,"),
                ("131072, 262144]", "131072, 262145]"),
                ("131072, 262144]", "131072, 256K]"),
                ("contexts_tokens: [2048,", "contexts_tokens: [0,"),
                ("contexts_tokens: [2048,", "contexts: [2048,"),
                ("machine: rtx5090", "machine: rtx5909"),
                ("machine: rtx5090", "machine: ../rtx5909.yaml"),
                ("model: qwen35_35b_a3b", "model: mixtral"),
                ("decode_tokens_per_s: 130", "decode_tokens_per_s: 130 tok/s"),
                ("decode_tokens_per_s: 130", "decode_tokens_per_s: 0"),
                ("decode_tokens_per_s: 130", "decode: 130"),
                ("    decode_tokens_per_s: 130\n", ""),
                ("fits_in_memory: true", "fits_in_memory: false"),
                ("    context_tokens: 2048\n", "    context_tokens: 3000\n"),
                ("kind: headline", "kind: headlines"),
                ("    context_tokens_reason: the post does not say\n", ""),
                ("    decode_tokens_per_s: 214\n", ""),
                ("    source: zenn.dev, toki_mwc\n", ""),
            ],
        ));
    }

    #[test]
    fn whole_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("m.yaml");
        let argument = path.to_str().expect("UTF-8");
        let mut all = String::new();
        let mut tell = |what: &str, said: String| {
            let _ = writeln!(all, "{what}\n{said}");
        };
        let bomb = {
            let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
            for (this, last) in ('b'..='k').zip('a'..) {
                let many = vec![format!("*{last}"); 9].join(", ");
                let _ = writeln!(bomb, "{this}: &{this} [{many}]");
            }
            bomb
        };
        let nested_bomb = format!("{}name: *k\n", bomb.replace("a: &a", "description: &a"));
        let deep = format!("name: {}", "[".repeat(100_000));
        let cases: [(&str, &[u8]); 10] = [
            ("an empty file", b""),
            ("only comments", b"# nothing\n\n"),
            ("a list", b"- a\n- b\n"),
            ("a word", b"hello\n"),
            ("two documents", b"name: a\n---\nname: b\n"),
            ("not UTF-8", b"name: a\ndescription: caf\xe9\n"),
            ("UTF-16", b"\xff\xfen\x00a\x00"),
            ("an alias bomb", bomb.as_bytes()),
            ("an alias bomb behind known keys", nested_bomb.as_bytes()),
            ("deep nesting", deep.as_bytes()),
        ];
        for (what, bytes) in cases {
            fs::write(&path, bytes).expect("writable");
            tell(what, told(load::machine(argument), dir.path()));
        }
        fs::write(&path, vec![b'#'; (1 << 20) + 1]).expect("writable");
        tell("more than 1 MiB", told(load::machine(argument), dir.path()));
        fs::remove_file(&path).expect("removable");
        tell("no such file", told(load::machine(argument), dir.path()));
        let misplaced = dir.path().join("rtx5090.yaml");
        let misplaced = misplaced.to_str().expect("UTF-8");
        tell(
            "no such file, but a built-in name",
            told(load::machine(misplaced), dir.path()),
        );
        let folder = format!("{}/", dir.path().display());
        let said = told(
            load::machine(&folder),
            dir.path().parent().expect("a parent"),
        );
        let name = dir
            .path()
            .file_name()
            .and_then(|n| n.to_str())
            .expect("UTF-8");
        tell("a directory", said.replace(name, "folder"));
        tell(
            "an unknown machine",
            told(load::machine("rtx4090"), dir.path()),
        );
        tell("an unknown model", told(load::model("llama"), dir.path()));
        tell(
            "an unknown target",
            told(load::targets("qwen35_rtx5090"), dir.path()),
        );
        let text = fs::read_to_string("configs/h100.yaml").expect("readable");
        fs::write(&path, text.replacen("name: h100", "name: h200", 1)).expect("writable");
        tell(
            "a machine without targets",
            told(load::targets(argument), dir.path()),
        );
        let gemma = load::model("gemma4_26b_a4b").expect("loads");
        let targets = load::targets("qwen35_35b_a3b_h100").expect("loads");
        tell(
            "another model",
            told(load::only_model(targets, &gemma), dir.path()),
        );
        insta::assert_snapshot!(all);
    }

    #[test]
    fn a_target_file_finds_its_machine_beside_itself() {
        let dir = tempfile::tempdir().expect("a directory");
        let machine = fs::read_to_string("configs/h100.yaml").expect("readable");
        let target =
            fs::read_to_string("configs/targets/qwen35_35b_a3b_h100.yaml").expect("readable");
        fs::write(
            dir.path().join("mine.yaml"),
            machine.replacen("name: h100", "name: mine", 1),
        )
        .expect("writable");
        fs::create_dir(dir.path().join("targets")).expect("writable");
        let path = dir.path().join("targets/t.yaml");
        fs::write(
            &path,
            target.replacen("machine: h100", "machine: ../mine.yaml", 1),
        )
        .expect("writable");
        let loaded = load::targets(path.to_str().expect("UTF-8")).expect("loads");
        assert_eq!(loaded[0].machine.name, "mine");
        assert!(loaded[0].model.source.built_in);

        // An error in a file that is referred to names that file.
        fs::write(dir.path().join("mine.yaml"), "name: mine\n").expect("writable");
        let error =
            load::targets(path.to_str().expect("UTF-8")).expect_err("the machine is incomplete");
        assert!(error.to_string().contains("mine.yaml:1:1"), "{error}");
    }
}
