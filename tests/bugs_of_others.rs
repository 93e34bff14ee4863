//! `docs/bugs-of-others.md` names every bug of INVARIANTS.md's last section, and only tests that exist.

use std::fs;
use std::path::Path;

/// How many bugs there are.
const BUGS: usize = 28;

/// A row of the table: the bug's number, what happened, and what keeps it out.
fn row(line: &str) -> Option<(usize, &str, &str)> {
    let [number, bug, kept_out_by] = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect::<Vec<_>>()[..]
    else {
        return None;
    };
    Some((number.parse().ok()?, bug, kept_out_by))
}

/// Whether a source has a test function of this name that is run.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| line.contains(&format!("fn {name}("));
    let is_test = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    lines.iter().enumerate().any(|(at, line)| is_it(line) && at > 0 && is_test(lines[at - 1]))
}

#[test]
fn every_bug_of_others_is_kept_out_by_a_test_that_exists_or_has_its_issue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/bugs-of-others.md")).expect("the table is there");
    let rows: Vec<_> = table.lines().filter_map(row).collect();
    assert_eq!(rows.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), (1..=BUGS).collect::<Vec<_>>());
    for (number, bug, kept_out_by) in rows {
        assert!(bug.ends_with('.'), "{number}: {bug}");
        if let Some(issue) = kept_out_by.strip_prefix("comes with issue ") {
            issue.parse::<u32>().expect("an issue's number");
            continue;
        }
        for test in kept_out_by.split(", ") {
            let named = test.strip_prefix('`').and_then(|test| test.strip_suffix('`')).and_then(|t| t.split_once("::"));
            let (path, name) = named.unwrap_or_else(|| panic!("{number}: `path::name`, not {test}"));
            let source =
                fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{number}: {path}: {error}"));
            assert!(has_test(&source, name), "{number}: {path} has no test {name}");
            let says_it =
                name.starts_with(&format!("bug_{number}_")) || source.contains(&format!("Bug of others {number}:"));
            assert!(says_it, "{number}: {path}::{name} does not say which bug it keeps out");
        }
    }
}
