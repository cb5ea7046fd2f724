//! The simulated cloud from outside: what a client sees of it.

mod access;
mod churn;
mod client;
mod fault;
mod fields;
mod http;
mod listing;
mod managed;
mod models;
mod objects;
mod products;
mod roles;
mod services;
mod signed;
mod signing;
mod trail;
mod vendors;
