//! One real server.

use super::load::{Bench, Ledger};
use super::root::{Root, give_to_postgres, is_root, run};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Which disks a server has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disks {
    /// `pg_wal` on a disk of its own.
    pub wal: bool,
    /// A tablespace `ts` on a disk of its own.
    pub tablespace: bool,
}

/// A running PostgreSQL server. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    mounts: PathBuf,
    socket: PathBuf,
    port: u16,
    disks: Disks,
}

/// The newest installed PostgreSQL's program of this name.
#[must_use]
pub fn pg_program(name: &str) -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: apt-get install postgresql");
    let mut programs: Vec<PathBuf> = installed
        .map(|version| version.expect("a readable directory").path().join("bin").join(name))
        .filter(|program| program.exists())
        .collect();
    programs.sort();
    programs.pop().expect("the server is installed: apt-get install postgresql postgresql-contrib")
}

/// A server's program: PostgreSQL refuses to run as root.
fn as_postgres(name: &str) -> Command {
    let program = pg_program(name);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C").current_dir("/");
    command
}

impl Server {
    /// Makes and starts a primary. Its disks are `INSTANCE-data`, `INSTANCE-wal` and `INSTANCE-ts`.
    #[must_use]
    pub fn primary(root: &Root, instance: &str, disks: Disks, settings: &str) -> Self {
        let server = Self::new(root, instance, disks);
        let mut initdb = as_postgres("initdb");
        initdb.args([
            "--no-sync",
            "-U",
            "postgres",
            "-A",
            "trust",
            "--data-checksums",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-D",
        ]);
        initdb.arg(server.data());
        if disks.wal {
            initdb.arg("-X").arg(server.mounts.join("wal/pg_wal"));
        }
        run(&mut initdb).expect("initdb");
        server.configure(settings);
        server.start();
        if disks.tablespace {
            let space = server.mounts.join("ts/space");
            fs::create_dir(&space).expect("an empty disk");
            give_to_postgres(&space);
            server.sql(&format!("create tablespace ts location '{}'", space.display()));
        }
        server
    }

    /// Makes and starts a standby that streams from this server, with disks of its own.
    #[must_use]
    pub fn standby(&self, root: &Root, instance: &str) -> Self {
        let standby = Self::new(root, instance, self.disks);
        let mut copy = as_postgres("pg_basebackup");
        copy.args(["--no-sync", "-U", "postgres", "-c", "fast", "-X", "stream", "-R", "-D"]).arg(standby.data());
        copy.arg("-h").arg(&self.socket).arg("-p").arg(self.port.to_string());
        if self.disks.wal {
            copy.arg("--waldir").arg(standby.mounts.join("wal/pg_wal"));
        }
        if self.disks.tablespace {
            let space = |server: &Self| server.mounts.join("ts/space").display().to_string();
            copy.arg("-T").arg(format!("{}={}", space(self), space(&standby)));
        }
        run(&mut copy).expect("pg_basebackup");
        standby.configure("");
        standby.start();
        standby
    }

    fn new(root: &Root, instance: &str, disks: Disks) -> Self {
        root.add_disk(instance, "data", &format!("{instance}-data"));
        if disks.wal {
            root.add_disk(instance, "wal", &format!("{instance}-wal"));
        }
        if disks.tablespace {
            root.add_disk(instance, "ts", &format!("{instance}-ts"));
        }
        let socket = root.scratch(&format!("socket-{instance}"));
        fs::create_dir(&socket).expect("no other instance has this name");
        give_to_postgres(&socket);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        Self { mounts: root.path().join("instances").join(instance), socket, port, disks }
    }

    fn configure(&self, settings: &str) {
        let file = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&file).expect("initdb wrote it");
        text.push_str(&format!(
            "
port = {}
listen_addresses = '127.0.0.1'
unix_socket_directories = '{}'
shared_buffers = 32MB
max_wal_size = 256MB
wal_keep_size = 32MB
max_wal_senders = 6
wal_receiver_status_interval = 1s
{settings}
",
            self.port,
            self.socket.display()
        ));
        fs::write(file, text).expect("our own file");
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&self) {
        let log = self.socket.join("log");
        run(as_postgres("pg_ctl").args(["-w", "-t", "60", "-D"]).arg(self.data()).arg("-l").arg(&log).arg("start"))
            .unwrap_or_else(|error| panic!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()));
    }

    /// Stops it: `fast` or `immediate`.
    pub fn stop(&self, mode: &str) {
        run(as_postgres("pg_ctl").args(["-w", "-m", mode, "-D"]).arg(self.data()).arg("stop")).expect("pg_ctl stop");
    }

    /// Ends a standby's recovery.
    pub fn promote(&self) {
        run(as_postgres("pg_ctl").args(["-w", "-D"]).arg(self.data()).arg("promote")).expect("pg_ctl promote");
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.mounts.join("data/pgdata")
    }

    /// The directory of its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its port, on 127.0.0.1 and in the name of its socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements as superuser; the answer is what `psql` prints.
    pub fn sql(&self, statements: &str) -> String {
        psql(&self.socket, self.port, statements)
    }

    /// Waits until a question is answered with `t`.
    pub fn wait_for(&self, question: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.sql(question) != "t" {
            assert!(Instant::now() < deadline, "never true: {question}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Fills pgbench's tables, into the tablespace where there is one.
    pub fn fill(&self, scale: u32) {
        let mut bench = Command::new(pg_program("pgbench"));
        bench.args(["-i", "-q", "-U", "postgres", "-s"]).arg(scale.to_string());
        bench.arg("-h").arg(&self.socket).arg("-p").arg(self.port.to_string());
        if self.disks.tablespace {
            bench.arg("--tablespace=ts");
        }
        run(bench.arg("postgres")).expect("pgbench -i");
        self.sql("create table ledger (id bigint primary key)");
    }

    /// Runs pgbench's transactions until it is dropped.
    #[must_use]
    pub fn bench(&self) -> Bench {
        Bench::start(&self.socket, self.port)
    }

    /// Inserts rows one by one until it is dropped, and remembers which were acknowledged.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::start(&self.socket, self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            let _ = run(as_postgres("pg_ctl").args(["-w", "-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
        }
    }
}

fn psql(socket: &Path, port: u16, statements: &str) -> String {
    let mut psql = Command::new(pg_program("psql"));
    psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-c", statements]);
    run(psql.arg("-h").arg(socket).arg("-p").arg(port.to_string())).expect("psql").trim_end().to_owned()
}

/// A server that was started from a point. Dropping it stops it at once.
#[derive(Debug)]
pub struct Recovered {
    data: PathBuf,
    socket: PathBuf,
    port: u16,
    /// What the script said.
    pub said: String,
}

impl Recovered {
    /// Runs `tests/postgres/start-from-point.sh`. `point` is the directory of the point's files, or `-`.
    pub fn start(root: &Root, point: &Path, snapshots: &[String], target: &str) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../postgres/start-from-point.sh");
        let target = root.scratch(target);
        let mut command = Command::new(script);
        let output = command.arg(root.path()).arg(point).args(snapshots).arg(&target).output();
        let output = output.expect("the script is there");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(said);
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("the script prints it at its end");
            line.to_owned()
        };
        let port = value("port=").parse().expect("a number");
        Ok(Self { data: value("data=").into(), socket: value("socket=").into(), port, said })
    }

    /// Runs statements as superuser; the answer is what `psql` prints.
    pub fn sql(&self, statements: &str) -> String {
        psql(&self.socket, self.port, statements)
    }

    /// Checks every index and heap (`pg_amcheck`), then stops it and checks every page's checksum (`pg_checksums`).
    pub fn check_everything(self) {
        self.sql("create extension if not exists amcheck");
        let mut amcheck = Command::new(pg_program("pg_amcheck"));
        amcheck.args(["-U", "postgres", "--heapallindexed", "-d", "postgres"]);
        run(amcheck.arg("-h").arg(&self.socket).arg("-p").arg(self.port.to_string())).expect("pg_amcheck");
        self.stop("fast");
        run(as_postgres("pg_checksums").args(["--check", "-D"]).arg(&self.data)).expect("pg_checksums");
    }

    fn stop(&self, mode: &str) {
        run(as_postgres("pg_ctl").args(["-w", "-m", mode, "-D"]).arg(&self.data).arg("stop")).expect("pg_ctl stop");
    }
}

impl Drop for Recovered {
    fn drop(&mut self) {
        if self.data.join("postmaster.pid").exists() {
            let _ = run(as_postgres("pg_ctl").args(["-w", "-m", "immediate", "-D"]).arg(&self.data).arg("stop"));
        }
    }
}
