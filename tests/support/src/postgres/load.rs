//! Load on a server: what must not be lost, and what must stay balanced.

use super::server::pg_program;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// pgbench's transactions in the background.
#[derive(Debug)]
pub struct Bench(Child);

impl Bench {
    pub(super) fn start(socket: &Path, port: u16) -> Self {
        let mut bench = Command::new(pg_program("pgbench"));
        bench.args(["-n", "-c", "2", "-T", "600", "-U", "postgres", "-h"]).arg(socket);
        bench.arg("-p").arg(port.to_string()).arg("postgres");
        Self(bench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbench"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One client that inserts 1, 2, 3, … into `ledger`, each in a transaction of its own.
#[derive(Debug)]
pub struct Ledger {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    client: Option<JoinHandle<()>>,
}

impl Ledger {
    pub(super) fn start(socket: &Path, port: u16) -> Self {
        let mut psql = Command::new(pg_program("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"]).arg(socket);
        psql.arg("-p").arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut psql = psql.spawn().expect("psql");
        let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (last, stopped) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let client = std::thread::spawn(move || {
            let mut statements = psql.stdin.take().expect("it is piped");
            let mut answers = BufReader::new(psql.stdout.take().expect("it is piped")).lines();
            for id in 1u64.. {
                // psql prints the row once the server has said that the transaction is committed.
                let sent = writeln!(statements, "insert into ledger values ({id}) returning id;");
                let answer = answers.next().and_then(Result::ok);
                if sent.is_err() || answer != Some(id.to_string()) {
                    break;
                }
                last.store(id, Ordering::SeqCst);
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
            }
            drop(statements);
            let _ = psql.wait();
        });
        Self { acknowledged, stop, client: Some(client) }
    }

    /// The highest number whose commit has returned.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until this many more were acknowledged; returns the highest.
    #[must_use]
    pub fn advance(&self, by: u64) -> u64 {
        let goal = self.acknowledged() + by;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.acknowledged() < goal {
            assert!(Instant::now() < deadline, "the server commits nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.acknowledged()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(client) = self.client.take() {
            let _ = client.join();
        }
    }
}
