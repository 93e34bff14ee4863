//! `effects.jsonl`: one line an entry, appended and synced before a call answers, read by any number of processes.
//!
//! Writers hold the file's exclusive lock from reading the tail to syncing their own line; readers hold the shared one. A
//! line without its end was torn by a crash: its call never answered, so readers pass over it and the next writer cuts it.

use crate::durable;
use backstay_core::canonical::Digest;
use backstay_sim::{Contradiction, Effect};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The only format there is.
const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// The first line.
    Header {
        /// The version of this format.
        format: u32,
        /// The digest of the world file that the site began with.
        world: Digest,
    },
    /// The world file changed: what follows was decided on another one.
    World(Digest),
    /// What a call changed.
    Effect(Effect),
}

impl Entry {
    pub(crate) fn header(world: Digest) -> Self {
        Self::Header { format: FORMAT, world }
    }
}

/// How far a process has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Device and inode: another file under the same name is read from its start.
    file: Option<(u64, u64)>,
    /// The end of the last whole line.
    end: u64,
    /// How many lines that was.
    lines: usize,
}

/// What others appended since.
pub(crate) struct Tail {
    /// Whether the file is another one, or shorter: what was read before no longer counts.
    pub(crate) restarts: bool,
    /// Each whole line, with the cursor behind it.
    pub(crate) entries: Vec<(Cursor, Entry)>,
    /// Where reading stands when all entries are taken.
    pub(crate) cursor: Cursor,
}

/// A journal that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("`{path}` cannot be read: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("`{path}` line {line} is damaged: {problem}; without its state directory the site begins anew")]
    Damaged { path: PathBuf, line: usize, problem: String },
    #[error("`{path}` has format {found}, and this version reads {FORMAT}: use the version that wrote it")]
    Format { path: PathBuf, found: u32 },
}

/// One site's effects.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens and locks it for reading; `None` if nothing ever happened.
    pub(crate) fn open_shared(&self) -> Result<Option<File>, JournalError> {
        match File::open(&self.path) {
            Ok(file) => file.lock_shared().map(|()| Some(file)).map_err(|error| self.unreadable(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Opens and locks it for writing, and makes it where there is none.
    pub(crate) fn open_exclusive(&self) -> Result<File, JournalError> {
        let open = || {
            durable::create_dir_all(self.directory())?;
            let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|error| self.unreadable(error))
    }

    /// Reads what was appended behind the cursor.
    pub(crate) fn read(&self, file: &mut File, cursor: &Cursor) -> Result<Tail, JournalError> {
        let metadata = file.metadata().map_err(|error| self.unreadable(error))?;
        let identity = Some((metadata.dev(), metadata.ino()));
        let restarts = cursor.file.is_some() && (cursor.file != identity || metadata.len() < cursor.end);
        let mut cursor = if restarts { Cursor::default() } else { cursor.clone() };
        cursor.file = identity;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(cursor.end))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|error| self.unreadable(error))?;
        let mut entries = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            cursor.end += u64::try_from(line.len()).expect("a line fits 64 bits");
            cursor.lines += 1;
            let entry = self.parse(text, cursor.lines)?;
            entries.push((cursor.clone(), entry));
        }
        Ok(Tail { restarts, entries, cursor })
    }

    /// Appends entries behind the cursor and makes them durable; a torn line there is cut first.
    ///
    /// After an error nobody knows whether they were written: the next reader sees.
    pub(crate) fn append(&self, file: &mut File, cursor: &Cursor, entries: &[Entry]) -> io::Result<Cursor> {
        let mut text = String::new();
        for entry in entries {
            text.push_str(&serde_json::to_string(entry)?);
            text.push('\n');
        }
        let torn = file.metadata()?.len().saturating_sub(cursor.end);
        if torn > 0 {
            tracing::warn!(path = %self.path.display(), bytes = torn, "cutting a line that was torn by a crash");
            file.set_len(cursor.end)?;
        }
        file.seek(SeekFrom::Start(cursor.end))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if cursor.end == 0 {
            // The file may be new, whoever made it.
            durable::sync_dir(self.directory())?;
        }
        Ok(Cursor {
            file: cursor.file,
            end: cursor.end + u64::try_from(text.len()).expect("a line fits 64 bits"),
            lines: cursor.lines + entries.len(),
        })
    }

    /// An entry that cannot follow those before it.
    pub(crate) fn damaged(&self, cursor: &Cursor, problem: &Contradiction) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), line: cursor.lines, problem: problem.to_string() }
    }

    fn parse(&self, text: &[u8], line: usize) -> Result<Entry, JournalError> {
        let damaged = |problem: String| JournalError::Damaged { path: self.path.clone(), line, problem };
        let entry: Entry = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        match &entry {
            Entry::Header { .. } if line != 1 => Err(damaged("a second header".to_owned())),
            Entry::Header { format, .. } if *format != FORMAT => {
                Err(JournalError::Format { path: self.path.clone(), found: *format })
            }
            Entry::World(_) | Entry::Effect(_) if line == 1 => Err(damaged("the header is missing".to_owned())),
            Entry::Header { .. } | Entry::World(_) | Entry::Effect(_) => Ok(entry),
        }
    }

    fn directory(&self) -> &Path {
        self.path.parent().expect("the journal lies in the site's directory")
    }

    fn unreadable(&self, error: io::Error) -> JournalError {
        JournalError::Read { path: self.path.clone(), error }
    }
}
