//! The record of a session: its types and its file. The only place that knows the file format.

mod case;
mod derive;
mod error;
mod file;
mod generation;
mod generation_figures;
mod ids;
mod machine;
mod provenance;
mod reading;
mod record;
mod redact;
mod resources;
mod salt;
#[cfg(test)]
pub(crate) mod sample;
mod scan;
mod schema;
mod stages;
mod write;

pub use case::{
    Cache, CaseKind, CaseRecord, CaseStatus, Check, Comparison, Derived, DeviceKind, Discard,
    DiscardReason, Inputs, Measurement, Rotation, Stopping, StoppingReason, StoppingRule, Timer,
    Warmup, WarmupReason, Work,
};
pub use derive::{Basis, case_seed, derive, seed_id};
pub use error::{ReadError, SealError, WriteError};
pub use file::{Envelope, FORMAT, LARGEST_FILE_BYTES, ResultFile, Sealed, parse, read, seal};
pub use generation::{
    EngineRecord, FindingRecord, GenerationFigures, GenerationRecord, GenerationRun, PromptRecord,
    RoutingRecord, TensorRecord, WeightsOrigin, WeightsPinRecord, WeightsRecord, traced_steps,
};
pub use generation_figures::tensors_sha256;
pub use ids::ids_sha256;
pub use machine::{
    DriverRecord, GpuRecord, HostRecord, Identity, IdentityForm, MachineRecord, MemoryKind,
    SharedLibrary,
};
pub use provenance::{NixRecord, ProvenanceRecord};
pub use reading::Reading;
pub use record::{
    BuildRecord, ConfigRecord, ImageOwner, ImageRecord, Payload, Peak, Peaks, PlanRecord,
    PlannedCase, Scale, Series, Session, SessionStatus, TargetRecord, TelemetryRecord, Warning,
};
pub use redact::REDACTED;
pub use resources::ResourceFigures;
pub use salt::{Salt, SaltError};
pub use scan::{Fault, Rule};
pub use schema::schema;
pub use stages::{StagePartFigures, StagePartRecord, StagesFigures, StagesRecord};
pub use write::write_new;
