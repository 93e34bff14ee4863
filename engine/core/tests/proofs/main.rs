//! The decisions of core, proved: tables for each rule, properties over random histories, and wrong plans that are refused.

#![allow(clippy::unwrap_used, reason = "all of this is tests, and what is not as expected must fail them")]

#[path = "../support/mod.rs"]
mod support;

mod blast_radius;
mod bugs_of_others;
mod care;
mod copies;
mod drift;
mod files;
mod findings;
mod forecast;
mod found;
mod kit;
mod leftovers;
mod locks;
mod monotone;
mod on_demand;
mod over_places;
mod places;
mod properties;
mod read_once;
mod refused;
mod retention_counts;
mod retention_zones;
mod retirement;
mod room;
mod sagas;
mod scenarios;
mod shrunk;
mod stale;
mod tags;
mod waits;
