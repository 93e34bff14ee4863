//! How a site makes snapshots, from best to plain: a btrfs subvolume, a reflink copy, a copy.

use crate::{btrfs, mounts};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// How a disk is snapshotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// All at one instant: every disk is a subvolume.
    Subvolume,
    /// File by file; bytes are shared. Only a labelled point can use it.
    Reflink,
    /// File by file, byte by byte. Only a labelled point can use it.
    Copy,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Subvolume => "btrfs subvolume",
            Self::Reflink => "reflink",
            Self::Copy => "copy",
        }
    }

    pub(crate) fn is_atomic(self) -> bool {
        self == Self::Subvolume
    }

    /// Looks at the disks of a site. No file is left or even named by it.
    pub(crate) fn detect(root: &Path) -> io::Result<Self> {
        if btrfs::lies_on(root)? && all_disks_are_subvolumes(&root.join("disks"))? && btrfs::command_works() {
            return Ok(Self::Subvolume);
        }
        // A site that this user may not write to can be looked at, but not snapshotted: any answer does.
        Ok(if reflink_works(root).unwrap_or(false) { Self::Reflink } else { Self::Copy })
    }
}

fn all_disks_are_subvolumes(disks: &Path) -> io::Result<bool> {
    for disk in fs::read_dir(disks)? {
        let disk = disk?;
        let (path, is_disk) = (disk.path(), disk.file_type()?.is_dir());
        // The top of another btrfs looks like a subvolume, but cannot be snapshotted into this one.
        if is_disk && (!btrfs::is_subvolume(&path)? || mounts::is_mount_point(&path)) {
            tracing::debug!(disk = %path.display(), "no subvolume: this site's snapshots are not atomic");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tries with two files that have no name.
fn reflink_works(root: &Path) -> io::Result<bool> {
    let snapshots = root.join("snapshots");
    let directory = if snapshots.is_dir() { &snapshots } else { root };
    let nameless = || -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?.into())
    };
    let mut source = nameless()?;
    source.write_all(&[1; 4096])?;
    Ok(rustix::fs::ioctl_ficlone(nameless()?, &source).is_ok())
}
