//! `init`: a fleet that is valid, planned and applied at once, and never over what is there.

use crate::place::{Place, now};
use serde::Deserialize as _;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn files_below(root: &Path) -> Vec<String> {
    let (mut files, mut open): (Vec<String>, Vec<PathBuf>) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_fleet_for_each_iaas_is_valid_formatted_planned_and_applied_at_once() {
    for iaas in ["aws", "azure", "gcp", "alibaba", "sim", "local"] {
        let place = Place::empty();
        let said = place.done(&["init", &format!("-iaas={iaas}"), "-name=shop"]);
        assert!(said.out.starts_with("Made the fleet `shop`:") && said.out.contains("backstay plan"), "{}", said.out);
        for file in files_below(place.directory.path()) {
            assert!(said.out.contains(&file), "{file} is not told of: {}", said.out);
        }
        let validated = place.done(&["validate"]);
        assert!(validated.out.contains("1 cluster, 1 site, 2 policies"), "{iaas}: {}", validated.out);
        assert_eq!(place.done(&["fmt", "-check"]).out, "");
        let planned = place.done(&["plan"]);
        let applied = place.done(&["apply", "-auto-approve"]);
        if iaas == "local" {
            assert!(planned.out.ends_with("No changes.\n"), "{}", planned.out);
        } else {
            assert!(planned.out.ends_with("Plan: 1 to add, 0 to change, 0 to destroy.\n"), "{iaas}: {}", planned.out);
            assert!(applied.out.contains("Resources: 1 added"), "{iaas}: {}", applied.out);
            assert!(place.done(&["status"]).out.contains("1 protected"), "{iaas}");
            assert!(place.done(&["plan"]).out.ends_with("No changes.\n"));
        }
    }
}

#[test]
fn the_first_line_of_each_document_leads_editors_to_a_schema_that_is_there() {
    for iaas in ["aws", "azure", "gcp", "alibaba", "sim", "local"] {
        let place = Place::empty();
        place.done(&["init", &format!("-iaas={iaas}")]);
        for file in files_below(place.directory.path()).iter().filter(|file| file.ends_with(".yaml")) {
            let text = place.read(file);
            let schema = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
            let path = place.directory.path().join(file).parent().unwrap().join(schema);
            let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            // Judged by the schema alone, as an editor does it.
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            let mut documents = 0;
            for document in serde_yaml::Deserializer::from_str(&text) {
                let document = Value::deserialize(document).unwrap();
                let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{iaas} {file}: {errors:?}");
                let mut wrong = document.clone();
                wrong["spec"]["unheardOf"] = 1.into();
                assert!(!validator.is_valid(&wrong), "{iaas} {file}");
                documents += 1;
            }
            assert!(documents > 0, "{file}");
        }
    }
}

#[test]
fn nothing_is_written_where_anything_is_there_already() {
    let place = Place::small();
    let before = files_below(place.directory.path());
    let said = place.run(&["init", "-iaas=aws"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("nothing was written, since this is there already: fleet, fleet/fleet.yaml, policies"),
        "{}",
        said.err
    );
    assert_eq!(files_below(place.directory.path()), before);
    // A directory that git ignores things in, or that holds other things, is as good as an empty one.
    let place = Place::empty();
    place.write(".gitignore", "/target/\n");
    place.write("README.md", "words\n");
    place.done(&["init", "-iaas=sim"]);
    assert_eq!((place.read(".gitignore"), place.read("README.md")), ("/target/\n".to_owned(), "words\n".to_owned()));
    assert_eq!(place.run(&["init", "-iaas=sim"]).code, 1);
}

#[test]
fn a_person_is_asked_for_the_iaas_and_nobody_else_is() {
    let place = Place::empty();
    let said = place.run(&["init"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("choose one with -iaas=aws, azure, gcp, alibaba, local, sim"), "{}", said.err);
    let said = now(place.shell.run(&["init"], Some("amazon")));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("there is no IaaS `amazon`"), "{}", said.err);
    assert_eq!(now(place.shell.run(&["init"], Some(""))).code, 8);
    assert!(files_below(place.directory.path()).is_empty());
    let said = now(place.shell.run(&["init"], Some("azure")));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("Which IaaS is the fleet for?"), "{}", said.err);
    assert!(place.read("fleet/sites.yaml").contains("profile: azure"));
}

#[test]
fn the_directory_is_made_and_gives_the_fleet_its_name() {
    let place = Place::empty();
    place.done(&["init", "-iaas=gcp", "-chdir=new/Data Bases"]);
    assert!(place.read("new/Data Bases/fleet/fleet.yaml").contains("name: data-bases"));
    place.done(&["plan", "-chdir=new/Data Bases"]);
    let said = place.run(&["init", "-iaas=gcp", "-name=No Name", "-chdir=other"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("`No Name` is no name of a fleet: nothing was written"), "{}", said.err);
    assert!(!place.directory.path().join("other").exists());
}
