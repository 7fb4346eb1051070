//! The record of a session: its types and its file. The only place that knows the file format.

mod case;
mod machine;
mod reading;
mod record;

pub use case::{
    Cache, CaseKind, CaseRecord, CaseStatus, Check, Comparison, Derived, DeviceKind, Discard,
    DiscardReason, Inputs, Measurement, Rotation, Stopping, StoppingReason, StoppingRule, Timer,
    Warmup, WarmupReason, Work,
};
pub use machine::{
    DriverRecord, GpuRecord, HostRecord, Identity, IdentityForm, MachineRecord, MemoryKind,
    SharedLibrary,
};
pub use reading::Reading;
pub use record::{
    BuildRecord, ConfigRecord, ImageOwner, ImageRecord, Payload, Peak, Peaks, PlanRecord,
    PlannedCase, ProvenanceRecord, Scale, Series, Session, SessionStatus, TargetRecord,
    TelemetryRecord, Warning,
};
