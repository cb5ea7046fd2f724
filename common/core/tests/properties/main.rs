//! Properties of the core, at random: one binary, a module for each concern.

mod decisions;
mod detection;
mod history;
mod shapes;
mod strategies;
mod tasks;
