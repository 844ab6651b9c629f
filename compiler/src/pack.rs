//! Policy packs: folders with policies, schema and entities.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::source::Source;

/// Everything that goes into an image.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    /// Policies in Cedar's syntax, in the order that decides the numbers of those without `@id`.
    pub policies: Vec<Source>,
    /// The schema: JSON where the name ends in `.json`, Cedar's syntax elsewhere.
    pub schema: Option<Source>,
    /// Static entities, in Cedar's JSON.
    pub entities: Option<Source>,
    /// Links of templates: `[{"template_id": …, "link_id": …, "args": {"?principal": "User::\"a\""}}]`, or with
    /// `templateId`, `newId` and `values`.
    pub links: Option<Source>,
}

/// Why a folder could not be read as a pack.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file or folder can't be read.
    #[error("`{}`: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are no policies.
    #[error("`{}`: no policies, expected files named `*.cedar`", path.display())]
    NoPolicies {
        /// The folder.
        path: PathBuf,
    },
    /// There are several schemas.
    #[error("`{}`: a second schema, expected one file named `*.cedarschema` or `schema.json`", path.display())]
    SecondSchema {
        /// The second, by name.
        path: PathBuf,
    },
}

/// Reads a pack: `*.cedar` in the order of their names, one `*.cedarschema` or `schema.json`, and where they
/// exist `entities.json` and `links.json`. Folders below are not read.
///
/// # Errors
///
/// Where a file can't be read, no policy is there, or more than one schema.
pub fn load_pack(folder: impl AsRef<Path>) -> Result<Pack, LoadError> {
    let folder = folder.as_ref();
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| LoadError::Unreadable { path, error }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();

    let mut pack = Pack::default();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = || -> Result<Source, LoadError> {
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            Ok(Source::new(path.display().to_string(), text))
        };
        if name.ends_with(".cedar") {
            pack.policies.push(read()?);
        } else if name.ends_with(".cedarschema") || name == "schema.json" {
            if pack.schema.is_some() {
                return Err(LoadError::SecondSchema { path });
            }
            pack.schema = Some(read()?);
        } else if name == "entities.json" {
            pack.entities = Some(read()?);
        } else if name == "links.json" {
            pack.links = Some(read()?);
        }
    }
    if pack.policies.is_empty() {
        return Err(LoadError::NoPolicies { path: folder.to_owned() });
    }
    Ok(pack)
}
