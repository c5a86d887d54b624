//! The program as a shell runs it.

mod common;
mod configuration;
mod decisions;
mod documents;
mod includes;
mod minted;
mod request;
mod usage;
mod ways;
