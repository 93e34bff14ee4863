//! What lies on an instance's disks: observed, never declared, because restores and failovers change it.
//!
//! An attachment is a symbolic link `<root>/instances/<instance>/<mount>` to `<root>/disks/<disk>`. The mount that has
//! `global/pg_control`, at its top or one directory below, has the data directory; where `pg_wal` and the links in
//! `pg_tblspc` end tells the rest.

use backstay_core::name::DiskId;
use backstay_core::observed::{AttachedDisk, DiskRole};
use backstay_postgres::CONTROL_FILE;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A place on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) disk: DiskId,
    /// Relative to the disk's top; empty for the top itself.
    pub(crate) path: PathBuf,
}

/// One instance's disks, and what lies on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Every attached disk's directory, without symbolic links.
    pub(crate) disks: BTreeMap<DiskId, PathBuf>,
    pub(crate) data: Option<Located>,
    pub(crate) wal: Option<Located>,
    /// By the tablespace's OID.
    pub(crate) tablespaces: BTreeMap<String, Located>,
    /// Why no point may be made of these disks.
    pub(crate) problem: Option<String>,
}

impl Layout {
    /// Looks at an instance. `root` has no symbolic links.
    pub(crate) fn read(root: &Path, instance: &str) -> io::Result<Self> {
        let mut layout = Self::default();
        let disks = root.join("disks");
        for mount in fs::read_dir(root.join("instances").join(instance))? {
            let mount = mount?;
            if mount.file_type()?.is_symlink() {
                let attached = mount.path().canonicalize().ok().filter(|disk| disk.parent() == Some(&disks));
                let id =
                    attached.as_deref().and_then(Path::file_name).and_then(|name| DiskId::new(name.to_str()?).ok());
                match (id, attached) {
                    (Some(id), Some(path)) => drop(layout.disks.insert(id, path)),
                    _ => layout.object(format!("mount {} leads to no disk of this site", mount.path().display())),
                }
            }
        }
        layout.find_data();
        if let Some(data) = layout.data.clone() {
            layout.follow_links(&layout.absolute(&data));
        }
        Ok(layout)
    }

    /// The disks as the inventory shows them. Where something is wrong no role is told, so that no point can be made.
    pub(crate) fn attached(&self) -> Vec<AttachedDisk> {
        let disk = |id: &DiskId| AttachedDisk { id: id.clone(), role: self.role(id), size: 0, encrypted: false };
        self.disks.keys().map(disk).collect()
    }

    fn role(&self, id: &DiskId) -> DiskRole {
        let lies_on = |located: &Located| located.disk == *id;
        if self.problem.is_some() {
            DiskRole::Unknown
        } else if self.data.as_ref().is_some_and(lies_on) {
            DiskRole::Data
        } else if self.wal.as_ref().is_some_and(lies_on) {
            DiskRole::Wal
        } else if self.tablespaces.values().any(lies_on) {
            DiskRole::Tablespace
        } else {
            DiskRole::Other
        }
    }

    /// A place as an absolute path.
    pub(crate) fn absolute(&self, located: &Located) -> PathBuf {
        self.disks[&located.disk].join(&located.path)
    }

    fn object(&mut self, problem: String) {
        tracing::warn!(problem, "an instance's disks cannot be used");
        self.problem.get_or_insert(problem);
    }

    fn find_data(&mut self) {
        let mut found = Vec::new();
        let mut closed = Vec::new();
        for (id, disk) in &self.disks {
            look_for_data(disk, &mut |path, outcome| match outcome {
                Ok(true) => {
                    let relative = path.strip_prefix(disk).expect("it lies on the disk").to_path_buf();
                    found.push(Located { disk: id.clone(), path: relative });
                }
                Ok(false) => {}
                Err(error) => closed.push(format!("{}: {error}", path.display())),
            });
        }
        if found.len() > 1 {
            let list: Vec<String> = found.iter().map(|data| self.absolute(data).display().to_string()).collect();
            self.object(format!("several data directories on one instance: {}", list.join(", ")));
        }
        // What cannot be looked into could be a data directory; with one found elsewhere it is something else.
        if found.is_empty()
            && let Some(closed) = closed.pop()
        {
            self.object(format!("cannot look for a data directory in {closed}"));
        }
        self.data = found.pop();
    }

    fn follow_links(&mut self, data: &Path) {
        match self.locate(&data.join("pg_wal")) {
            Ok(wal) => self.wal = Some(wal),
            Err(problem) => self.object(format!("pg_wal {problem}")),
        }
        let links = match fs::read_dir(data.join("pg_tblspc")) {
            Ok(links) => links,
            Err(error) => return self.object(format!("cannot list {}: {error}", data.join("pg_tblspc").display())),
        };
        for link in links {
            let name = link.map(|link| link.file_name().to_string_lossy().into_owned());
            match name {
                Err(error) => self.object(format!("cannot list {}: {error}", data.join("pg_tblspc").display())),
                Ok(oid) if oid.bytes().all(|byte| byte.is_ascii_digit()) => {
                    match self.locate(&data.join("pg_tblspc").join(&oid)) {
                        Ok(place) => drop(self.tablespaces.insert(oid, place)),
                        Err(problem) => self.object(format!("tablespace {oid} {problem}")),
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// On which attached disk a path ends. Another file system mounted inside a disk is not on that disk.
    fn locate(&self, path: &Path) -> Result<Located, String> {
        let end = path.canonicalize().map_err(|error| format!("leads nowhere: {error}"))?;
        let on = self.disks.iter().find_map(|(id, disk)| Some((id, disk, end.strip_prefix(disk).ok()?)));
        let Some((id, disk, relative)) = on else {
            return Err(format!("lies outside the instance's disks: {}", end.display()));
        };
        let device = |path: &Path| path.metadata().map(|metadata| metadata.dev());
        match (device(disk), device(&end)) {
            (Ok(ours), Ok(its)) if ours == its => Ok(Located { disk: id.clone(), path: relative.to_path_buf() }),
            (Ok(_), Ok(_)) => {
                Err(format!("lies outside the instance's disks: {} is another file system", end.display()))
            }
            (Err(error), _) | (_, Err(error)) => Err(format!("cannot be looked at: {error}")),
        }
    }
}

/// Looks at a disk's top and one directory below.
fn look_for_data(disk: &Path, tell: &mut impl FnMut(&Path, io::Result<bool>)) {
    let has_control = |directory: &Path| match fs::symlink_metadata(directory.join(CONTROL_FILE)) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    };
    tell(disk, has_control(disk));
    let entries = match fs::read_dir(disk) {
        Ok(entries) => entries,
        Err(error) => return tell(disk, Err(error)),
    };
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))) {
            // Only root may look into ext4's own directory, and nobody keeps data there.
            Ok((path, true)) if !path.ends_with("lost+found") => tell(&path, has_control(&path)),
            Ok(_) => {}
            Err(error) => tell(disk, Err(error)),
        }
    }
}
