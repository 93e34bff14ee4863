//! Object stores written by others, each started on a free port of this host, with a proxy of ours before it.
//!
//! `tests/run install` brings them: s3s-fs, moto and Azurite.

mod azure;
mod proxy;

pub use proxy::{Faults, Proxy};

use backstay_core::model::{ObjectService, ObjectsUrl};
use backstay_runtime::bucket_store;
use backstay_runtime::seams::StateStore;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The bucket of every emulator.
pub const BUCKET: &str = "state";

/// Who plays the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emulator {
    /// S3 over a directory, in Rust, by the authors of s3s.
    S3sFs,
    /// S3 in memory, in Python, by the moto project.
    Moto,
    /// Azure Blob Storage, in JavaScript, by Microsoft.
    Azurite,
}

/// A running object store, with an empty bucket. Dropping it stops it.
#[derive(Debug)]
pub struct Bucket {
    emulator: Emulator,
    server: Child,
    proxy: Proxy,
    _directory: TempDir,
}

impl Emulator {
    /// Starts it.
    ///
    /// s3s-fs and moto look first and write then, so that two conditional writes at once may both succeed. The services
    /// themselves do not, so the proxy lets one request at a time through to these two.
    #[must_use]
    pub fn start(self) -> Bucket {
        let directory = TempDir::new().expect("a directory");
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = self.command(port, directory.path());
        let log = std::fs::File::create(directory.path().join("server.log")).expect("a file");
        let errors = log.try_clone().expect("a second handle");
        command.current_dir(directory.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        let server = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?} could not be started: {error}; `tests/run install` brings it");
        });
        let mut bucket = Bucket {
            emulator: self,
            server,
            proxy: Proxy::start(address, self != Self::Azurite),
            _directory: directory,
        };
        bucket.wait_until_ready(address);
        bucket.make_bucket();
        bucket
    }

    fn command(self, port: u16, directory: &Path) -> Command {
        let port = port.to_string();
        let target = target();
        match self {
            Self::S3sFs => {
                let data = directory.join("data");
                std::fs::create_dir_all(data.join(BUCKET)).expect("a directory");
                let mut command = Command::new(target.join("tools/bin/s3s-fs"));
                command.args(["--host", "127.0.0.1", "--port", &port, "--access-key", "test"]);
                command.args(["--secret-key", "test-secret"]).arg(data);
                command
            }
            Self::Moto => {
                let mut command = Command::new(target.join("venv/bin/moto_server"));
                command.args(["-H", "127.0.0.1", "-p", &port]);
                command
            }
            Self::Azurite => {
                let mut command = Command::new(target.join("node/node_modules/.bin/azurite-blob"));
                command.args(["--blobHost", "127.0.0.1", "--blobPort", &port, "--location"]).arg(directory);
                command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
                command
            }
        }
    }
}

impl Bucket {
    /// The proxy before it, for faults.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The URL of a place in it, as a fleet document has it.
    #[must_use]
    pub fn url(&self, prefix: &str) -> ObjectsUrl {
        let service = match self.emulator {
            Emulator::S3sFs | Emulator::Moto => ObjectService::S3,
            Emulator::Azurite => ObjectService::Azure,
        };
        ObjectsUrl { service, bucket: BUCKET.to_owned(), prefix: prefix.to_owned() }
    }

    /// What the environment of a process that uses it says.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let address = self.proxy.address();
        let pairs = match self.emulator {
            Emulator::S3sFs | Emulator::Moto => vec![
                ("AWS_ENDPOINT_URL_S3", format!("http://{address}")),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test-secret".to_owned()),
            ],
            Emulator::Azurite => vec![
                ("AZURE_STORAGE_ENDPOINT", format!("http://{address}/{}", azure::ACCOUNT)),
                ("AZURE_STORAGE_ACCOUNT_NAME", azure::ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", azure::KEY.to_owned()),
            ],
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A state store in it.
    #[must_use]
    pub fn open(&self, prefix: &str) -> Arc<dyn StateStore> {
        bucket_store::open(&self.url(prefix), &self.environment()).expect("a store on this host")
    }

    fn wait_until_ready(&mut self, address: SocketAddr) {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "{:?} does not listen after a minute", self.emulator);
            assert!(self.server.try_wait().expect("a child").is_none(), "{:?} ended", self.emulator);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn make_bucket(&self) {
        let address = self.proxy.address();
        let request = match self.emulator {
            // Its directory is the bucket.
            Emulator::S3sFs => return,
            Emulator::Moto => format!("PUT /{BUCKET} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"),
            Emulator::Azurite => azure::create_container(address, BUCKET),
        };
        let mut connection = TcpStream::connect(address).expect("the proxy listens");
        connection.write_all(request.as_bytes()).expect("the proxy reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("the proxy answers");
        assert!(answer.starts_with("HTTP/1.1 20"), "{:?} made no bucket: {answer}", self.emulator);
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where `tests/run install` puts tools.
fn target() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(beside, PathBuf::from)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("this host has free ports");
    listener.local_addr().expect("it is bound").port()
}
