//! From a URL and an environment to a client: endpoints, credentials, TLS, time limits.

use super::error::Teller;
use super::store::{BucketStore, Clients};
use crate::seams::{StateStore, StoreError};
use backstay_core::model::ObjectsUrl;
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For connecting, and for one whole request. A lease's margin is longer than neither: what counts is that a renewal, which
/// begins at the half of its term, is over well before the term is.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(20);

/// Reads are repeated by the client. Writes under a condition are not: who repeats one must know that its first answer was lost.
fn retries(max_retries: usize) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 3.0,
        },
        max_retries,
        retry_timeout: Duration::from_secs(60),
    }
}

const READ_RETRIES: usize = 5;

/// Both clients of a place send by one: the same connections, and the host's certificates are read once.
#[derive(Debug, Clone, Default)]
struct OneConnector(Arc<Mutex<Option<HttpClient>>>);

impl HttpConnector for OneConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut one = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match one.as_ref() {
            Some(client) => Ok(client.clone()),
            None => Ok(one.insert(ReqwestConnector::default().connect(options)?).clone()),
        }
    }
}

fn client_options() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST)
}

#[cfg(feature = "s3")]
pub(super) fn s3(url: &ObjectsUrl, environment: &BTreeMap<String, String>) -> Result<Arc<dyn StateStore>, StoreError> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
    let teller = Teller::new(url, environment);
    let said = said::<AmazonS3ConfigKey>(environment, "AWS_");
    let value = |key| said.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| value.as_str());
    let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint));
    let allows_http = value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let may_be_plain = may_be_plain(&teller, endpoint, allows_http, "AWS_ALLOW_HTTP")?;
    let connector = OneConnector::default();
    let client = |max_retries| -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = AmazonS3Builder::new().with_client_options(client_options());
        for (key, value) in &said {
            builder = builder.with_config(*key, value);
        }
        let builder = builder
            .with_allow_http(may_be_plain)
            .with_bucket_name(&url.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_http_connector(connector.clone())
            .with_retry(retries(max_retries));
        Ok(Arc::new(builder.build().map_err(|error| teller.unusable(&error.to_string()))?))
    };
    store(url, teller.clone(), client)
}

#[cfg(feature = "azure")]
pub(super) fn azure(
    url: &ObjectsUrl,
    environment: &BTreeMap<String, String>,
) -> Result<Arc<dyn StateStore>, StoreError> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let teller = Teller::new(url, environment);
    let said = said::<AzureConfigKey>(environment, "AZURE_");
    let value = |key| said.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| value.as_str());
    let allows_http = value(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    let may_be_plain = may_be_plain(&teller, value(AzureConfigKey::Endpoint), allows_http, "AZURE_ALLOW_HTTP")?;
    let connector = OneConnector::default();
    let client = |max_retries| -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = MicrosoftAzureBuilder::new().with_client_options(client_options());
        for (key, value) in &said {
            builder = builder.with_config(*key, value);
        }
        let builder = builder
            .with_allow_http(may_be_plain)
            .with_container_name(&url.bucket)
            .with_http_connector(connector.clone())
            .with_retry(retries(max_retries));
        Ok(Arc::new(builder.build().map_err(|error| teller.unusable(&error.to_string()))?))
    };
    store(url, teller.clone(), client)
}

/// What the environment says to one service's client, in the order of the names; what it does not know is not for it.
fn said<K: std::str::FromStr>(environment: &BTreeMap<String, String>, prefix: &str) -> Vec<(K, String)> {
    let of_service = environment.iter().filter(|(name, _)| name.starts_with(prefix));
    of_service.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone()))).collect()
}

/// Without TLS only on this very host, or where the environment says that it may be.
fn may_be_plain(
    teller: &Teller,
    endpoint: Option<&str>,
    allows_http: Option<&str>,
    variable: &str,
) -> Result<bool, StoreError> {
    if allows_http.is_some_and(|value| ["true", "1", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())) {
        return Ok(true);
    }
    let Some(rest) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else { return Ok(false) };
    if is_loopback(rest) {
        return Ok(true);
    }
    Err(teller.unusable(&format!("its endpoint is not encrypted: write https://, or set {variable}=true")))
}

fn is_loopback(authority_and_path: &str) -> bool {
    let authority = authority_and_path.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an @ is a user, whatever it looks like.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn store(
    url: &ObjectsUrl,
    teller: Teller,
    client: impl Fn(usize) -> Result<Arc<dyn ObjectStore>, StoreError>,
) -> Result<Arc<dyn StateStore>, StoreError> {
    // Another part of the process may have installed it already; whichever is there serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Path::parse(&url.prefix).map_err(|error| teller.unusable(&error.to_string()))?;
    let clients = Clients { reads: client(READ_RETRIES)?, writes: client(0)? };
    Ok(Arc::new(BucketStore::new(clients, root, teller)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket_store::open;
    use backstay_core::model::ObjectService;

    fn told(service: ObjectService, environment: &[(&str, &str)]) -> String {
        let url = ObjectsUrl { service, bucket: "state".to_owned(), prefix: "eu10".to_owned() };
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        open(&url, &environment).map_or_else(|error| error.to_string(), |_| "opened".to_owned())
    }

    #[test]
    #[cfg(feature = "s3")]
    fn a_plain_endpoint_is_for_this_host_or_for_who_says_so() {
        let s3 = |environment: &[(&str, &str)]| told(ObjectService::S3, environment);
        for endpoint in ["http://127.0.0.1:9000", "http://[::1]:9000/x", "http://localhost", "https://s3.example.com"] {
            assert_eq!(s3(&[("AWS_ENDPOINT_URL_S3", endpoint)]), "opened", "{endpoint}");
        }
        let refused = "the state store s3://state/eu10 cannot be opened: its endpoint is not encrypted: write https://, or \
            set AWS_ALLOW_HTTP=true";
        for endpoint in ["http://s3.example.com", "http://127.0.0.1@example.com", "http://127.0.0.1.example.com:80"] {
            assert_eq!(s3(&[("AWS_ENDPOINT_URL", endpoint)]), refused, "{endpoint}");
        }
        // The more special one counts.
        let both = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_S3", "http://s3.example.com")];
        assert_eq!(s3(&both), refused);
        assert_eq!(s3(&[("AWS_ENDPOINT_URL", "http://s3.example.com"), ("AWS_ALLOW_HTTP", "true")]), "opened");
        assert_eq!(s3(&[]), "opened");
    }

    #[test]
    #[cfg(feature = "azure")]
    fn azure_wants_to_know_the_account() {
        let azure = |environment: &[(&str, &str)]| told(ObjectService::Azure, environment);
        assert_eq!(azure(&[("AZURE_STORAGE_ACCOUNT_NAME", "state")]), "opened");
        let told = azure(&[("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA==")]);
        assert!(told.starts_with("the state store az://state/eu10 cannot be opened: "), "{told}");
        assert!(!told.contains("aHVzaA"), "{told}");
    }
}
