//! The pass file: the one place where passwords come from.
//!
//! libpq's format and rules: `host:port:database:user:password`, `*` matches anything, `\` escapes, the first line that
//! matches wins, and a file that others may read is not used.

use backstay_core::model::PostgresAddress;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where Debian's and PGDG's libpq look for sockets by default: a pass file calls it `localhost`.
const DEFAULT_SOCKET_DIRECTORIES: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// A pass file, which need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassFile(PathBuf);

/// Why a pass file that exists was not used.
#[derive(Debug, thiserror::Error)]
pub enum PassFileError {
    /// It is there, but cannot be read.
    #[error("the pass file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("the pass file {} is open to its group or to others; run `chmod 0600` on it", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
    },
}

/// A password. It has no `Debug` that shows it, and no `Display` at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// The password itself, for the connection.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl PassFile {
    /// A pass file at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where libpq would look: `PGPASSFILE`, or `.pgpass` in the home directory.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        let named = std::env::var_os("PGPASSFILE").filter(|path| !path.is_empty());
        let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
        named.map(PathBuf::from).or_else(|| home().map(|home| Path::new(&home).join(".pgpass"))).map(Self)
    }

    /// The password for a server; `None` when the file is not there or has no line for it.
    pub fn password(&self, address: &PostgresAddress) -> Result<Option<Password>, PassFileError> {
        let unreadable = |source| PassFileError::Unreadable { path: self.0.clone(), source };
        let metadata = match std::fs::metadata(&self.0) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // libpq reads no directory, device or pipe here, and PGPASSFILE=/dev/null means none.
        if !metadata.is_file() {
            return Ok(None);
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(PassFileError::TooOpen { path: self.0.clone() });
        }
        let text = std::fs::read_to_string(&self.0).map_err(unreadable)?;
        Ok(find(&text, address).map(Password))
    }
}

fn find(text: &str, address: &PostgresAddress) -> Option<String> {
    let is_default = DEFAULT_SOCKET_DIRECTORIES.contains(&address.host.as_str());
    let port = address.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let [host, in_port, database, user, password] = fields(line)?;
        let matches = |field: &Field, value: &str| field.is_any || field.text == value;
        let host_matches = matches(&host, &address.host) || (is_default && host.text == "localhost");
        let rest = matches(&in_port, &port) && matches(&database, &address.database) && matches(&user, &address.user);
        (host_matches && rest).then_some(password.text)
    })
}

struct Field {
    text: String,
    is_any: bool,
}

fn fields(line: &str) -> Option<[Field; 5]> {
    let mut texts = vec![String::new()];
    let mut escaped = vec![false];
    let mut characters = line.trim_end_matches('\r').chars();
    while let Some(character) = characters.next() {
        let last = texts.len() - 1;
        match character {
            '\\' => {
                escaped[last] = true;
                texts[last].extend(characters.next());
            }
            ':' if last < 4 => {
                texts.push(String::new());
                escaped.push(false);
            }
            other => texts[last].push(other),
        }
    }
    let fields: Vec<Field> =
        texts.into_iter().zip(escaped).map(|(text, escaped)| Field { is_any: text == "*" && !escaped, text }).collect();
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn address(host: &str, user: &str) -> PostgresAddress {
        PostgresAddress { host: host.into(), port: 5432, user: user.into(), database: "postgres".into() }
    }

    #[test]
    fn the_first_line_that_matches_wins() {
        let text = "# 127.0.0.1:5432:*:backup:commented\n127.0.0.1:5433:*:backup:other-port\nbroken\n\
                    127.0.0.1:5432:*:backup:a\\:b\\\\c\n*:*:*:*:catch-all:with:colons\n";
        assert_eq!(find(text, &address("127.0.0.1", "backup")).as_deref(), Some(r"a:b\c"));
        assert_eq!(find(text, &address("127.0.0.1", "other")).as_deref(), Some("catch-all:with:colons"));
        assert_eq!(find("localhost:5432:postgres:u:p", &address("/var/run/postgresql", "u")).as_deref(), Some("p"));
        assert_eq!(find("localhost:5432:postgres:u:p", &address("/srv/sock", "u")), None);
        assert_eq!(find("\\*:5432:postgres:u:p", &address("/srv/sock", "u")), None, "an escaped star is a star");
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used_and_passwords_are_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pass");
        let file = PassFile::at(&path);
        assert_eq!(file.password(&address("h", "u")).unwrap(), None);
        std::fs::write(&path, "*:*:*:*:s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = file.password(&address("h", "u")).unwrap_err();
        assert!(refused.to_string().contains("chmod 0600") && !format!("{refused:?}").contains("s3cret"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let password = file.password(&address("h", "u")).unwrap().unwrap();
        assert_eq!(password.reveal(), "s3cret");
        assert!(!format!("{password:?}").contains("s3cret"));
        assert_eq!(PassFile::at("/dev/null").password(&address("h", "u")).unwrap(), None);
    }
}
