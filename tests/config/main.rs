//! The configuration files as a user meets them: the built-in ones load and say true things, broken ones say what is
//! wrong, where, and what to do.

mod built_in;
mod errors;
