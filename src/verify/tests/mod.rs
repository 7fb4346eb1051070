//! Edits of results, and the checks that must notice them.

mod edits;
mod generation;
mod git;
mod owners;
mod replay;
mod sealing;
