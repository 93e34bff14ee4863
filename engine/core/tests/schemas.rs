//! The checked-in schemas are what the document types say.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may read files, and fails by unwrap")]

use std::path::Path;

#[test]
fn the_schemas_are_what_the_document_types_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    for (name, generated) in backstay_core::document::schema::generate() {
        let path = directory.join(name);
        if std::env::var_os("BACKSTAY_UPDATE").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(checked_in == generated, "{name} has drifted: run this test with BACKSTAY_UPDATE=1");
    }
}
