//! Where other file systems are mounted on this host.

use std::fs;
use std::path::{Path, PathBuf};

/// Every mount point; none where the kernel does not tell.
fn all() -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    String::from_utf8_lossy(&table).lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped).collect()
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescaped(path: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, plain)| path.replace(escape, plain)).into()
}

/// Whether a file system of its own is mounted here.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    all().iter().any(|mount| mount == path)
}

/// A file system that is mounted somewhere below a directory.
pub(crate) fn below(directory: &Path) -> Option<PathBuf> {
    all().into_iter().find(|mount| mount != directory && mount.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_a_mount_point_and_escapes_are_undone() {
        assert!(is_mount_point(Path::new("/")));
        assert!(!is_mount_point(Path::new("/proc/self/status")));
        assert!(below(Path::new("/")).is_some());
        assert_eq!(unescaped("/a\\040b\\134c"), Path::new("/a b\\c"));
    }
}
