//! Files that nginx would look at: where `root` and `alias` lead, `try_files`, and what is served of a directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::conf::{Kind, Matcher};
use crate::template::{Part, Template};
use crate::walk::Walk;

/// What comes of a request for a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    Status(u16),
    /// An index, to which nginx redirects.
    Index(Vec<u8>),
    /// The files are not on this machine.
    Unknown,
}

impl Walk<'_> {
    /// A path as nginx finds it: a relative one begins at its prefix.
    pub fn full_path(&self, path: &[u8]) -> PathBuf {
        self.question.prefix.as_ref().unwrap_or(&self.conf.directory).join(OsStr::from_bytes(path))
    }

    /// The path of a file that belongs to the configuration.
    pub fn beside_configuration(&self, path: &[u8]) -> PathBuf {
        self.conf.directory.join(OsStr::from_bytes(path))
    }

    /// Whether files can be looked at: nginx is said to run here, or its directory is here at least.
    pub fn has_files(&self) -> Result<bool, Failure> {
        Ok(self.question.prefix.is_some() || self.file_of(b"/")?.is_some_and(|root| root.exists()))
    }

    /// The file of a URI. `None` where it cannot be told.
    fn file_of(&self, uri: &[u8]) -> Result<Option<PathBuf>, Failure> {
        let place = self.place();
        let Some(root) = place.inherited(|own| own.root.as_ref()) else {
            // Where nginx was built to look for them.
            let default = self.question.prefix.is_some().then(|| self.full_path(&[b"html", uri].concat()));
            return Ok(default);
        };
        let directory = self.evaluate(&root.path)?;
        let rest = match place.location().map(|location| &location.kind) {
            _ if !root.is_alias => uri,
            Some(Kind::Location { matcher: Matcher::Prefix { name, .. } | Matcher::Exact(name), .. }) => {
                uri.strip_prefix(&name[..]).unwrap_or_default()
            }
            // The alias of a regex is the whole path.
            _ => b"",
        };
        Ok(Some(self.full_path(&[&directory[..], rest].concat())))
    }

    /// What nginx serves by itself at the path of the request.
    pub fn serve(&self) -> Result<Served, Failure> {
        let (uri, method) = {
            let request = self.request.borrow();
            (request.uri.clone(), request.method.clone())
        };
        let Some(file) = self.file_of(&uri)? else { return Ok(Served::Unknown) };
        if !self.has_files()? {
            return Ok(Served::Unknown);
        }
        if !matches!(&method[..], b"GET" | b"HEAD" | b"POST") {
            return Ok(Served::Status(405));
        }
        if uri.ends_with(b"/") {
            return self.serve_directory(&uri, &file);
        }
        Ok(Served::Status(match std::fs::metadata(&file) {
            Err(_) => 404,
            Ok(metadata) if metadata.is_dir() => 301,
            Ok(_) if method == b"POST" => 405,
            Ok(_) => 200,
        }))
    }

    fn serve_directory(&self, uri: &[u8], directory: &Path) -> Result<Served, Failure> {
        let place = self.place();
        let own = place.inherited(|own| Some(&own.index).filter(|index| !index.is_empty()));
        let default = vec![Template { parts: vec![Part::Text(b"index.html".to_vec())] }];
        for index in own.unwrap_or(&default) {
            let index = self.evaluate(index)?;
            if index.starts_with(b"/") {
                return Ok(Served::Index(index));
            }
            if directory.join(OsStr::from_bytes(&index)).is_file() {
                return Ok(Served::Index([uri, &index].concat()));
            }
        }
        Ok(Served::Status(if directory.is_dir() { 403 } else { 404 }))
    }

    /// The first of `try_files` that is there, or the last of them, and whether that is the fallback.
    pub fn try_files(&self, files: &[Template]) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        let Some((fallback, files)) = files.split_last() else { return Ok(None) };
        if !self.has_files()? {
            return Ok(None);
        }
        for file in files {
            let mut uri = self.evaluate(file)?;
            // The slash says that a directory is meant, and is not kept (`ngx_http_try_files_handler`).
            let is_directory = matches!(file.parts.last(), Some(Part::Text(text)) if text.ends_with(b"/"));
            uri.truncate(uri.len() - usize::from(is_directory));
            let Some(path) = self.file_of(&uri)? else { return Ok(None) };
            if if is_directory { path.is_dir() } else { path.is_file() } {
                return Ok(Some((uri, false)));
            }
        }
        Ok(Some((self.evaluate(fallback)?, true)))
    }
}

/// Variables about files. `None` for any other, and where no directive says where they are.
pub fn variable(walk: &Walk, name: &[u8]) -> Option<Vec<u8>> {
    let path = match name {
        b"document_root" | b"realpath_root" => {
            let place = walk.place();
            let root = place.inherited(|own| own.root.as_ref())?;
            walk.full_path(&walk.evaluate(&root.path).ok()?)
        }
        b"request_filename" => {
            let uri = walk.request.borrow().uri.clone();
            walk.file_of(&uri).ok()??
        }
        _ => return None,
    };
    Some(path.into_os_string().into_encoded_bytes())
}
