//! What a plan holds and what it refuses, without a device.

use crate::config;
use crate::engine::cuda::memory;
use crate::engine::cuda::plan::{Place, Plan, Steps, plan};
use crate::engine::cuda::planner::{Content, Source};
use crate::engine::{Device, EngineError, Options};
use crate::gguf::TensorInfo;
use crate::kernels::decode::{Address, NormKind, Product, Stage};
use crate::model::sample::{Sample, micro_gemma4, mixed_samples};
use crate::model::{Architecture, Mix, Model, Scale, synth};
use crate::quant::TensorType;

use super::samples::{float_samples, odd_gemma, odd_qwen};

const PLACE: Place = Place {
    base: 1 << 20,
    ring: 4096,
    ring_size: 64,
    trace_steps: 64,
    sm_count: 132,
    splits_most: None,
};

fn try_plan(sample: &Sample, context: usize) -> Result<Plan, EngineError> {
    let file = sample.file();
    let architecture = Architecture::read(file.metadata(), file.tensors()).unwrap();
    let bytes = |tensor: &TensorInfo| file.bytes(tensor);
    plan(&architecture, &Source::of(&file, &bytes), context, PLACE)
}

fn sample(architecture: &Architecture) -> Sample {
    Sample::new(architecture, 1, TensorType::F32)
}

fn layers(plan: &Plan) -> impl Iterator<Item = &Stage> {
    plan.steps.layers.iter().map(|step| &step.stage)
}

fn names<'a>(stages: impl Iterator<Item = &'a Stage>) -> Vec<&'static str> {
    stages.map(Stage::name).collect()
}

#[test]
fn a_layer_is_six_or_seven_stages() {
    let attention = ["project", "attention", "attention_combine"];
    let joining = &attention[..2];
    let delta = ["project", "delta_step"];
    let rest = ["project", "project", "experts_up", "experts_down"];
    let in_context = |plan: &Plan, tokens| {
        let Steps { layers, begins, .. } = plan.steps.in_context(tokens);
        for begin in begins {
            assert_eq!(layers[begin].stage.name(), "project");
            assert!(begin == 0 || layers[begin - 1].stage.name() == "experts_down");
        }
        names(layers.iter().map(|step| &step.stage))
    };
    let qwen = try_plan(&sample(&odd_qwen()), 100).unwrap();
    let expected = [&delta[..], &rest, &attention, &rest].concat().repeat(2);
    assert_eq!(in_context(&qwen, 1025), expected);
    let expected = [&delta[..], &rest, joining, &rest].concat().repeat(2);
    assert_eq!(in_context(&qwen, 1024), expected);
    // Over a window attention always joins its splits.
    let gemma = try_plan(&sample(&odd_gemma()), 100).unwrap();
    let expected = [joining, &rest, &attention, &rest].concat().repeat(2);
    assert_eq!(in_context(&gemma, usize::MAX), expected);
    let expected = [joining, &rest].concat().repeat(4);
    assert_eq!(in_context(&gemma, 1), expected);
    for plan in [qwen, gemma] {
        let ends = names(plan.steps.stages()).split_off(plan.steps.layers.len());
        assert_eq!(ends, ["head", "next_token"]);
    }
}

/// So the buffer holds what a layer begins with behind the layer's first stage, and the first layer's embedding there too.
#[test]
fn a_layers_first_stage_leaves_the_residual_stream_or_finishes_it() {
    for architecture in [odd_qwen(), odd_gemma()] {
        let plan = try_plan(&sample(&architecture), 100).unwrap();
        let x = plan.buffers.x;
        let begins = &plan.steps.begins;
        assert_eq!(begins.len(), architecture.layers().len());
        for (layer, step) in begins.iter().enumerate() {
            let Stage::Project(project) = &plan.steps.layers[*step].stage else {
                panic!("layer {layer}")
            };
            assert!(project.segments.iter().all(|segment| segment.out != x));
            match (&architecture, project.norms.kind) {
                (Architecture::Gemma4(_), NormKind::GemmaNext { residual, .. }) => {
                    assert!(layer > 0 && residual == x);
                }
                (Architecture::Gemma4(_), _) => assert_eq!(layer, 0),
                (Architecture::Qwen35Moe(_), kind) => assert_eq!(kind, NormKind::Norm),
            }
        }
    }
}

#[test]
fn no_two_places_overlap() {
    let all = mixed_samples().into_iter().chain(float_samples());
    for (name, sample) in all {
        let plan = try_plan(&sample, 100).unwrap();
        let mut places: Vec<(u64, u64)> = plan
            .uploads
            .iter()
            .map(|upload| {
                let bytes = match &upload.content {
                    Content::Tensor { tensor, planes } => {
                        planes.bytes(tensor.bytes / tensor.ty.block_bytes())
                    }
                    Content::Values { tensor, .. } => 4 * tensor.elements(),
                    Content::Doubles(values) => 8 * values.len() as u64,
                };
                (upload.to[0].0, bytes)
            })
            .collect();
        for stage in layers(&plan) {
            match stage {
                Stage::Attention(attention) => {
                    let heads = attention.kv_heads * attention.head_dim;
                    let bytes = u64::from(attention.capacity * heads) * 2;
                    places.extend([(attention.keys.0, bytes), (attention.values.0, bytes)]);
                }
                Stage::Delta(delta) => {
                    let matrix = delta.value_dim * delta.key_dim;
                    places.push((delta.state.0, u64::from(delta.value_heads * matrix) * 4));
                }
                _ => {}
            }
        }
        places.push((plan.staging.0, plan.staging_bytes));
        places.sort_unstable();
        for pair in places.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{name}: {pair:x?}");
        }
        let end = places.last().map(|(start, bytes)| start + bytes).unwrap();
        assert!(end <= PLACE.base + plan.bytes, "{name}");
    }
}

/// A model of full size, whose file does not exist.
struct Full(Architecture, Vec<TensorInfo>);

impl Full {
    fn new(model: Model) -> Self {
        let written = synth::plan(model, Scale::Full, Mix::pinned(model), 1).unwrap();
        let tensors = written.tensors().cloned().collect();
        Full(model.architecture(Scale::Full), tensors)
    }

    fn plan(&self, context: usize) -> Plan {
        let bytes = |_: &TensorInfo| -> &[u8] { &[] };
        let source = Source {
            tensors: &self.1,
            bytes: &bytes,
        };
        plan(&self.0, &source, context, PLACE).unwrap()
    }
}

#[test]
fn a_plan_takes_what_the_configuration_states_and_what_does_not_fit_is_refused() {
    for model in Model::ALL {
        let stated = config::load::model(model.name()).unwrap().stated;
        let stated = stated.memory_at_262144_context_bytes;
        let full = Full::new(model);
        let plan = full.plan(262_144);
        let buffers = plan.bytes.checked_sub(stated).expect("all tensors");
        assert!(buffers < 448 << 20, "{model}: {buffers} bytes of buffers");
        let most: u64 = match model {
            Model::Qwen35 => 28_000_000_000,
            Model::Gemma4 => 24_000_000_000,
        };
        assert!(plan.bytes < most, "{model}: {} bytes in all", plan.bytes);
        let layers = full.0.layers().len();
        assert!((6 * layers..=7 * layers).contains(&plan.steps.layers.len()));

        let needed = |context| Ok(full.plan(context).bytes);
        assert!(memory::check(262_144, plan.bytes + (1 << 30), needed).is_ok());
        let error = memory::check(262_144, plan.bytes - (1 << 30), needed).unwrap_err();
        let EngineError::OutOfMemory {
            fits,
            needed: bytes,
            available,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert!(fits > 100_000 && bytes == plan.bytes);
        assert!(full.plan(fits).bytes <= available);
        assert!(full.plan(fits + 1).bytes > available);
        let error = memory::check(262_144, 1 << 30, needed).unwrap_err();
        assert!(matches!(error, EngineError::OutOfMemory { fits: 0, .. }));
    }
}

#[test]
fn a_limit_counts_what_others_use() {
    let gib = |n: u64| n << 30;
    assert_eq!(memory::within(None, gib(70), gib(80)), gib(70));
    assert_eq!(memory::within(Some(gib(32)), gib(70), gib(80)), gib(22));
    assert_eq!(memory::within(Some(gib(100)), gib(70), gib(80)), gib(70));
    assert_eq!(memory::within(Some(gib(5)), gib(70), gib(80)), 0);
}

#[test]
fn sliding_layers_keep_no_more_than_their_window() {
    let capacities = |context| -> Vec<(u32, u32)> {
        let plan = try_plan(&sample(&odd_gemma()), context).unwrap();
        let of = |stage: &Stage| match stage {
            Stage::Attention(attention) => Some((attention.capacity, attention.window)),
            _ => None,
        };
        layers(&plan).filter_map(of).collect()
    };
    assert_eq!(capacities(100), [(5, 5), (100, 0)].repeat(2));
    assert_eq!(capacities(3), [(3, 5), (3, 0)].repeat(2));
}

#[test]
fn attention_may_be_cut_into_fewer_parts() {
    let parts = |splits_most| {
        let sample = sample(&odd_gemma());
        let file = sample.file();
        let architecture = Architecture::read(file.metadata(), file.tensors()).unwrap();
        let bytes = |tensor: &TensorInfo| file.bytes(tensor);
        let place = Place {
            splits_most,
            ..PLACE
        };
        let plan = plan(&architecture, &Source::of(&file, &bytes), 100, place).unwrap();
        let of = |stage: &Stage| match stage {
            Stage::Attention(attention) => Some((attention.splits, attention.short_splits)),
            _ => None,
        };
        layers(&plan).filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(parts(None), [(1, 1), (4, 4)].repeat(2));
    assert_eq!(parts(Some(3)), [(1, 1), (3, 3)].repeat(2));
    assert_eq!(parts(Some(0)), [(1, 1); 4]);
}

#[test]
fn gemmas_residual_stream_goes_back_and_forth_between_two_buffers() {
    let plan = try_plan(&sample(&odd_gemma()), 100).unwrap();
    let of = |stage: &Stage| match stage {
        Stage::Project(project) => {
            let plain = project.norms.kind == NormKind::Plain;
            (!plain).then_some(project.norms)
        }
        Stage::Head(head) => Some(head.norms),
        _ => None,
    };
    let stages = layers(&plan).chain([&plan.steps.head.stage]);
    let mut at = plan.buffers.x;
    for norms in stages.filter_map(of) {
        assert_eq!(norms.x, at);
        match norms.kind {
            NormKind::AddNorm { residual, .. } => at = residual,
            NormKind::GemmaNext { residual, .. } if residual != Address::NULL => at = residual,
            _ => continue,
        }
        assert_ne!(norms.x, at);
    }
    let Stage::Head(head) = &plan.steps.head.stage else {
        panic!("{:?}", plan.steps.head)
    };
    assert!(matches!(head.norms.kind, NormKind::GemmaNext { .. }));
    assert_eq!(head.cap, 9.0);
}

#[test]
fn a_router_takes_the_second_vector() {
    let mut sample = sample(&odd_gemma());
    let plan = try_plan(&sample, 9).unwrap();
    let second = |stage: &&Stage| match stage {
        Stage::Project(project) => project.segments.iter().any(|segment| segment.vector == 1),
        _ => false,
    };
    assert_eq!(layers(&plan).filter(second).count(), 4);
    // Values of their own are a third product.
    let mut value = sample.tensor("blk.1.attn_k.weight").clone();
    value.name = "blk.1.attn_v.weight".to_owned();
    let products = |plan: &Plan| match &plan.steps.layers[plan.steps.begins[1]].stage {
        Stage::Project(project) => project.segments.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(products(&plan), 2);
    sample.tensors.push(value);
    assert_eq!(products(&try_plan(&sample, 9).unwrap()), 3);
}

#[test]
fn an_embedding_that_is_the_output_too_is_there_once() {
    let mut qwen = sample(&odd_qwen());
    qwen.remove("output.weight");
    let plan = try_plan(&qwen, 9).unwrap();
    let (Stage::Head(head), Stage::NextToken(next)) =
        (&plan.steps.head.stage, &plan.steps.next_token.stage)
    else {
        panic!("{:?}", plan.steps.head)
    };
    assert_eq!(head.matrix, next.embedding);
}

#[test]
fn experts_projections_may_be_fused_or_apart() {
    let fused = |sample: &Sample| {
        let plan = try_plan(sample, 9).unwrap();
        let of = |stage: &Stage| match stage {
            Stage::ExpertsUp(up) => Some(up.up == crate::kernels::decode::Matrix::NONE),
            _ => None,
        };
        layers(&plan).filter_map(of).collect::<Vec<bool>>()
    };
    assert_eq!(fused(&sample(&odd_qwen())), [false; 4]);
    assert_eq!(fused(&sample(&odd_gemma())), [true; 4]);
}

#[test]
fn qwens_gate_lies_behind_each_query() {
    let plan = try_plan(&sample(&odd_qwen()), 9).unwrap();
    let of = |stage: &Stage| match stage {
        Stage::Attention(attention) => Some(*attention),
        _ => None,
    };
    let both: Vec<_> = layers(&plan).filter_map(of).collect();
    assert_eq!(both.len(), 2);
    for attention in both {
        assert_eq!(attention.gate, attention.query.offset(64 * 4));
        assert_eq!((attention.query_stride, attention.gate_stride), (128, 128));
    }
    let shared = layers(&plan).any(|stage| {
        let Stage::Project(project) = stage else {
            return false;
        };
        let silu = |product: &Product| matches!(product, Product::Silu { .. });
        project
            .segments
            .iter()
            .any(|segment| silu(&segment.product))
    });
    assert!(shared);
}

#[test]
fn shapes_without_kernels_are_refused_by_name() {
    let qwen = |change: fn(&mut crate::model::Qwen35Moe)| {
        let Architecture::Qwen35Moe(mut shape) = odd_qwen() else {
            panic!()
        };
        change(&mut shape);
        try_plan(&sample(&Architecture::Qwen35Moe(shape)), 9)
    };
    let mut odd = sample(&odd_qwen());
    odd.tensor("blk.1.attn_q.weight").ty = TensorType::I32;
    let refused = [
        try_plan(&sample(&Architecture::Gemma4(micro_gemma4())), 9),
        qwen(|shape| shape.head_dim = 32),
        qwen(|shape| shape.state_size = 48),
        qwen(|shape| shape.value_dim = 24),
        qwen(|shape| shape.conv_kernel = 5),
        qwen(|shape| shape.embedding = 42),
        qwen(|shape| shape.experts = 513),
        qwen(|shape| {
            shape.layers.truncate(2);
            (shape.experts, shape.expert_width) = (3, 8200);
        }),
        qwen(|shape| {
            shape.layers.truncate(2);
            (shape.experts, shape.experts_used, shape.expert_width) = (32, 32, 2056);
        }),
        try_plan(&odd, 9),
    ];
    let said = refused.map(|refused| {
        let error = refused.err().unwrap();
        format!("{error}\n  hint: {}", error.hint().unwrap_or_default())
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_device_that_cannot_be_used_is_said_so_before_the_file_is_looked_at() {
    let opened = crate::engine::open(
        Device::Cuda,
        "no/such/model.gguf".as_ref(),
        Options::default(),
    );
    let error = opened.err().unwrap();
    match crate::device::cuda::Cuda::open(0) {
        Err(reason) => {
            let expected = format!("cannot run a model on cuda: {reason}");
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
        Ok(_) => println!("skipped: there is a GPU; {error}"),
    }
}
