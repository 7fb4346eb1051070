//! Family `memory`: what the memory system of a machine gives, and what decode at batch 1 asks of it.

mod calibration;
mod cpu;
mod decode;
mod gpu;
mod gpu_calibration;
mod gpu_cases;
mod gpu_decode;
mod gpu_work;
mod reference;
mod shapes;
mod tensor_reference;

pub use calibration::{calibration_cases, control_case};
pub use cpu::Cpu;
pub use decode::decode_cases;
pub use gpu::Gpu;
pub use shapes::{ExpertLayout, KvLayout, expert_layouts, kv_layouts};
