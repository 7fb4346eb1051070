//! What a request comes to: targets, models, cases, the plan.

use super::{Request, RunError, device};
use crate::{
    bench::{Case, FAMILIES, Platform, memory},
    config::{self, Machine, Model, Role, Target},
    plan::assemble,
    result::{PlanRecord, Warning},
    telemetry,
};

/// What is to run, on what platform, and what was left out.
pub struct Agenda {
    /// The plan.
    pub plan: PlanRecord,
    /// Its cases in order.
    pub cases: Vec<Case>,
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

/// The cases of a request on a platform.
///
/// # Errors
///
/// [`RunError::UnknownFamily`], [`RunError::NoSuchCase`], [`RunError::NoCaseFits`].
pub fn agenda(
    request: &Request,
    platform: &Platform,
    models: &[Model],
) -> Result<Agenda, RunError> {
    let families = families(request)?;
    let kv: Vec<_> = models.iter().flat_map(memory::kv_layouts).collect();
    let experts: Vec<_> = models.iter().flat_map(memory::expert_layouts).collect();
    let mut cases = memory::calibration_cases(platform);
    cases.extend(memory::decode_cases(platform, &kv, &experts));
    cases.extend(memory::control_case(platform));
    let asked = |case: &Case| {
        request.only.is_empty() || request.only.iter().any(|text| case.id.contains(text))
    };
    cases.retain(asked);
    if cases.is_empty() {
        return Err(RunError::NoSuchCase {
            only: request.only.clone(),
            families: families.join(", "),
        });
    }
    let (cases, omitted): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|case| case.memory_bytes <= platform.memory_bytes);
    if let (true, Some(needed)) = (
        cases.is_empty(),
        omitted.iter().map(|case| case.memory_bytes).min(),
    ) {
        return Err(RunError::NoCaseFits {
            needed,
            free: platform.memory_bytes,
        });
    }
    let warnings = omitted
        .iter()
        .map(|case| Warning {
            code: "case_omitted".into(),
            message: format!(
                "{} needs {} bytes, {} may be used",
                case.id, case.memory_bytes, platform.memory_bytes
            ),
            hint: "free memory on the device".into(),
        })
        .collect();
    Ok(Agenda {
        plan: assemble(
            families,
            platform.scale,
            cases.iter().map(Case::planned).collect(),
        ),
        cases,
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
