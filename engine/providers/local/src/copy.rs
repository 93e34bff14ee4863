//! Copies a disk file by file while a server writes to it.
//!
//! What is copied is fuzzy: files vanish, grow and shrink meanwhile, and each shows another instant. WAL replay from a
//! backup's label makes it whole, so only labelled points use it. `pg_control` is copied last: on a standby PostgreSQL takes
//! from it how far replay must go before the data is consistent.

use backstay_postgres::{ControlFile, InvalidControlFile};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What is treated specially; all paths are relative to the disk's top.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// A directory that stays, without what is in it.
    pub(crate) empty: Option<PathBuf>,
    /// Files that are left out.
    pub(crate) omit: Vec<PathBuf>,
    /// `pg_control`.
    pub(crate) last: Option<PathBuf>,
}

/// What became of a copy.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// The bytes of all files.
    pub(crate) bytes: u64,
    /// What was left out, relative to the disk's top.
    pub(crate) skipped: Vec<String>,
    /// Files whose bytes could not be shared although that was asked for.
    pub(crate) not_shared: u64,
}

/// Copies all below `from` into the existing, empty directory `to`.
pub(crate) fn copy_tree(from: &Path, to: &Path, rules: &Rules, share: bool) -> io::Result<Copied> {
    let mut copier = Copier { rules, share, own: rustix::process::geteuid().is_root(), done: Copied::default() };
    let (source, target) = (open_directory(rustix::fs::CWD, from)?, open_directory(rustix::fs::CWD, to)?);
    copier.directory(source.as_fd(), target.as_fd(), &mut PathBuf::new())?;
    if let Some(last) = &rules.last {
        copier.control_file(source.as_fd(), target.as_fd(), last)?;
    }
    Ok(copier.done)
}

struct Copier<'a> {
    rules: &'a Rules,
    share: bool,
    /// Only root can give files away.
    own: bool,
    done: Copied,
}

impl Copier<'_> {
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, at: &mut PathBuf) -> io::Result<()> {
        let is_emptied = self.rules.empty.as_deref() == Some(at.as_path());
        for name in unless_gone(names(from))?.unwrap_or_default() {
            let text = name.to_string_lossy();
            at.push(text.as_ref());
            if self.rules.last.as_ref() == Some(at) {
            } else if is_emptied || self.rules.omit.contains(at) {
                self.done.skipped.push(at.display().to_string());
            } else {
                self.entry(from, to, &name, at).map_err(|error| named(&error, at))?;
            }
            at.pop();
        }
        let stat = rustix::fs::fstat(from)?;
        self.finish(to, &stat)
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CString, at: &mut PathBuf) -> io::Result<()> {
        let Some(stat) = unless_gone(rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let Some(source) = unless_gone(open_at(from, name, OFlags::DIRECTORY))? else { return Ok(()) };
                if rustix::fs::fstat(&source)?.st_dev != rustix::fs::fstat(from)?.st_dev {
                    return Err(io::Error::other("another file system is mounted inside this disk"));
                }
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let target = open_at(to, name, OFlags::DIRECTORY)?;
                self.directory(source.as_fd(), target.as_fd(), at)
            }
            FileType::RegularFile => {
                let Some(source) = unless_gone(open_at(from, name, OFlags::NONBLOCK))? else { return Ok(()) };
                self.file(File::from(source), to, name)
            }
            FileType::Symlink => {
                let Some(link) = unless_gone(rustix::fs::readlinkat(from, name, Vec::new()))? else { return Ok(()) };
                rustix::fs::symlinkat(&link, to, name)?;
                if self.own {
                    let (user, group) = owner(&stat);
                    rustix::fs::chownat(to, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(rustix::fs::utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?)
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                self.done.skipped.push(at.display().to_string());
                Ok(())
            }
        }
    }

    fn file(&mut self, source: File, to: BorrowedFd<'_>, name: &CString) -> io::Result<()> {
        let stat = rustix::fs::fstat(&source)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it changed its kind while it was copied"));
        }
        let mut target = create_at(to, name)?;
        let shared = self.share && rustix::fs::ioctl_ficlone(&target, &source).is_ok();
        self.done.not_shared += u64::from(self.share && !shared);
        self.done.bytes += if shared {
            rustix::fs::fstat(&target)?.st_size.cast_unsigned()
        } else {
            // Not beyond the size it had: a file that grows for ever must end, and replay brings what comes later.
            io::copy(&mut source.take(stat.st_size.cast_unsigned()), &mut target)?
        };
        self.finish(target.as_fd(), &stat)
    }

    /// A torn read would not be noticed before recovery, so its checksum must be right.
    fn control_file(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
        for attempt in 0.. {
            let mut source = File::from(open_at(from, path, OFlags::NONBLOCK)?);
            let stat = rustix::fs::fstat(&source)?;
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes)?;
            match ControlFile::parse(&bytes) {
                Err(InvalidControlFile::Checksum | InvalidControlFile::Short(_)) if attempt < 20 => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    continue;
                }
                // Another version's cannot be checked; it cannot be backed up by a label either, but it can be kept.
                Ok(_) | Err(InvalidControlFile::Version(_)) => {}
                Err(error) => return Err(named(&io::Error::other(error), path)),
            }
            let mut target = create_at(to, path)?;
            target.write_all(&bytes)?;
            self.done.bytes += u64::try_from(bytes.len()).unwrap_or(0);
            self.finish(target.as_fd(), &stat)?;
            // Its directory was finished before it.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let (source, target) = (open_directory(from, parent)?, open_directory(to, parent)?);
            return self.finish(target.as_fd(), &rustix::fs::fstat(source)?);
        }
        unreachable!("the loop ends by returning")
    }

    /// Owner before mode: a change of owner clears some bits of the mode. Times last.
    fn finish(&self, target: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
        if self.own {
            let (user, group) = owner(stat);
            rustix::fs::fchown(target, Some(user), Some(group))?;
        }
        rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode))?;
        Ok(rustix::fs::futimens(target, &times(stat))?)
    }
}

fn names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open_directory(at: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    Ok(open_at(at.as_fd(), path, OFlags::DIRECTORY)?)
}

/// Opens for reading. A symbolic link in the last place is refused: it could lead root anywhere.
fn open_at(at: BorrowedFd<'_>, path: impl rustix::path::Arg, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn create_at(at: BorrowedFd<'_>, path: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(at, path, flags, Mode::RUSR | Mode::WUSR)?))
}

/// PostgreSQL removes files while they are copied; replay knows of it.
fn unless_gone<T>(outcome: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let below_a_second = "nanoseconds of a time stamp are below 10^9";
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec.try_into().expect(below_a_second)),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec.try_into().expect(below_a_second)),
    }
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
