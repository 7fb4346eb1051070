//! The derived figures that model files state, recomputed from the hyper-parameters and the type rule of the default
//! mix. The tensors are those of the published files; llama.cpp reports the same sums of bytes for them.

use sparkbench::config::{Attention, Model, load};
use sparkbench::quant::TensorType::{self, F32, Q4_K, Q5_0, Q5_K, Q6_K, Q8_0};

/// Bytes of all tensors, and of those that one token reads.
#[derive(Default)]
struct Sum {
    all: u64,
    per_token: u64,
}

impl Sum {
    /// `count` tensors of `elements`, all of which a token reads.
    fn dense(&mut self, count: u64, elements: u64, kind: TensorType) {
        self.part(count, elements, kind, 1, 1);
    }

    /// The same, of which a token reads `used` parts in `parts`.
    fn part(&mut self, count: u64, elements: u64, kind: TensorType, used: u64, parts: u64) {
        let bytes = count * kind.bytes(elements).expect("whole blocks");
        self.all += bytes;
        self.per_token += bytes / parts * used;
    }
}

/// The layers to which llama.cpp's Q4_K_M recipe gives the larger of two types.
fn more_bits(i: u64, n: u64) -> bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
}

/// How many of the first `of` indices get the larger type, where `n` are counted.
fn larger(of: u64, n: u64) -> u64 {
    (0..of).filter(|i| more_bits(*i, n)).count() as u64
}

fn model(name: &str) -> Model {
    load::model(name).expect("a built-in model loads")
}

fn heads(attention: &Attention) -> (u64, u64, u64) {
    let head = u64::from(attention.head_dim);
    (
        u64::from(attention.query_heads) * head,
        u64::from(attention.kv_heads) * head,
        attention.layers.len() as u64,
    )
}

/// Qwen3.5 by the recipe of February 2026: `attn_qkv` always Q5_K, and `attn_v` counted alone against a total of both.
fn qwen_tensors(m: &Model) -> Sum {
    let mut sum = Sum::default();
    let (hidden, layers) = (m.hidden_size, u64::from(m.layer_count));
    let (query, kv, full) = heads(&m.attention[0]);
    let head = u64::from(m.attention[0].head_dim);
    let recurrent = m.recurrent.as_ref().expect("Gated DeltaNet layers");
    let linear = recurrent.layers.len() as u64;
    let state_head = u64::from(recurrent.head_dim);
    let keys = u64::from(recurrent.key_heads) * state_head;
    let value_heads = u64::from(recurrent.value_heads);
    let values = value_heads * state_head;
    let channels = 2 * keys + values;

    sum.part(1, hidden * m.vocabulary_size, Q4_K, 1, m.vocabulary_size);
    sum.dense(1, hidden * m.vocabulary_size, Q6_K);

    sum.dense(full, hidden * 2 * query, Q4_K);
    sum.dense(full, hidden * kv, Q4_K);
    let large = larger(full, full + linear);
    sum.dense(large, hidden * kv, Q6_K);
    sum.dense(full - large, hidden * kv, Q4_K);
    sum.dense(full, query * hidden, Q4_K);
    sum.dense(2 * full, head, F32);

    sum.dense(linear, hidden * channels, Q5_K);
    sum.dense(2 * linear, hidden * values, Q4_K); // gate and output
    sum.dense(2 * linear, hidden * value_heads, Q4_K);
    sum.dense(linear, u64::from(recurrent.conv_taps) * channels, F32);
    sum.dense(2 * linear, value_heads, F32);
    sum.dense(linear, state_head, F32);

    let (count, used) = (u64::from(m.experts.count), u64::from(m.experts.per_token));
    let expert = hidden * m.experts.width;
    let shared = hidden * m.shared_expert_width.expect("a shared expert");
    let large = larger(layers, layers);
    sum.part(2 * layers, expert * count, Q4_K, used, count);
    sum.part(large, expert * count, Q6_K, used, count);
    sum.part(layers - large, expert * count, Q4_K, used, count);
    sum.dense(2 * layers, shared, Q4_K);
    sum.dense(large, shared, Q6_K);
    sum.dense(layers - large, shared, Q4_K);
    sum.dense(layers, hidden * count, F32); // router
    sum.dense(layers, hidden, F32); // gate of the shared expert
    sum.dense(2 * layers + 1, hidden, F32); // norms
    sum
}

/// Gemma 4 by the current recipe: rows of 704 and 2112 fill no block of 256, so down is Q5_0 for Q4_K, Q8_0 for Q6_K.
fn gemma_tensors(m: &Model) -> Sum {
    let mut sum = Sum::default();
    let (hidden, layers) = (m.hidden_size, u64::from(m.layer_count));

    // The embedding is the LM head: read whole, and one row of it again.
    sum.dense(1, hidden * m.vocabulary_size, Q6_K);
    sum.per_token += Q6_K.bytes(hidden).expect("whole blocks");

    for attention in &m.attention {
        let (query, kv, n) = heads(attention);
        sum.dense(2 * n, hidden * query, Q4_K); // queries and output
        sum.dense(n, hidden * kv, Q4_K);
        if !attention.value_from_key {
            let large = larger(n, n);
            sum.dense(large, hidden * kv, Q6_K);
            sum.dense(n - large, hidden * kv, Q4_K);
        }
        sum.dense(2 * n, u64::from(attention.head_dim), F32);
    }

    let (count, used) = (u64::from(m.experts.count), u64::from(m.experts.per_token));
    let expert = hidden * m.experts.width;
    let dense = hidden * m.dense_ffn_width.expect("a dense block");
    let large = larger(layers, layers);
    sum.dense(2 * layers, dense, Q4_K);
    sum.dense(large, dense, Q8_0);
    sum.dense(layers - large, dense, Q5_0);
    sum.part(2 * layers, expert * count, Q4_K, used, count);
    sum.part(large, expert * count, Q8_0, used, count);
    sum.part(layers - large, expert * count, Q5_0, used, count);
    sum.dense(layers, hidden * count + hidden, F32); // router and its scale
    sum.dense(layers, count + 1, F32); // scale of each expert, scale of the layer
    sum.dense(7 * layers + 1, hidden, F32); // norms
    sum.dense(1, 256, F32); // frequencies of the global rope
    sum
}

/// What does not depend on the types of the weights.
fn check_memory(m: &Model) {
    let stated = &m.stated;
    let f16 = 2;
    let (mut per_token, mut window) = (0, 0);
    for attention in &m.attention {
        let (_, kv, layers) = heads(attention);
        let bytes = layers * 2 * kv * f16;
        match attention.window_tokens {
            Some(tokens) => window += bytes * tokens,
            None => per_token += bytes,
        }
    }
    let state = m.recurrent.as_ref().map_or(0, |r| {
        let head = u64::from(r.head_dim);
        let (keys, values) = (
            u64::from(r.key_heads) * head,
            u64::from(r.value_heads) * head,
        );
        let conv = u64::from(r.conv_taps - 1) * (2 * keys + values);
        r.layers.len() as u64 * (values * head + conv) * 4
    });
    assert_eq!(stated.kv_bytes_per_token_f16, per_token);
    assert_eq!(stated.kv_window_bytes_f16, window);
    assert_eq!(stated.recurrent_state_bytes, state);
    assert_eq!(
        stated.expert_f16_bytes,
        3 * m.hidden_size * m.experts.width * f16
    );
    assert_eq!(
        stated.memory_at_262144_context_bytes,
        stated.tensor_bytes + per_token * 262_144 + window + state
    );
    for (context, bytes) in [
        (2_048, stated.token_bytes_at_2048_context),
        (32_768, stated.token_bytes_at_32768_context),
        (262_144, stated.token_bytes_at_262144_context),
    ] {
        let computed = stated.weight_bytes_per_token + per_token * context + window + 2 * state;
        assert_eq!(bytes, computed, "at {context}");
    }
}

fn check_experts(m: &Model, small: TensorType, large: TensorType) {
    let bytes = |kind: TensorType| {
        let matrix = m.hidden_size * m.experts.width;
        2 * Q4_K.bytes(matrix).expect("whole blocks") + kind.bytes(matrix).expect("whole blocks")
    };
    assert_eq!(m.stated.expert_min_bytes, bytes(small));
    assert_eq!(m.stated.expert_max_bytes, bytes(large));
}

#[test]
fn what_qwen35_states_follows_from_its_hyper_parameters() {
    let m = model("qwen35_35b_a3b");
    let sum = qwen_tensors(&m);
    assert_eq!(m.stated.tensor_bytes, sum.all);
    assert_eq!(m.stated.weight_bytes_per_token, sum.per_token);
    check_experts(&m, Q4_K, Q6_K);
    check_memory(&m);
}

#[test]
fn what_gemma4_states_follows_from_its_hyper_parameters() {
    let m = model("gemma4_26b_a4b");
    let sum = gemma_tensors(&m);
    assert_eq!(m.stated.tensor_bytes, sum.all);
    assert_eq!(m.stated.weight_bytes_per_token, sum.per_token);
    check_experts(&m, Q5_0, Q8_0);
    check_memory(&m);
}

#[test]
fn the_files_hold_their_tensors_and_some_metadata() {
    for name in ["qwen35_35b_a3b", "gemma4_26b_a4b"] {
        let m = model(name);
        let file = m.default_weights().expect("one is the default").bytes;
        let metadata = file - m.stated.tensor_bytes;
        // Tokenizer tables of a quarter of a million tokens.
        assert!((10_000_000..17_000_000).contains(&metadata), "{metadata}");
    }
}
