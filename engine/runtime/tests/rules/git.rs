//! Documents of commits, in every shape that a repository has. The repositories are made by git itself.

use backstay_runtime::git::GitError;
use backstay_runtime::sources::{from_commit, from_directory};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const FLEET: &str = "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: small }\nspec: {}\n";

struct Repo {
    _directory: TempDir,
    path: PathBuf,
}

/// Runs git, and gives what it says.
fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"])
        .args(["-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(at)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(at: &Path, path: &str, text: &str) {
    let path = at.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

impl Repo {
    fn empty() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("repo");
        fs::create_dir(&path).unwrap();
        git(&path, &["init", "-q"]);
        Self { _directory: directory, path }
    }

    /// Two commits: the first has the fleet `one`, the second `two`.
    fn with_two_commits() -> Self {
        let repo = Self::empty();
        for name in ["one", "two"] {
            write(&repo.path, "fleet/fleet.yaml", &FLEET.replace("small", name));
            repo.commit(name);
        }
        repo
    }

    fn commit(&self, message: &str) -> String {
        git(&self.path, &["add", "-A"]);
        git(&self.path, &["commit", "-q", "-m", message]);
        git(&self.path, &["rev-parse", "HEAD"])
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap().join(name)
    }

    fn clone_to(&self, name: &str, options: &[&str]) -> PathBuf {
        let to = self.beside(name);
        let from = format!("file://{}", self.path.display());
        git(&self.path, &[&["clone", "-q"], options, &[&from, to.to_str().unwrap()]].concat());
        to
    }
}

/// The fleet's name in the documents of a commit.
fn name_at(root: &Path, named: &str) -> String {
    let sources = from_commit(root, named).unwrap_or_else(|error| panic!("{named}: {error}"));
    let (_, text) = sources.texts.iter().find(|(path, _)| path == "fleet/fleet.yaml").unwrap();
    text.split("name: ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

fn refused(root: &Path, named: &str) -> GitError {
    from_commit(root, named).err().unwrap_or_else(|| panic!("{named} was read"))
}

#[test]
fn a_commit_is_named_as_git_names_it() {
    let repo = Repo::with_two_commits();
    let at = &repo.path;
    let first = git(at, &["rev-parse", "HEAD~1"]);
    git(at, &["tag", "light", "HEAD~1"]);
    git(at, &["tag", "-a", "annotated", "-m", "it", "HEAD~1"]);
    git(at, &["tag", "-a", "of-a-tag", "-m", "it", "annotated"]);
    for branch in ["feature/ümläut#1", "user@host", "a.b+c,d=e", "fix-g1234567", "ナナ"] {
        git(at, &["branch", branch, "HEAD~1"]);
    }
    let names =
        ["HEAD~1", "HEAD^", "main~1", "@~1", &first, &first[..8], "light", "annotated", "of-a-tag", "annotated^{}"];
    let branches = ["feature/ümläut#1", "user@host", "a.b+c,d=e", "fix-g1234567", "ナナ", "refs/heads/ナナ"];
    for named in names.into_iter().chain(branches) {
        assert_eq!(name_at(at, named), "one", "{named}");
        assert_eq!(from_commit(at, named).unwrap().origin.commit.as_deref(), Some(first.as_str()), "{named}");
    }
    for named in ["HEAD", "main", "@", "refs/heads/main", "heads/main"] {
        assert_eq!(name_at(at, named), "two", "{named}");
    }
    // What looks like the beginning of an id is a branch first, as git has it.
    let second = git(at, &["rev-parse", "HEAD"]);
    git(at, &["branch", &second[..7], "HEAD~1"]);
    assert_eq!(name_at(at, &second[..7]), "one");
}

#[test]
fn a_name_that_stands_for_nothing_is_told_with_what_was_meant() {
    let repo = Repo::with_two_commits();
    let at = &repo.path;
    git(at, &["branch", "release-1"]);
    let told = |named: &str| refused(at, named).to_string();
    assert_eq!(told("mian"), "there is no commit `mian` in this repository\nhint: did you mean `main`?");
    assert_eq!(told("relaese-1"), "there is no commit `relaese-1` in this repository\nhint: did you mean `release-1`?");
    assert!(told("HAED").ends_with("did you mean `HEAD`?"), "{}", told("HAED"));
    assert!(
        told("nothing-like-it").contains("`git fetch` brings what others have pushed"),
        "{}",
        told("nothing-like-it")
    );
    assert!(told("HEAD~7").starts_with("there is no commit `HEAD~7`"), "{}", told("HEAD~7"));
    for odd in ["", "a..b", "^", "~", "HEAD^{", "-", "a b", "\u{1b}[31m", "@{", ":/", "HEAD~99999999999"] {
        let error = refused(at, odd);
        assert!(
            matches!(error, GitError::Unknown { .. } | GitError::NoName { .. } | GitError::NotACommit { .. }),
            "{odd:?}: {error:?}"
        );
    }
    let blob = git(at, &["rev-parse", "HEAD:fleet/fleet.yaml"]);
    assert_eq!(refused(at, &blob), GitError::NotACommit { named: blob.clone() });
    git(at, &["tag", "of-a-file", &blob]);
    assert!(matches!(refused(at, "of-a-file"), GitError::NotACommit { .. }));
}

#[test]
fn a_short_id_of_several_objects_is_told_to_be_ambiguous() {
    let repo = Repo::with_two_commits();
    // Objects until two share their first four digits: 1,200 are as good as sure to.
    for i in 0..1_200 {
        write(&repo.path, &format!("other/{i}"), &i.to_string());
    }
    repo.commit("many");
    let all = git(&repo.path, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    let mut ids: Vec<&str> = all.lines().map(|id| &id[..4]).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]).unwrap();
    assert_eq!(refused(&repo.path, twice), GitError::Ambiguous { named: twice.to_owned() });
}

#[test]
fn a_repository_without_a_commit_says_so() {
    let repo = Repo::empty();
    write(&repo.path, "fleet/fleet.yaml", FLEET);
    for named in ["HEAD", "HEAD~1"] {
        assert_eq!(refused(&repo.path, named), GitError::Unborn, "{named}");
    }
    assert!(matches!(refused(&repo.path, "main"), GitError::Unknown { .. }));
    let outside = TempDir::new().unwrap();
    assert!(matches!(refused(outside.path(), "main"), GitError::NoRepository { .. }));
}

#[test]
fn a_shallow_clone_reads_what_it_has_and_names_the_command_for_what_it_has_not() {
    let repo = Repo::with_two_commits();
    git(&repo.path, &["branch", "old", "HEAD~1"]);
    let first = git(&repo.path, &["rev-parse", "HEAD~1"]);
    let shallow = repo.clone_to("shallow", &["--depth=1"]);
    assert_eq!(name_at(&shallow, "HEAD"), "two");
    let told = refused(&shallow, "HEAD~1").to_string();
    assert!(told.contains("`git fetch --deepen=10`, or `git fetch --unshallow`"), "{told}");
    let told = refused(&shallow, &first).to_string();
    assert!(told.contains(&format!("`git fetch --depth=1 origin {first}`")), "{told}");
    let told = refused(&shallow, "old").to_string();
    assert!(told.contains("`git fetch --depth=1 origin old:old`"), "{told}");
    // What the hints say helps.
    git(&shallow, &["fetch", "-q", "--depth=1", "origin", "old:old"]);
    assert_eq!(name_at(&shallow, "old"), "one");
    // A branch of the remote that is here under its longer name.
    let whole = repo.clone_to("whole", &[]);
    let told = refused(&whole, "old").to_string();
    assert!(told.ends_with("hint: did you mean `origin/old`?"), "{told}");
    assert_eq!(name_at(&whole, "origin/old"), "one");
}

#[test]
fn a_partial_clone_says_which_commit_is_not_all_here() {
    let repo = Repo::with_two_commits();
    git(&repo.path, &["config", "uploadpack.allowFilter", "true"]);
    let partial = repo.clone_to("partial", &["--filter=blob:none"]);
    assert_eq!(name_at(&partial, "HEAD"), "two", "checked out, so its files are here");
    let error = refused(&partial, "HEAD~1");
    assert!(matches!(error, GitError::Incomplete { .. }), "{error:?}");
    assert!(error.to_string().contains("a partial clone leaves files out"), "{error}");
}

#[test]
fn bare_repositories_work_trees_and_borrowed_objects_are_read_alike() {
    let repo = Repo::with_two_commits();
    let bare = repo.clone_to("bare.git", &["--bare"]);
    let tree = repo.beside("linked");
    git(&repo.path, &["worktree", "add", "-q", tree.to_str().unwrap(), "HEAD~1"]);
    let borrowed = repo.beside("borrowed");
    git(&repo.path, &["clone", "-q", "--shared", repo.path.to_str().unwrap(), borrowed.to_str().unwrap()]);
    assert!(borrowed.join(".git/objects/info/alternates").exists());
    for (root, head) in [(&bare, "two"), (&tree, "one"), (&borrowed, "two")] {
        assert_eq!(name_at(root, "HEAD"), head, "{}", root.display());
        assert_eq!(name_at(root, "main~1"), "one");
    }
    let origin = from_directory(&tree).unwrap().origin;
    assert_eq!((origin.commit, origin.dirty), (Some(git(&repo.path, &["rev-parse", "HEAD~1"])), false));
    // A bare repository has no files: nothing is read of it as a directory.
    assert!(from_directory(&bare).unwrap().tree.is_empty());
}

#[test]
fn a_fleet_below_the_top_is_found_from_where_it_is_and_by_its_directory_elsewhere() {
    let repo = Repo::empty();
    write(&repo.path, "infra/Bäckups/fleet/fleet.yaml", &FLEET.replace("small", "inner"));
    write(&repo.path, "fleet/fleet.yaml", &FLEET.replace("small", "outer"));
    repo.commit("both");
    let inner = repo.path.join("infra/Bäckups");
    assert_eq!(name_at(&inner, "HEAD"), "inner");
    assert_eq!(name_at(&repo.path, "HEAD"), "outer");
    assert_eq!(name_at(&repo.path, "HEAD:infra/Bäckups"), "inner");
    let bare = repo.clone_to("bare.git", &["--bare"]);
    assert_eq!(name_at(&bare, "main:infra/Bäckups/"), "inner");
    let told = refused(&repo.path, "main:infra/backups").to_string();
    assert!(told.contains("has no directory infra/backups\nhint: a fleet elsewhere is written main:DIR"), "{told}");
    // Paths are compared as git holds them: another case is another directory.
    assert!(matches!(refused(&repo.path, "main:infra/bäckups"), GitError::NoDirectory { .. }));
    fs::create_dir_all(repo.path.join("later")).unwrap();
    assert!(matches!(refused(&repo.path.join("later"), "main"), GitError::NoDirectory { .. }));
}

#[test]
fn links_lead_where_they_would_in_a_work_tree_and_never_out_of_the_commit() {
    let repo = Repo::empty();
    write(&repo.path, "shared/gold.yaml", "# gold\n");
    write(&repo.path, "shared/more/silver.yaml", "# silver\n");
    write(&repo.path, "fleet/fleet.yaml", FLEET);
    fs::create_dir_all(repo.path.join("policies")).unwrap();
    for (target, link) in [
        ("../shared/gold.yaml", "policies/gold.yaml"),
        ("../shared/more", "policies/more"),
        ("gold.yaml", "policies/again.yaml"),
        ("/etc/hostname", "policies/outside.yaml"),
        ("../../x.yaml", "policies/above.yaml"),
        ("nowhere.yaml", "policies/broken.yaml"),
        ("loop.yaml", "policies/loop.yaml"),
        ("nowhere", "policies/README"),
    ] {
        std::os::unix::fs::symlink(target, repo.path.join(link)).unwrap();
    }
    repo.commit("links");
    let sources = from_commit(&repo.path, "HEAD").unwrap();
    let text = |path: &str| sources.texts.iter().find(|(p, _)| p == path).map(|(_, text)| text.as_str());
    assert_eq!(text("policies/gold.yaml"), Some("# gold\n"));
    assert_eq!(text("policies/again.yaml"), Some("# gold\n"));
    assert_eq!(text("policies/more/silver.yaml"), Some("# silver\n"));
    for told in ["policies/outside.yaml", "policies/above.yaml", "policies/broken.yaml", "policies/loop.yaml"] {
        assert!(sources.tree.contains(told) && text(told).is_none(), "{told}");
    }
    assert!(!sources.tree.contains("policies/README"));
}

#[test]
fn a_submodule_is_read_at_its_commit_where_it_is_here_and_told_where_it_is_not() {
    let inner = Repo::with_two_commits();
    let repo = Repo::empty();
    write(&repo.path, "fleet/other.yaml", "# other\n");
    git(&repo.path, &["submodule", "--quiet", "add", &format!("file://{}", inner.path.display()), "fleet/sub"]);
    repo.commit("with a submodule");
    let sources = from_commit(&repo.path, "HEAD").unwrap();
    assert!(sources.tree.contains("fleet/sub/fleet/fleet.yaml"), "{:?}", sources.tree);
    assert!(!from_directory(&repo.path).unwrap().origin.dirty, "what is checked out is what is committed");
    // A fleet that is itself in the submodule is a repository of its own.
    assert_eq!(name_at(&repo.path.join("fleet/sub"), "HEAD~1"), "one");
    let without = repo.clone_to("without", &[]);
    let sources = from_commit(&without, "HEAD").unwrap();
    assert!(sources.tree.contains("fleet/sub/submodule.yaml"), "{:?}", sources.tree);
    let resolution = backstay_core::resolve::resolve(&sources.tree, sources.origin.clone());
    let told = resolution.diagnostics.render();
    assert!(told.contains("git submodule update --init fleet/sub"), "{told}");
}

#[test]
fn a_pointer_of_lfs_is_no_document_in_a_commit_nor_in_a_work_tree() {
    let repo = Repo::empty();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    write(&repo.path, "fleet/fleet.yaml", FLEET);
    write(&repo.path, "fleet/large.yaml", pointer);
    repo.commit("large");
    for sources in [from_commit(&repo.path, "HEAD").unwrap(), from_directory(&repo.path).unwrap()] {
        let told = backstay_core::resolve::resolve(&sources.tree, sources.origin.clone()).diagnostics.render();
        assert!(told.contains("fleet/large.yaml") && told.contains("pointer of Git LFS"), "{told}");
        assert!(!sources.origin.dirty);
    }
}

#[test]
fn a_sparse_checkout_is_dirty_and_its_commit_is_whole() {
    let repo = Repo::with_two_commits();
    write(&repo.path, "policies/gold.yaml", "# gold\n");
    repo.commit("policies");
    git(&repo.path, &["sparse-checkout", "set", "--no-cone", "/fleet/"]);
    let present = from_directory(&repo.path).unwrap();
    assert!(!present.tree.contains("policies/gold.yaml") && present.origin.dirty);
    assert!(from_commit(&repo.path, "HEAD").unwrap().tree.contains("policies/gold.yaml"));
}

#[test]
fn a_repository_whose_commit_is_lost_is_told_and_the_work_tree_is_read_all_the_same() {
    let repo = Repo::with_two_commits();
    let head = git(&repo.path, &["rev-parse", "HEAD"]);
    fs::remove_file(repo.path.join(".git/objects").join(&head[..2]).join(&head[2..])).unwrap();
    let error = refused(&repo.path, "HEAD");
    assert!(matches!(error, GitError::Unknown { .. } | GitError::Incomplete { .. }), "{error:?}");
    let present = from_directory(&repo.path).unwrap();
    assert!(present.tree.contains("fleet/fleet.yaml") && present.origin.commit.is_none() && present.doubt.is_some());
}

#[test]
fn only_the_fleet_of_a_large_tree_is_looked_at() {
    let repo = Repo::with_two_commits();
    // A tree that is not here at all, beside the fleet: whoever looked into it would fail.
    let entries = git(&repo.path, &["ls-tree", "HEAD"]);
    let missing = "040000 tree 0123456789012345678901234567890123456789\thuge";
    let mut child = Command::new("git")
        .args(["mktree", "--missing"])
        .current_dir(&repo.path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{entries}\n{missing}\n").as_bytes()).unwrap();
    let tree = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned();
    let commit = git(&repo.path, &["commit-tree", "-m", "huge", &tree]);
    assert_eq!(name_at(&repo.path, &commit), "two");
}
