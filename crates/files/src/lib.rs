//! How every part of Taizhang writes files: keys, certificates, backups, spreadsheets, summaries.
//!
//! A file is written as a draft beside its target, synced to disk, and only then given its name. So
//! a file that has its name is complete, whatever fails on the way. Unix only, as modes are.

pub mod secret;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its owner only: 0600.
    Private,
    /// Everybody, whatever the umask says: 0644.
    Shared,
    /// Whoever the umask lets: 0666 without what it takes away.
    Umask,
}

impl Mode {
    /// The mode to open with.
    fn bits(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Shared => 0o644,
            Self::Umask => 0o666,
        }
    }
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// `AlreadyExists` if it does; else if it can't be written.
pub fn create(path: &Path, content: &[u8], mode: Mode) -> Result<()> {
    let mut draft = Draft::create(path, mode)?;
    draft.write_all(content)?;
    draft.finish()
}

/// Writes a file, in place of the one that was there. If this fails, that one stays as it was.
///
/// # Errors
/// If it can't be written.
pub fn replace(path: &Path, content: &[u8], mode: Mode) -> Result<()> {
    let mut draft = Draft::replace(path, mode)?;
    draft.write_all(content)?;
    draft.finish()
}

/// Writes new content into an existing file, which keeps its mode and its inode: for a file that is
/// mounted into a container, which would go on seeing the old one if it were replaced.
///
/// # Errors
/// If there is no such file, or it can't be written.
pub fn overwrite(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Adds a line to a file, which is made if there is none. If a crash cut the last line short, the
/// new one still begins a line of its own.
///
/// # Errors
/// If it can't be written.
pub fn append_line(path: &Path, line: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let mut text = String::new();
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(line);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes a folder, and those above it, that only its owner can enter. One that exists stays as it is.
///
/// # Errors
/// If it can't be made.
pub fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks a folder against other processes that lock it too, until the returned file is dropped.
///
/// # Errors
/// If its file `lock` can't be opened or locked.
pub fn lock(folder: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// A file that is being written, beside its target. It takes the target's name with
/// [`Draft::finish`]; if it is dropped before, it is removed.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
    replaces: bool,
}

impl Draft {
    /// A draft of a file that must not exist yet.
    ///
    /// # Errors
    /// `AlreadyExists` if it does; else if the draft can't be opened.
    pub fn create(target: &Path, mode: Mode) -> Result<Self> {
        if exists(target) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        Self::open(target, mode, false)
    }

    /// A draft that replaces what has the target's name when it is finished.
    ///
    /// # Errors
    /// If the draft can't be opened.
    pub fn replace(target: &Path, mode: Mode) -> Result<Self> {
        Self::open(target, mode, true)
    }

    fn open(target: &Path, mode: Mode, replaces: bool) -> Result<Self> {
        let name = target.file_name().ok_or(ErrorKind::InvalidFilename)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| Error::other(e.to_string()))?;
        let path = format!(".{}.{}.part", name.display(), hex::encode(random));
        let path = target.with_file_name(path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode.bits())
            .open(&path)?;
        let draft = Self {
            file,
            path,
            target: target.to_owned(),
            replaces,
        };
        if mode != Mode::Umask {
            let exact = Permissions::from_mode(mode.bits());
            draft.file.set_permissions(exact)?;
        }
        Ok(draft)
    }

    /// Where the draft is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file to disk and gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` if the target must not exist and was made in the meantime; else if the disk
    /// refuses. The target is as it was.
    pub fn finish(self) -> Result<()> {
        self.file.sync_all()?;
        if self.replaces {
            fs::rename(&self.path, &self.target)?;
        } else {
            self.link()?;
        }
        let folder = self.target.parent().filter(|f| *f != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Gives the draft its name if nothing else has it.
    fn link(&self) -> Result<()> {
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => fs::remove_file(&self.path),
            Err(_) if exists(&self.target) => Err(ErrorKind::AlreadyExists.into()),
            // Some file systems, such as FAT, have no hard links.
            Err(_) => fs::rename(&self.path, &self.target),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it has its name, there is no draft any more.
        let _ = fs::remove_file(&self.path);
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

/// Whether something has this name, be it a link that leads nowhere.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_mode_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        create(&path("private"), b"a", Mode::Private).unwrap();
        replace(&path("shared"), b"b", Mode::Shared).unwrap();
        assert_eq!(mode(&path("private")), 0o600);
        assert_eq!(mode(&path("shared")), 0o644);
        replace(&path("private"), b"c", Mode::Private).unwrap();
        assert_eq!(fs::read(path("private")).unwrap(), b"c");
        assert_eq!(names(folder.path()), ["private", "shared"]);
    }

    #[test]
    fn create_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut early = Draft::create(&path, Mode::Private).unwrap();
        early.write_all(b"early").unwrap();
        create(&path, b"first", Mode::Private).unwrap();
        let refused = create(&path, b"second", Mode::Private).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        let refused = early.finish().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_dropped_draft_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let draft = Draft::create(&folder.path().join("file"), Mode::Umask).unwrap();
        assert!(draft.path().exists());
        drop(draft);
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn overwrite_keeps_the_inode_and_the_mode() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(overwrite(&path, b"none").is_err());
        create(&path, b"long content", Mode::Shared).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        overwrite(&path, b"short").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(mode(&path), 0o644);
    }

    #[test]
    fn a_line_cut_short_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        append_line(&path, "one").unwrap();
        fs::write(&path, "one\ncut").unwrap();
        append_line(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ncut\ntwo\n");
    }
}
