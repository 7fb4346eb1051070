//! Level 4: the recorded tokens of a result are sent through the weights again.

#[path = "replay/forged.rs"]
mod forged;
#[path = "replay/honest.rs"]
mod honest;
#[path = "replay/lab.rs"]
mod lab;
#[path = "replay/liars.rs"]
mod liars;
#[path = "subject/model.rs"]
mod model;
mod program;
#[path = "replay/prompts.rs"]
mod prompts;
