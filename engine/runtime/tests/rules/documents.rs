//! Where the documents come from, and what the last apply stood on.

use crate::support::{at, now};
use backstay_core::model::Desired;
use backstay_core::observed::BaselineRecord;
use backstay_core::resolve::resolve;
use backstay_runtime::baseline;
use backstay_runtime::file_store::FileStore;
use backstay_runtime::sources::{Sources, from_commit, from_directory};
use backstay_runtime::state::State;
use git2::{IndexAddOption, Repository, Signature};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FLEET: &str = "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: small }\nspec: {}\n";

fn fleet(name: &str) -> String {
    FLEET.replace("small", name)
}

struct Place {
    directory: TempDir,
    root: PathBuf,
}

impl Place {
    /// A fleet in a directory of this name; "" is the top.
    fn at(below: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().join(below);
        fs::create_dir_all(root.join("fleet")).unwrap();
        fs::write(root.join("fleet/fleet.yaml"), FLEET).unwrap();
        Self { directory, root }
    }

    fn in_repository(below: &str) -> Self {
        let place = Self::at(below);
        Repository::init(place.directory.path()).unwrap();
        place
    }

    fn repository(&self) -> Repository {
        Repository::open(self.directory.path()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits everything, and gives the commit's id.
    fn commit(&self) -> String {
        let repository = self.repository();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
        let parents: Vec<_> = repository.head().ok().and_then(|head| head.peel_to_commit().ok()).into_iter().collect();
        let parents: Vec<_> = parents.iter().collect();
        repository.commit(Some("HEAD"), &who, &who, "as it is", &tree, &parents).unwrap().to_string()
    }

    fn read(&self) -> Sources {
        from_directory(&self.root).unwrap()
    }
}

fn desired(sources: &Sources) -> Desired {
    resolve(&sources.tree, sources.origin.clone()).desired.unwrap()
}

#[test]
fn a_plain_directory_has_no_commit_and_is_not_dirty() {
    let place = Place::at("");
    let origin = place.read().origin;
    assert_eq!((origin.commit, origin.dirty), (None, false));
}

#[test]
fn a_repository_without_a_commit_has_none() {
    let place = Place::in_repository("");
    let origin = place.read().origin;
    assert_eq!((origin.commit, origin.dirty), (None, false));
}

#[test]
fn a_clean_work_tree_is_its_commit_and_any_change_of_documents_is_not() {
    let place = Place::in_repository("");
    let commit = place.commit();
    let clean = place.read().origin;
    assert_eq!((clean.commit.as_deref(), clean.dirty), (Some(commit.as_str()), false));
    // What is no document changes nothing.
    place.write("README.md", "words");
    place.write("fleet/.swap.yaml", "an editor's");
    assert_eq!(place.read().origin, clean);
    // A document that git does not know yet is read, so the documents are not the commit's.
    place.write("policies/new.yaml", "");
    let untracked = place.read().origin;
    assert_eq!((untracked.commit, untracked.dirty), (Some(commit), true));
    fs::remove_file(place.root.join("policies/new.yaml")).unwrap();
    place.write("fleet/fleet.yaml", &fleet("other"));
    assert!(place.read().origin.dirty);
    place.write("fleet/fleet.yaml", FLEET);
    assert_eq!(place.read().origin, clean);
    fs::remove_file(place.root.join("fleet/fleet.yaml")).unwrap();
    assert!(place.read().origin.dirty, "a document that is gone");
}

#[test]
fn a_fleet_below_the_repositorys_top_is_compared_with_its_own_part_of_the_commit() {
    let place = Place::in_repository("infra/backups");
    let commit = place.commit();
    fs::create_dir_all(place.directory.path().join("fleet")).unwrap();
    fs::write(place.directory.path().join("fleet/fleet.yaml"), "not this one").unwrap();
    let origin = place.read().origin;
    assert_eq!((origin.commit.as_deref(), origin.dirty), (Some(commit.as_str()), false));
    assert_eq!(from_commit(&place.root, &commit).unwrap().tree.digest(), origin.documents);
}

#[test]
fn a_commits_documents_read_back_equal_after_the_work_tree_moved_on_and_head_is_detached() {
    let place = Place::in_repository("");
    place.write("fleet/clusters/a.yaml", "# é\n");
    let first = place.commit();
    let then = place.read();
    place.write("fleet/fleet.yaml", &fleet("other"));
    place.write("policies/more.yaml", "# more\n");
    let second = place.commit();
    assert_ne!(first, second);
    let back = from_commit(&place.root, &first).unwrap();
    assert_eq!((&back.tree, &back.origin), (&then.tree, &then.origin));
    place.repository().set_head_detached(git2::Oid::from_str(&first).unwrap()).unwrap();
    let detached = place.read().origin;
    assert_eq!((detached.commit.as_deref(), detached.dirty), (Some(first.as_str()), true));
}

#[test]
fn a_commit_that_is_not_there_is_named() {
    let place = Place::in_repository("");
    place.commit();
    let unknown = "0123456789012345678901234567890123456789";
    let told = from_commit(&place.root, unknown).unwrap_err().to_string();
    assert!(told.contains(unknown), "{told}");
    assert!(from_commit(&Place::at("").root, unknown).is_err(), "and where there is no repository");
}

#[test]
fn one_file_that_cannot_be_read_is_told_and_hides_no_other() {
    let place = Place::at("");
    std::os::unix::fs::symlink("nowhere", place.root.join("fleet/broken.yaml")).unwrap();
    let sources = place.read();
    assert!(sources.tree.contains("fleet/broken.yaml") && sources.tree.contains("fleet/fleet.yaml"));
    let resolution = resolve(&sources.tree, sources.origin.clone());
    assert!(resolution.desired.is_some());
    assert!(resolution.diagnostics.render().contains("fleet/broken.yaml"), "{}", resolution.diagnostics.render());
}

#[test]
fn a_document_whose_name_is_no_text_is_told_and_never_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::in_repository("");
    fs::write(place.root.join("fleet").join(std::ffi::OsStr::from_bytes(b"caf\xe9.yaml")), "a: 1\n").unwrap();
    let commit = place.commit();
    for sources in [place.read(), from_commit(&place.root, &commit).unwrap()] {
        let told = resolve(&sources.tree, sources.origin.clone()).diagnostics.render();
        assert!(told.contains("its name is not UTF-8"), "{told}");
    }
}

#[test]
fn an_editors_lock_is_no_document() {
    let place = Place::at("");
    let before = place.read().origin;
    std::os::unix::fs::symlink("me@host.1234", place.root.join("fleet/.#fleet.yaml")).unwrap();
    assert_eq!(place.read().origin, before);
}

#[test]
fn documents_that_links_bring_in_are_read_as_a_config_map_mounts_them() {
    let place = Place::at("");
    fs::create_dir_all(place.root.join("policies/..data_1")).unwrap();
    fs::write(place.root.join("policies/..data_1/gold.yaml"), "# gold\n").unwrap();
    std::os::unix::fs::symlink("..data_1", place.root.join("policies/..data")).unwrap();
    std::os::unix::fs::symlink("..data/gold.yaml", place.root.join("policies/gold.yaml")).unwrap();
    assert_eq!(place.read().tree.paths().collect::<Vec<_>>(), ["fleet/fleet.yaml", "policies/gold.yaml"]);
}

fn record(store: &FileStore, sources: &Sources) -> BaselineRecord {
    now(baseline::record(store, sources, at("2026-11-23T08:00:00Z"), BTreeSet::new())).unwrap();
    now(State(store).records()).unwrap().baseline.unwrap()
}

fn load(store: &FileStore, record: &BaselineRecord, root: &Path) -> Option<Desired> {
    let current = desired(&from_directory(root).unwrap());
    now(baseline::load(store, Some(record), &current, root))
}

fn store(place: &Place) -> FileStore {
    FileStore::new(place.directory.path().join(".backstay"))
}

#[test]
fn the_baseline_of_a_commit_is_read_from_it_after_the_work_tree_moved_on() {
    let place = Place::in_repository("infra");
    place.commit();
    let (store, then) = (store(&place), place.read());
    let record = record(&store, &then);
    assert_eq!(load(&store, &record, &place.root), Some(desired(&then)), "the same documents are their own baseline");
    place.write("fleet/fleet.yaml", &fleet("other"));
    place.commit();
    assert_eq!(load(&store, &record, &place.root), Some(desired(&then)));
    assert!(fs::read_dir(place.directory.path().join(".backstay/baselines")).is_err(), "a commit needs no copy");
}

#[test]
fn the_baseline_of_documents_that_no_commit_holds_is_read_from_the_copy() {
    for place in [Place::at(""), Place::in_repository("")] {
        if place.repository_exists() {
            place.commit();
            place.write("fleet/fleet.yaml", &fleet("changed"));
        }
        let (store, then) = (store(&place), place.read());
        let record = record(&store, &then);
        place.write("fleet/fleet.yaml", &fleet("other"));
        assert_eq!(load(&store, &record, &place.root), Some(desired(&then)));
        // A damaged or missing copy is no baseline, and no error: causes are only less precise.
        let copy = place.directory.path().join(format!(".backstay/baselines/{}.json", then.origin.documents));
        let text = fs::read_to_string(&copy).unwrap();
        fs::write(&copy, text.replace("Fleet", "Float")).unwrap();
        assert_eq!(load(&store, &record, &place.root), None);
        fs::remove_file(&copy).unwrap();
        assert_eq!(load(&store, &record, &place.root), None);
    }
}

impl Place {
    fn repository_exists(&self) -> bool {
        self.directory.path().join(".git").exists()
    }
}

#[test]
fn without_a_record_or_its_commit_there_is_no_baseline() {
    let place = Place::in_repository("");
    place.commit();
    let (store, then) = (store(&place), place.read());
    let mut record = record(&store, &then);
    place.write("fleet/fleet.yaml", &fleet("other"));
    let current = desired(&place.read());
    assert_eq!(now(baseline::load(&store, None, &current, &place.root)), None);
    record.origin.commit = Some("0123456789012345678901234567890123456789".to_owned());
    assert_eq!(load(&store, &record, &place.root), None);
}
