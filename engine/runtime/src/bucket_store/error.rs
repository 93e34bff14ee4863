//! What failed, in words that hold no secret.

use crate::seams::StoreError;
use backstay_core::model::ObjectsUrl;
use object_store::Error;
use std::collections::BTreeMap;

/// Longer causes are cut: some services answer with whole pages.
const LONGEST: usize = 400;

/// What an error may say about a place, and what it may not.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    place: String,
    secrets: Vec<String>,
}

impl Teller {
    /// Every value of the environment that could be a secret is kept out of what is told.
    pub(super) fn new(url: &ObjectsUrl, environment: &BTreeMap<String, String>) -> Self {
        let is_secret =
            |name: &str| ["KEY", "SECRET", "TOKEN", "SAS", "PASSWORD"].iter().any(|word| name.contains(word));
        let of_service = environment.iter().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("AZURE_"));
        let secrets = of_service.filter(|(name, value)| is_secret(name) && value.len() > 3);
        Self { place: url.to_string(), secrets: secrets.map(|(_, value)| value.clone()).collect() }
    }

    /// `what` is a verb, `key` what it was for.
    pub(super) fn failed(&self, what: &str, key: &str, error: &Error) -> StoreError {
        let place = &self.place;
        StoreError::new(format!("could not {what} {key} in {place}: {}", self.cause(error)))
    }

    /// The store as a whole cannot be used.
    pub(super) fn unusable(&self, because: &str) -> StoreError {
        StoreError::new(format!("the state store {} cannot be opened: {}", self.place, self.clean(because)))
    }

    fn cause(&self, error: &Error) -> String {
        if lacks_bucket(error) {
            return "there is no such bucket".to_owned();
        }
        if matches!(error, Error::PermissionDenied { .. }) {
            return "the credentials in the environment do not allow it".to_owned();
        }
        if matches!(error, Error::Unauthenticated { .. }) {
            return "the credentials in the environment are missing or wrong".to_owned();
        }
        self.clean(&with_sources(error))
    }

    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let words = text.split_whitespace().map(without_query);
        let line = words.collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// Whether more than one key is missing.
pub(super) fn lacks_bucket(error: &Error) -> bool {
    let text = error.to_string();
    ["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"].iter().any(|code| text.contains(code))
}

/// A URL's query may be a signature.
fn without_query(word: &str) -> &str {
    if word.contains("://") { word.split('?').next().unwrap_or(word) } else { word }
}

/// The text of an error with those of its sources that it does not repeat.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstay_core::model::ObjectService;

    #[test]
    fn an_error_tells_place_and_cause_and_no_secret() {
        let url = ObjectsUrl { service: ObjectService::S3, bucket: "state".to_owned(), prefix: "eu10".to_owned() };
        let environment = [("AWS_SECRET_ACCESS_KEY", "hush-hush"), ("AWS_REGION", "eu-central-1")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let source = "PUT https://state/x?sig=abc%3D with hush-hush\nin eu-central-1".into();
        let told = Teller::new(&url, &environment).failed("write", "leases/a", &Error::Generic { store: "S3", source });
        let text = told.to_string();
        assert!(text.starts_with("could not write leases/a in s3://state/eu10: "), "{text}");
        assert!(text.ends_with("PUT https://state/x with *** in eu-central-1"), "{text}");
    }

    #[test]
    fn a_page_for_an_answer_is_cut() {
        let url = ObjectsUrl { service: ObjectService::Azure, bucket: "state".to_owned(), prefix: String::new() };
        let teller = Teller::new(&url, &BTreeMap::new());
        assert_eq!(teller.clean(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
