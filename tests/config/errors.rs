//! Every way in which a configuration can be wrong, and what the user is told.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use proptest::{prop_assert, proptest};
use sparkbench::config::{ConfigError, load};

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
    let all = edited(
        "configs/rtx5090.yaml",
        load::machine,
        &[
            ("bandwidth_gbps", "bandwidth_gb"),
            ("memory_bytes", "memory_gib"),
            ("sm_count", "sms"),
            ("description", "descripton"),
            (
                "edge_target: true",
                "edge_target: true\nexpert_paging: true",
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
                "tensor_int8_tops: 838\ntensor_int8_tops_reason: none",
            ),
            ("name: rtx5090", "name: RTX 5090"),
            ("name: rtx5090", "name: ''"),
            ("name: rtx5090", "name: \"a\\nb\""),
            ("description: NVIDIA", "description: \"\\e[31m\" #"),
            ("name: rtx5090", "name: rtx5090\nname: rtx5090"),
            ("l2_bytes: 100663296", "l2_bytes: 100663296\n\tx: 1"),
            ("name: rtx5090", "name: [rtx5090"),
            ("name: rtx5090", "name: \"rtx\u{7}5090\""),
            ("name: rtx5090", "name: *other"),
            ("name: rtx5090", "source: here\nname: rtx5090"),
            (
                "power_limit_watts: 575",
                "power_limit_watts: 575\n---\nname: b",
            ),
        ],
    );
    insta::assert_snapshot!(all);
}

#[test]
fn model_files() {
    let all = edited(
        "configs/models/qwen35_35b_a3b.yaml",
        load::model,
        &[
            ("sha256: f25d", "sha256: F25D"),
            ("sha256: 3b46", "sha256: 3b4"),
            ("revision: bc01", "revision: main-bc01"),
            ("file: Qwen", "file: ../Qwen"),
            (
                "    revision_reason: no public source names the commit; the digest identifies the file\n",
                "",
            ),
            ("bytes: 22016023168", "bytes: 22.0 GB"),
            ("bytes: 22016023168", "bytes: 22016023168\n    bytes: 1"),
            ("bytes: 22016023168", "size_bytes: 22016023168"),
            ("default: true", "default: false"),
            (
                "repository: unsloth",
                "default: true\n    repository: unsloth",
            ),
            ("kv_heads: 2", "kv_heads: 3"),
            ("rotary_dim: 64", "rotary_dim: 512"),
            ("layers: [3, 7,", "layers: [3, 3, 7,"),
            ("layers: [3, 7,", "layers: [7,"),
            ("35, 39]", "35, 40]"),
            ("per_token: 8", "per_token: 300"),
            ("layer_count: 40", "layer_count: 0"),
            ("rope_theta: 1.0e7", "rope_theta: 10_000_000"),
            ("bytes: 40680896", "bytes: 0"),
            ("scale: tiny", "scale: huge"),
            ("kv_bytes_per_token_f16: 20480", "kv_bytes_per_token: 20480"),
            ("stated:", "stated: null\nstates:"),
        ],
    );
    insta::assert_snapshot!(all);
}

#[test]
fn target_files() {
    let all = edited(
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
    );
    insta::assert_snapshot!(all);
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
    let cases: [(&str, &[u8]); 9] = [
        ("an empty file", b""),
        ("only comments", b"# nothing\n\n"),
        ("a list", b"- a\n- b\n"),
        ("a word", b"hello\n"),
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
    let target = fs::read_to_string("configs/targets/qwen35_35b_a3b_h100.yaml").expect("readable");
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

proptest! {
    #[test]
    fn no_edit_of_a_file_makes_more_than_one_line_of_error(
        start in 0usize..6000,
        length in 0usize..40,
        text in "[ -~\\n\\t\\[\\]{}:&*é\u{7}]{0,20}",
        which in 0usize..3,
    ) {
        let name = [
            "configs/h100.yaml",
            "configs/models/gemma4_26b_a4b.yaml",
            "configs/targets/gemma4_26b_a4b_rtx5090.yaml",
        ][which];
        let mut bytes = fs::read(name).expect("readable");
        let start = start.min(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, text.bytes());
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.yaml");
        fs::write(&path, bytes).expect("writable");
        let argument = path.to_str().expect("UTF-8");
        let outcomes = [
            load::machine(argument).err(),
            load::model(argument).err(),
            load::targets(argument).err(),
        ];
        for error in outcomes.into_iter().flatten() {
            let said = format!("{error}{}", error.hint().unwrap_or_default());
            prop_assert!(!said.contains(char::is_control), "{said:?}");
        }
    }
}
