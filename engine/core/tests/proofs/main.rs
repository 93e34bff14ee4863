//! The decisions of core, proved: tables for each rule, properties over random histories, and wrong plans that are refused.

#![allow(clippy::unwrap_used, reason = "all of this is tests, and what is not as expected must fail them")]

#[path = "../support/mod.rs"]
mod support;

mod blast_radius;
mod files;
mod forecast;
mod kit;
mod monotone;
mod properties;
mod refused;
mod retention_counts;
mod retention_zones;
mod sagas;
mod scenarios;
mod stale;
