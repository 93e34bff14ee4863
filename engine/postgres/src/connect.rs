//! One connection to one server of this host.

use crate::error::Error;
use crate::passfile::PassFile;
use backstay_core::model::PostgresAddress;
use std::net::IpAddr;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls};

/// How long a connection may take, authentication included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server, and how its password is found. Nothing is connected yet.
#[derive(Debug, Clone)]
pub struct Server {
    address: PostgresAddress,
    pass_file: Option<PassFile>,
}

impl Server {
    /// The server at an address.
    #[must_use]
    pub fn new(address: PostgresAddress, pass_file: Option<PassFile>) -> Self {
        Self { address, pass_file }
    }

    /// The address for people: `user@host:port/database`.
    #[must_use]
    pub fn shown(&self) -> String {
        let PostgresAddress { host, port, user, database } = &self.address;
        format!("{user}@{host}:{port}/{database}")
    }

    /// Connects, with a search path that no user of the database can reach into, and a bound on every statement.
    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        let mut config = self.config()?;
        let mut not_used = None;
        match self.pass_file.as_ref().map(|file| file.password(&self.address)) {
            Some(Ok(Some(password))) => {
                config.password(password.reveal());
            }
            // A server that trusts this host needs no password, so this is an error only if it asks for one.
            Some(Err(error)) => not_used = Some(error),
            Some(Ok(None)) | None => {}
        }
        let attempt = async {
            let (client, connection) = match config.connect(NoTls).await {
                Ok(connected) => connected,
                Err(source) => {
                    let server = self.shown();
                    // The driver has no code for "password missing": a pass file that was not used explains it best.
                    return Err(match not_used {
                        Some(source) => Error::NoPassword { server, source },
                        None => Error::Connect { server, source },
                    });
                }
            };
            // Dropping the client ends the task, and with it the session on the server.
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to a server ended");
                }
            });
            client
                .batch_execute("set search_path = pg_catalog; set statement_timeout = '10s'; set lock_timeout = '5s'")
                .await
                .map_err(|source| Error::Sql { doing: "setting up the session", source })?;
            Ok(client)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, attempt)
            .await
            .map_err(|_| Error::TimedOut { doing: "connecting", after: CONNECT_TIMEOUT })?
    }

    fn config(&self) -> Result<Config, Error> {
        let PostgresAddress { host, port, user, database } = &self.address;
        let mut config = Config::new();
        if host.starts_with('/') {
            config.host_path(host);
        } else if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
            config.host(host);
        } else {
            return Err(Error::NotLocal(host.clone()));
        }
        config.port(*port).user(user).dbname(database).application_name("backstay").connect_timeout(CONNECT_TIMEOUT);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str) -> Server {
        let (user, database) = ("u".to_owned(), "d".to_owned());
        Server::new(PostgresAddress { host: host.to_owned(), port: 5432, user, database }, None)
    }

    #[test]
    fn a_password_never_leaves_this_host_in_clear() {
        for here in ["/var/run/postgresql", "127.0.0.1", "::1", "localhost", "127.8.8.8"] {
            assert!(server(here).config().is_ok(), "{here}");
        }
        for there in ["10.0.0.1", "db.example.com", "", "localhost.example.com", "0.0.0.0"] {
            assert!(matches!(server(there).config(), Err(Error::NotLocal(_))), "{there}");
        }
    }
}
