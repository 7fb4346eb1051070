//! What a request comes to: targets, models, cases, the plan.

use super::generation::is_llama_server;
use super::{Request, RunError, WeightsChoice, device};
use crate::{
    bench::{
        Case, FAMILIES, Platform,
        e2e::{GenerationJob, Weights, generation_cases, with_beside},
        memory,
    },
    config::{self, Machine, Model, Role, Target},
    model::Scale,
    plan::assemble,
    result::{DeviceKind, PlanRecord, PlannedCase, Warning},
    telemetry,
};

/// The cases that measure the read peak.
const READ: &str = "memory/read/";

/// What is to run, on what platform, and what was left out.
pub struct Agenda {
    /// The plan.
    pub plan: PlanRecord,
    /// Its cases of family `memory`, in order; they come first.
    pub cases: Vec<Case>,
    /// Its cases of family `e2e`, in order, by weights.
    pub generations: Vec<(Weights, Vec<Case<GenerationJob>>)>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

fn families(request: &Request) -> Result<Vec<String>, RunError> {
    if let Some(found) = request
        .families
        .iter()
        .find(|family| !FAMILIES.contains(&family.as_str()))
    {
        return Err(RunError::UnknownFamily {
            found: found.clone(),
            known: FAMILIES.join(", "),
        });
    }
    Ok(FAMILIES
        .iter()
        .filter(|family| {
            request.families.is_empty() || request.families.iter().any(|asked| asked == *family)
        })
        .map(|family| (*family).to_owned())
        .collect())
}

/// The models that decode cases take their shapes from, each once.
pub fn models(request: &Request) -> Vec<Model> {
    let named = request
        .targets
        .iter()
        .map(|target| target.model.clone())
        .chain(request.models.iter().cloned());
    let mut models: Vec<Model> = Vec::new();
    for model in named {
        if models.iter().all(|known| known.name != model.name) {
            models.push(model);
        }
    }
    if models.is_empty() {
        // Built-in files are tested to load.
        models = config::built_in_names(Role::Model)
            .into_iter()
            .filter_map(|name| config::load::model(name).ok())
            .collect();
    }
    models
}

/// The weights that engines are given.
fn weights(
    request: &Request,
    platform: &Platform,
    models: &[Model],
) -> Result<Vec<Weights>, RunError> {
    let synthetic = |scale: Scale| {
        // A model of a user's own has no synthetic twin.
        let twins = models
            .iter()
            .filter(|model| model.synthetic.iter().any(|pin| pin.scale == scale));
        twins
            .map(|model| Ok(Weights::synthetic(model, scale)?))
            .collect()
    };
    match (&request.weights, platform.device) {
        (WeightsChoice::File(path), _) => Ok(vec![Weights::file(path, models)?]),
        (WeightsChoice::Synthetic, _) => synthetic(Scale::Full),
        (WeightsChoice::Auto, DeviceKind::Cpu) => synthetic(Scale::Tiny),
        (WeightsChoice::Auto, DeviceKind::Cuda) => Ok(Vec::new()),
    }
}

/// The contexts that a model's targets name, rising.
fn contexts(request: &Request, model: &Model) -> Vec<u64> {
    let targets = request.targets.iter();
    let mut contexts: Vec<u64> = targets
        .filter(|target| target.model.name == model.name)
        .flat_map(|target| target.contexts_tokens.iter().copied())
        .collect();
    contexts.sort_unstable();
    contexts.dedup();
    contexts
}

/// The cases of family `memory`, whatever they need.
fn memory_cases(platform: &Platform, models: &[Model]) -> Vec<Case> {
    let kv: Vec<_> = models.iter().flat_map(memory::kv_layouts).collect();
    let experts: Vec<_> = models.iter().flat_map(memory::expert_layouts).collect();
    let mut cases = memory::calibration_cases(platform);
    cases.extend(memory::decode_cases(platform, &kv, &experts));
    cases.extend(memory::control_case(platform));
    cases
}

/// Takes what needs more than `bytes` of memory out of `cases`, and notes it with those bytes.
fn fitting<J>(
    cases: Vec<Case<J>>,
    bytes: u64,
    omitted: &mut Vec<(PlannedCase, u64)>,
) -> Vec<Case<J>> {
    let (fitting, others): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|case| case.memory_bytes <= bytes);
    omitted.extend(others.iter().map(|case| (case.planned(), bytes)));
    fitting
}

/// Memory that an engine may take.
fn bytes_for_engines(request: &Request, platform: &Platform) -> Result<u64, RunError> {
    let Some(limit) = request.memory_limit else {
        return Ok(platform.free_bytes);
    };
    let refusal = |expected, found: &str| {
        let found = found.to_owned();
        Err(RunError::MemoryLimit { expected, found })
    };
    if platform.device != DeviceKind::Cuda {
        return refusal("a GPU", "the processor");
    }
    let engines = [&request.engine, &request.beside];
    let peer = engines.into_iter().flatten();
    match peer.into_iter().find(|program| is_llama_server(program)) {
        Some(program) => refusal(
            "an engine that speaks the engine protocol",
            &program.display().to_string(),
        ),
        _ => Ok(limit.min(platform.free_bytes)),
    }
}

/// The cases of a request on a platform.
///
/// # Errors
///
/// [`RunError::UnknownFamily`], [`RunError::NoSuchCase`], [`RunError::NoCaseFits`], [`RunError::Weights`],
/// [`RunError::NoWeights`], [`RunError::NothingGenerated`], [`RunError::MemoryLimit`].
pub fn agenda(
    request: &Request,
    platform: &Platform,
    models: &[Model],
) -> Result<Agenda, RunError> {
    let families = families(request)?;
    let chosen = |family: &str| families.iter().any(|chosen| chosen == family);
    let asked =
        |id: &str| request.only.is_empty() || request.only.iter().any(|text| id.contains(text));
    let mut cases = memory_cases(platform, models);
    // Stages are held against the read peak of their own session.
    let for_stages = request.stages && chosen("e2e") && platform.device == DeviceKind::Cuda;
    cases.retain(|case| {
        let read = for_stages && case.id.starts_with(READ);
        read || chosen("memory") && asked(&case.id)
    });
    let mut generations = Vec::new();
    if chosen("e2e") {
        for weights in weights(request, platform, models)? {
            let contexts = contexts(request, &weights.model);
            let mut cases = generation_cases(platform, &weights, &contexts, request.fill);
            cases.retain(|case| asked(&case.id));
            if request.beside.is_some() {
                cases = with_beside(cases);
            }
            generations.push((weights, cases));
        }
        if generations.is_empty() && !request.families.is_empty() {
            return Err(RunError::NoWeights);
        }
    }
    let generates = generations.iter().any(|(_, cases)| !cases.is_empty());
    let options = [
        (request.stages, "--stages"),
        (request.beside.is_some(), "--beside"),
    ];
    if let Some((_, option)) = options.into_iter().find(|(given, _)| *given && !generates) {
        return Err(RunError::NothingGenerated { option });
    }
    if cases.is_empty() && generations.iter().all(|(_, cases)| cases.is_empty()) {
        return Err(RunError::NoSuchCase {
            only: request.only.clone(),
            families: families.join(", "),
        });
    }
    let mut omitted = Vec::new();
    let cases = fitting(cases, platform.memory_bytes, &mut omitted);
    let for_engines = bytes_for_engines(request, platform)?;
    for (_, cases) in &mut generations {
        *cases = fitting(std::mem::take(cases), for_engines, &mut omitted);
    }
    generations.retain(|(_, cases)| !cases.is_empty());
    let planned: Vec<PlannedCase> = cases
        .iter()
        .map(Case::planned)
        .chain(
            generations
                .iter()
                .flat_map(|(_, cases)| cases.iter().map(Case::planned)),
        )
        .collect();
    let smallest = omitted.iter().min_by_key(|(case, _)| case.memory_bytes);
    if let (true, Some((smallest, free))) = (planned.is_empty(), smallest) {
        return Err(RunError::NoCaseFits {
            needed: smallest.memory_bytes,
            free: *free,
        });
    }
    let warnings = omitted
        .iter()
        .map(|(case, free)| Warning {
            code: "case_omitted".into(),
            message: format!(
                "{} needs {} bytes, {free} may be used",
                case.id, case.memory_bytes
            ),
            hint: "free memory on the device".into(),
        })
        .collect();
    // A family without a case is none of the plan's.
    let has_case = |family: &&&str| {
        let of_family = |case: &PlannedCase| case.id.split('/').next() == Some(**family);
        planned.iter().any(of_family)
    };
    let planned_families = FAMILIES.iter().filter(has_case);
    Ok(Agenda {
        plan: assemble(
            planned_families
                .map(|family| (*family).to_owned())
                .collect(),
            platform.scale,
            planned,
        ),
        cases,
        generations,
        warnings,
    })
}

/// The plan of a request. Opens no more than the driver.
///
/// # Errors
///
/// [`RunError`].
pub fn plan(request: &Request) -> Result<PlanRecord, RunError> {
    let platform = device::planned_platform(request, &telemetry::host())?;
    Ok(agenda(request, &platform, &models(request))?.plan)
}

/// The request with the targets of the machine found, where it names none.
pub fn with_targets(request: &Request, machine: Option<&Machine>) -> Request {
    let mut request = request.clone();
    if request.targets.is_empty()
        && let Some(machine) = machine
    {
        // A machine without targets is measured with the built-in models.
        let targets: Vec<Target> = config::load::targets(&machine.name).unwrap_or_default();
        let chosen = |target: &Target| {
            request.models.is_empty()
                || request
                    .models
                    .iter()
                    .any(|model| model.name == target.model.name)
        };
        request.targets = targets.into_iter().filter(chosen).collect();
    }
    request
}
