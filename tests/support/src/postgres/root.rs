//! A local site's root, on a file system of the test's choice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a site's root lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// Where temporary files are.
    Host,
    /// An ext4 of its own, in a file.
    Ext4,
    /// A btrfs of its own, in a file; disks are subvolumes.
    Btrfs,
    /// An XFS with reflinks of its own, in a file.
    Xfs,
}

/// A local site's directories. They go when it is dropped; servers on them must have stopped before.
#[derive(Debug)]
pub struct Root {
    directory: tempfile::TempDir,
    file_system: FileSystem,
}

impl Root {
    /// Makes an empty site. The error says why this host cannot mount such a file system.
    pub fn new(file_system: FileSystem) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("backstay-").tempdir().expect("a temporary directory");
        // The `postgres` user must get through.
        open_to_all(directory.path());
        fs::create_dir(directory.path().join("site")).expect("an empty directory takes another");
        let root = Self { directory, file_system };
        let make = match file_system {
            FileSystem::Host => None,
            FileSystem::Ext4 => Some(vec!["mkfs.ext4", "-q"]),
            FileSystem::Btrfs => Some(vec!["mkfs.btrfs", "-q"]),
            FileSystem::Xfs => Some(vec!["mkfs.xfs", "-q", "-m", "reflink=1"]),
        };
        if let Some(make) = make {
            let image = root.directory.path().join("image");
            fs::File::create(&image).and_then(|file| file.set_len(2 << 30)).expect("a sparse file");
            run(Command::new(make[0]).args(&make[1..]).arg(&image))?;
            run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(root.path()))?;
        }
        open_to_all(&root.path());
        for name in ["disks", "instances"] {
            fs::create_dir(root.path().join(name)).expect("a new root is empty");
        }
        Ok(root)
    }

    /// A plain file system: one of its own where it can be mounted, so that nobody else's writes are waited for.
    #[must_use]
    pub fn plain() -> Self {
        Self::new(FileSystem::Ext4).or_else(|_| Self::new(FileSystem::Host)).expect("the host's own needs no mount")
    }

    /// What it lies on.
    #[must_use]
    pub fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// The site's root.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("site")
    }

    /// A place beside the site, on the host's file system.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a disk and attaches it. Returns its directory by way of the mount.
    pub fn add_disk(&self, instance: &str, mount: &str, disk: &str) -> PathBuf {
        let directory = self.path().join("disks").join(disk);
        if self.file_system == FileSystem::Btrfs {
            run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&directory)).expect("a subvolume");
        } else {
            fs::create_dir(&directory).expect("no other disk has this id");
        }
        give_to_postgres(&directory);
        self.attach(instance, mount, disk)
    }

    /// Attaches a disk that is there.
    pub fn attach(&self, instance: &str, mount: &str, disk: &str) -> PathBuf {
        let instance = self.path().join("instances").join(instance);
        fs::create_dir_all(&instance).expect("instances can be made");
        let mount = instance.join(mount);
        std::os::unix::fs::symlink(Path::new("../../disks").join(disk), &mount).expect("no disk is mounted there");
        mount
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.file_system != FileSystem::Host {
            // Lazily, so that one forgotten server does not keep the image for ever.
            let _ = run(Command::new("umount").arg("-l").arg(self.path()));
        }
    }
}

/// Whether this test runs as root, and servers as `postgres`.
pub(super) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

pub(super) fn give_to_postgres(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("postgres:postgres").arg(path)).expect("there is a user `postgres`");
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own directory");
}

/// Runs a command; the error is what it said.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = match command.output() {
        // A test that skips because a program is missing would pass for ever.
        Err(error) if is_root() => panic!("{command:?}: {error}; apt-get install btrfs-progs xfsprogs postgresql"),
        Err(error) => return Err(format!("{command:?}: {error}")),
        Ok(output) => output,
    };
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
