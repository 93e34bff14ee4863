//! The world file: a `World` document.

use backstay_core::canonical::Digest;
use backstay_core::document::world::WorldSpec;
use backstay_sim::World;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A world and the digest of the file that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct WorldFile {
    pub(crate) world: World,
    pub(crate) digest: Digest,
}

/// A world file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldFileError {
    #[error("the world file `{path}` cannot be read: {error}; a site's `world` is relative to the fleet's directory")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("the world file `{path}` is not valid: {problem}")]
    Invalid { path: PathBuf, problem: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(rename = "metadata")]
    _metadata: Metadata,
    spec: WorldSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "labels", default)]
    _labels: BTreeMap<String, String>,
}

impl WorldFile {
    pub(crate) fn load(path: &Path) -> Result<Self, WorldFileError> {
        let bytes = fs::read(path).map_err(|error| WorldFileError::Read { path: path.to_owned(), error })?;
        let invalid = |problem: String| WorldFileError::Invalid { path: path.to_owned(), problem };
        let document: Document = serde_yaml::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if document.api_version != "backstay.dev/v1" || document.kind != "World" {
            let found = format!("apiVersion `{}` and kind `{}`", document.api_version, document.kind);
            return Err(invalid(format!("it has {found}, and must have `backstay.dev/v1` and `World`")));
        }
        let world = World::parse(&document.spec).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { world, digest: Digest::of(&bytes) })
    }
}
