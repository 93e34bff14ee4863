//! Every golden scenario of `tests/scenarios`: `BACKSTAY_UPDATE=1 cargo test --test scenarios` writes them anew.

use backstay_test_support::scenario;
use std::path::{Path, PathBuf};

#[tokio::test]
async fn every_scenario_says_what_stands_beside_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(&directory).expect("the scenarios are there");
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory's entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 12, "scenarios are missing: {}", scripts.len());
    let mut wrong = Vec::new();
    for script in scripts {
        if let Err(error) = scenario::run(&script).await {
            wrong.push(format!("{error:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
