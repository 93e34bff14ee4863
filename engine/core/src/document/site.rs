//! `Site`: one account and region on one IaaS, reached through one provider.

use super::text::{Account, FilePath, HttpUrl, Instant, Skew};
use crate::model::{SimCall, SimFailure};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;

/// How a site is reached; the keys depend on `provider`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum SiteSpec {
    /// A simulated cloud.
    Sim(SimSiteSpec),
    /// Directories on this host.
    Local(LocalSiteSpec),
    /// Amazon Web Services.
    Aws(CloudSiteSpec),
    /// Microsoft Azure.
    Azure(CloudSiteSpec),
    /// Google Cloud.
    Gcp(CloudSiteSpec),
    /// Alibaba Cloud.
    Alibaba(CloudSiteSpec),
}

/// A site at a cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudSiteSpec {
    /// The cloud's own name of the region.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9-]+$"), extend("examples" = ["eu-central-1"]))]
    pub region: String,
    /// The account, subscription or project.
    pub account: Account,
    /// Another address than the cloud's own: for tests and private clouds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<HttpUrl>,
}

/// A simulated cloud: everything but the cloud is real.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimSiteSpec {
    /// Whose rules it follows.
    pub profile: SimProfile,
    /// The seed of all its chances. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// The file of the `World` document that says what exists there, relative to the fleet's directory.
    #[schemars(extend("examples" = ["fleet/worlds/eu10.yaml"]))]
    pub world: FilePath,
    /// Whose time it has. Default: virtual.
    #[serde(default = "ClockKind::of_sim")]
    pub clock: ClockKind,
    /// A smaller page than the profile's, so that a small fleet has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub page_size: Option<u32>,
    /// Whether its profile's budgets of calls hold. Default: unlimited, because a virtual clock that stands still refills none.
    #[serde(default, skip_serializing_if = "Budgets::is_default")]
    pub budgets: Budgets,
    /// How far its clock is ahead of the host's, or of the virtual one. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<Skew>,
    /// What goes wrong there, on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSpec>,
}

/// Whether a simulated cloud counts calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Budgets {
    /// Every call is answered.
    #[default]
    Unlimited,
    /// Calls beyond the profile's budgets are refused, with the time to wait.
    Enforced,
}

impl Budgets {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whose rules a simulated cloud follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SimProfile {
    /// Amazon EBS.
    Aws,
    /// Azure managed disks.
    Azure,
    /// Google persistent disks.
    Gcp,
    /// Alibaba Cloud ECS disks.
    Alibaba,
}

impl SimProfile {
    /// The name as documents write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Alibaba => "alibaba",
        }
    }
}

/// Whose time a site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// Time stands still until someone moves it (`-as-of`).
    Virtual,
    /// The host's.
    Real,
}

impl ClockKind {
    fn of_sim() -> Self {
        Self::Virtual
    }

    fn of_local() -> Self {
        Self::Real
    }
}

/// One thing that goes wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultSpec {
    /// Which call.
    #[schemars(with = "CallName")]
    pub call: SimCall,
    /// For listings: only this page, from 1. Default: every page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub page: Option<u32>,
    /// How it fails.
    #[schemars(with = "FailureName")]
    pub fail: SimFailure,
    /// How often, in percent. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: Option<u8>,
    /// Not before this instant of the site. Default: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Instant>,
    /// No longer at this instant of the site. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// For `slow`: how many times as long it takes. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub times: Option<u32>,
}

/// The schema of [`SimCall`].
struct CallName;
/// The schema of [`SimFailure`].
struct FailureName;

impl JsonSchema for CallName {
    fn schema_name() -> Cow<'static, str> {
        "Call".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": [
                "any", "list-instances", "list-snapshots", "describe", "create", "tag", "delete", "create-disk", "attach",
                "delete-disk",
            ],
            "description": "`create` is also copying, `tag` also locking, `attach` also detaching, `any` all of them.",
        })
    }
}

impl JsonSchema for FailureName {
    fn schema_name() -> Cow<'static, str> {
        "Failure".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": [
                "unavailable", "throttled", "denied", "lost-response", "repeated", "fails-later", "stuck", "slow", "stale",
                "reordered",
            ],
            "description": "\
                `unavailable`: the site is down, no effect. `throttled`: too many calls, no effect. `denied`: the \
                credentials do not allow it, no effect; Alibaba shows nothing instead. `lost-response`: the effect \
                happens, the answer is lost. `repeated`: the call is delivered twice. `fails-later`: the snapshot is \
                accepted and fails later. `stuck`: it never becomes ready. `slow`: it takes `times` as long. `stale`: it \
                shows the state of some time ago. `reordered`: a page shows its items in another order.",
        })
    }
}

/// Disks that are directories on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalSiteSpec {
    /// The directory that holds instances, disks and snapshots, relative to the fleet's directory unless absolute.
    pub root: FilePath,
    /// Whose time it has. Default: real.
    #[serde(default = "ClockKind::of_local")]
    pub clock: ClockKind,
}

/// Selected by `provider` with `if` and `then`, so that an error is about the branch that was meant.
impl JsonSchema for SiteSpec {
    fn schema_name() -> Cow<'static, str> {
        "SiteSpec".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let branches: Vec<Value> = [
            ("sim", "SimSite", SimSiteSpec::json_schema(generator)),
            ("local", "LocalSite", LocalSiteSpec::json_schema(generator)),
            ("aws", "AwsSite", CloudSiteSpec::json_schema(generator)),
            ("azure", "AzureSite", CloudSiteSpec::json_schema(generator)),
            ("gcp", "GcpSite", CloudSiteSpec::json_schema(generator)),
            ("alibaba", "AlibabaSite", CloudSiteSpec::json_schema(generator)),
        ]
        .into_iter()
        .map(|(provider, definition, mut branch)| {
            if let Some(Value::Object(properties)) = branch.get_mut("properties") {
                properties.insert("provider".into(), json!({ "const": provider }));
            }
            generator.definitions_mut().insert(definition.into(), branch.to_value());
            json!({
                "if": { "properties": { "provider": { "const": provider } }, "required": ["provider"] },
                "then": { "$ref": format!("#/$defs/{definition}") },
            })
        })
        .collect();
        json_schema!({
            "type": "object",
            "description": "How the site is reached; the keys depend on `provider`.",
            "properties": {
                "provider": {
                    "type": "string",
                    "description": "The provider that reaches it.",
                    "enum": ["sim", "local", "aws", "azure", "gcp", "alibaba"],
                },
            },
            "required": ["provider"],
            "allOf": branches,
        })
    }
}
