//! `Fleet`: one a fleet.

use super::text::{FilePath, Name, StateLocation};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What holds for the fleet as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSpec {
    /// Where leases, journal, tombstones, sightings and baselines live. Default: file://./.backstay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateLocation>,
    /// The keys in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysSpec>,
    /// How far a mistake can reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// What storage costs, by site, for forecasts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<Name, PriceSpec>,
    /// Who may approve restores, early deletes and retirement. Comes with reviewed restores.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub approvals: serde_json::Map<String, Value>,
}

/// The keys in use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeysSpec {
    /// The key that seals snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<KeySpec>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// The file that holds it, relative to the fleet's directory.
    pub file: FilePath,
}

/// How far a mistake can reach.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsSpec {
    /// Deletes in any 24 hours that an unchanged policy would not have made by the clock alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletes_per_day: Option<DeletesPerDay>,
}

/// Deletes in any 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletesPerDay {
    /// In the whole fleet. Default: the larger of 1% of its points and 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<CountOrPercent>,
    /// Of one cluster. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<u32>,
}

/// A number, or a share of what exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CountOrPercent {
    /// A number.
    Count(u32),
    /// A share: `1%`.
    Percent(String),
}

/// One schema without branches: its pattern binds only texts, its bounds only numbers, so each error names one rule.
impl JsonSchema for CountOrPercent {
    fn schema_name() -> Cow<'static, str> {
        "CountOrPercent".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "title": "number or percentage",
            "description": "a whole number, or a share in percent: 10, 1%, 0.5%",
            "minimum": 0,
            "maximum": u32::MAX,
            "pattern": "^(100|[0-9]{1,2})(\\.[0-9]{1,6})?%$",
            "examples": ["1%", 10],
        })
    }
}

/// What storage costs at one site, in one currency of your choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceSpec {
    /// A month of one GiB of snapshots.
    #[serde(rename = "snapshotGiBMonth", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub snapshot_gib_month: Option<f64>,
    /// A month of one GiB of WAL.
    #[serde(rename = "walGiBMonth", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub wal_gib_month: Option<f64>,
}
