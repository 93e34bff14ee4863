//! What each crate may know, told by `cargo metadata` (docs/architecture.md). What a pure crate may call is clippy's to say:
//! engine/core/clippy.toml.

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Metadata with every feature, so that a dependency cannot hide behind one. One platform, because Cargo would otherwise
/// want the packages of all; it is the one that Backstay is built for.
static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from))
        .exec()
        .expect("cargo describes this workspace")
});

/// Which crates of this workspace each crate may use. Dependencies point one way.
const DIRECTION: &[(&str, &[&str])] = &[
    ("backstay-core", &[]),
    ("backstay-report", &["backstay-core"]),
    ("backstay-sim", &["backstay-core"]),
    ("backstay-provider", &["backstay-core"]),
    ("backstay-postgres", &["backstay-core"]),
    ("backstay-provider-sim", &["backstay-core", "backstay-provider", "backstay-sim"]),
    ("backstay-provider-local", &["backstay-core", "backstay-postgres", "backstay-provider"]),
    ("backstay-runtime", &["backstay-core", "backstay-provider"]),
    ("backstay-cli", &["backstay-core", "backstay-provider", "backstay-report", "backstay-runtime"]),
    ("backstay", &["backstay-cli", "backstay-core", "backstay-provider-local", "backstay-provider-sim"]),
];

/// The crates that may name a concrete provider: the binary with its tests, and what the tests stand on.
const MAY_NAME_PROVIDERS: [&str; 3] = ["backstay", "backstay-simulation", "backstay-test-support"];

/// The crates that only tests use: nothing that ships may depend on them, and they may use what they test.
const OF_TESTS: [&str; 2] = ["backstay-simulation", "backstay-test-support"];

/// All that core stands on directly.
const CORE: &[&str] = &[
    "data-encoding",
    "ed25519-dalek",
    "jiff",
    "jsonschema",
    "saphyr-parser",
    "schemars",
    "serde",
    "serde_json",
    "serde_norway",
    "sha2",
    "strsim",
    "thiserror",
];

/// All that report stands on directly.
const REPORT: &[&str] = &["backstay-core", "jiff", "serde", "serde_json", "unicode-width"];

/// Crates whose business is the disk, the network, a process, a thread pool or a database.
const WITH_EFFECTS: &[&str] = &[
    "async-std",
    "curl",
    "git2",
    "gix",
    "h2",
    "hyper",
    "indicatif",
    "inotify",
    "iana-time-zone",
    "libgit2-sys",
    "mio",
    "native-tls",
    "nix",
    "notify",
    "object_store",
    "openssl",
    "polling",
    "postgres",
    "rayon",
    "reflink-copy",
    "reqwest",
    "rustix",
    "rustls",
    "signal-hook",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-postgres",
    "ureq",
    "walkdir",
];

/// Crates with effects that are there all the same: who brings them, and nobody else may.
const TOLERATED: &[(&str, &[&str])] = &[
    // jsonschema hashes with ahash, which seeds itself. Its maps are looked up in, and no output follows their order.
    ("getrandom", &["ahash"]),
    // For that seed, and for the locks inside jsonschema's registry of schemas.
    ("libc", &["getrandom", "parking_lot_core"]),
    ("rand", &[]),
    ("rand_core", &[]),
];

fn package(name: &str) -> &'static Package {
    METADATA.packages.iter().find(|package| package.name == name).unwrap_or_else(|| panic!("no package {name}"))
}

fn workspace() -> impl Iterator<Item = &'static Package> {
    METADATA.packages.iter().filter(|package| METADATA.workspace_members.contains(&package.id))
}

fn is_ours(name: &str) -> bool {
    workspace().any(|package| package.name == name)
}

/// The names of a package's direct dependencies of these kinds.
fn direct(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    let wanted = package.dependencies.iter().filter(|dependency| kinds.contains(&dependency.kind));
    wanted.map(|dependency| dependency.name.clone()).collect()
}

fn nodes() -> BTreeMap<&'static PackageId, &'static Node> {
    let resolve = METADATA.resolve.as_ref().expect("metadata with dependencies resolves them");
    resolve.nodes.iter().map(|node| (&node.id, node)).collect()
}

/// All that is linked into a crate: each name, with the names of those that bring it.
fn linked(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let nodes = nodes();
    let mut brought: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![&package(name).id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = nodes[id];
        let linked = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        for dependency in linked {
            brought
                .entry(METADATA[&dependency.pkg].name.to_string())
                .or_default()
                .insert(METADATA[id].name.to_string());
            open.push(&dependency.pkg);
        }
    }
    brought
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn dependencies_point_one_way() {
    let table: BTreeMap<&str, &[&str]> = DIRECTION.iter().copied().collect();
    for package in workspace().filter(|package| !OF_TESTS.contains(&package.name.as_str())) {
        let allowed =
            table.get(package.name.as_str()).unwrap_or_else(|| panic!("{} is not in DIRECTION", package.name));
        let mut used = direct(package, &[DependencyKind::Normal, DependencyKind::Build]);
        used.retain(|name| is_ours(name));
        assert_eq!(used, set(allowed), "what {} uses of this workspace", package.name);
    }
    assert_eq!(workspace().count(), DIRECTION.len() + OF_TESTS.len(), "a crate of DIRECTION is gone");
}

#[test]
fn only_the_binary_and_tests_name_concrete_providers() {
    let is_concrete = |name: &String| name.starts_with("backstay-provider-");
    for package in workspace().filter(|package| !MAY_NAME_PROVIDERS.contains(&package.name.as_str())) {
        let all = [DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development];
        let named: Vec<String> = direct(package, &all).into_iter().filter(is_concrete).collect();
        assert!(named.is_empty(), "{} names {named:?}", package.name);
    }
}

#[test]
fn core_and_report_stand_on_what_is_listed_here() {
    for (name, allowed) in [("backstay-core", CORE), ("backstay-report", REPORT)] {
        assert_eq!(direct(package(name), &[DependencyKind::Normal]), set(allowed), "what {name} uses");
        assert_eq!(direct(package(name), &[DependencyKind::Build]), set(&[]), "{name} runs nothing when it is built");
    }
}

#[test]
fn nothing_under_the_pure_crates_has_effects() {
    for name in ["backstay-core", "backstay-report", "backstay-sim"] {
        let linked = linked(name);
        // The walk itself must not shrink unseen.
        assert!(linked.len() > 30 && linked.contains_key("jiff"), "{name}: {linked:?}");
        for effect in WITH_EFFECTS {
            assert!(!linked.contains_key(*effect), "{name} gets {effect} from {:?}", linked[*effect]);
        }
        for (effect, tolerated) in TOLERATED {
            let bringers = linked.get(*effect).cloned().unwrap_or_default();
            assert!(bringers.is_subset(&set(tolerated)), "{name} gets {effect} from {bringers:?}");
        }
    }
}

#[test]
fn time_zones_are_compiled_in() {
    let id = &package("jiff").id;
    let features: Vec<String> = nodes()[id].features.iter().map(ToString::to_string).collect();
    assert!(features.iter().any(|feature| feature == "tzdb-bundle-always"), "{features:?}");
    for of_the_host in ["tz-system", "tzdb-zoneinfo", "tzdb-concatenated", "tzdb-bundle-platform"] {
        assert!(
            !features.iter().any(|feature| feature == of_the_host),
            "a plan would depend on the host: {features:?}"
        );
    }
}

#[test]
fn one_list_of_bans_holds_for_all_pure_crates() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("engine");
    let bans = |name: &str| std::fs::read_to_string(root.join(name).join("clippy.toml")).unwrap();
    for part in ["report", "sim"] {
        assert_eq!(bans(part), bans("core"), "engine/{part}/clippy.toml links to engine/core/clippy.toml");
    }
    for banned in ["SystemTime::now", "jiff::Timestamp::now", "env::var", "fs::read", "TcpStream", "HashMap"] {
        assert!(bans("core").contains(banned), "{banned}");
    }
}
