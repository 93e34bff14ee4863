//! btrfs subvolumes, through its own command.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `BTRFS_SUPER_MAGIC`.
const MAGIC: u64 = 0x9123_683E;
/// `BTRFS_FIRST_FREE_OBJECTID`: the inode of every subvolume's top.
const SUBVOLUME_INODE: u64 = 256;
/// `BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`: what a snapshot has in place of a subvolume inside.
const EMPTY_INODE: u64 = 2;

pub(crate) fn lies_on(path: &Path) -> io::Result<bool> {
    // The type of `f_type` differs between platforms; the magic number fits all of them.
    Ok(u64::try_from(rustix::fs::statfs(path)?.f_type) == Ok(MAGIC))
}

pub(crate) fn is_subvolume(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(metadata.is_dir() && metadata.ino() == SUBVOLUME_INODE && lies_on(path)?)
}

pub(crate) fn command_works() -> bool {
    run(Command::new("btrfs").arg("version")).is_ok()
}

/// Makes a read-only snapshot.
pub(crate) fn snapshot(disk: &Path, to: &Path) -> io::Result<()> {
    run(Command::new("btrfs").args(["subvolume", "snapshot", "-r"]).arg(disk).arg(to))
}

/// Removes a subvolume. Who may not delete one may still empty it and remove it as a directory.
pub(crate) fn delete(subvolume: &Path) -> io::Result<()> {
    let Err(refused) = run(Command::new("btrfs").args(["subvolume", "delete"]).arg(subvolume)) else { return Ok(()) };
    tracing::debug!(%refused, "removing a subvolume file by file");
    run(Command::new("btrfs").args(["property", "set", "-ts"]).arg(subvolume).args(["ro", "false"]))?;
    fs::remove_dir_all(subvolume)
}

/// What a snapshot holds: the bytes of its files, or the subvolume that it lost.
pub(crate) fn measure(snapshot: &Path) -> io::Result<Result<u64, PathBuf>> {
    let mut bytes = 0;
    let mut directories = vec![snapshot.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() && metadata.ino() == EMPTY_INODE {
                let lost = entry.path();
                return Ok(Err(lost.strip_prefix(snapshot).expect("it lies inside").to_path_buf()));
            } else if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.is_file() {
                bytes += metadata.len();
            }
        }
    }
    Ok(Ok(bytes))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(output.stderr.trim_ascii()).replace('\n', "; ");
    let denied = said.contains("Operation not permitted") || said.contains("Permission denied");
    let kind = if denied { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    let arguments: Vec<_> = command.get_args().map(|arg| String::from_utf8_lossy(arg.as_bytes())).collect();
    Err(io::Error::new(kind, format!("`btrfs {}`: {said}", arguments.join(" "))))
}
