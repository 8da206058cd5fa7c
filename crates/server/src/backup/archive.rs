//! The archive: a tar file with `manifest.json`, `master.key.sealed` if it was asked for, and `store.db`, in this order.
//!
//! Owns that form, and that what is read is what was written: nothing is unpacked by a name the archive chooses, and the store counts only
//! if its length and hash are those of the manifest. Must not know where the parts come from.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use latchkey_directory::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::serve::datadir::private_file;

const MANIFEST: &str = "manifest.json";
const KEY: &str = "master.key.sealed";
const STORE: &str = "store.db";
/// The form of archive this version writes and reads.
const FORMAT: u64 = 1;
/// A manifest or sealed key is small; whatever is larger is another file.
const SMALL: u64 = 64 * 1024;

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the archive.
    pub format: u64,
    /// When it was taken: what was done later is not in it.
    pub taken_at: Timestamp,
    /// The program's version.
    pub version: String,
    /// The store's schema.
    pub schema: u64,
    /// The store's incarnation, in hexadecimal.
    pub incarnation: String,
    /// The issuer's name of the cloud.
    pub cloud: String,
    /// The master key that its secrets are sealed with.
    pub master_key: KeyFacts,
    /// The store's file.
    pub store: StoreFile,
}

/// Which master key opens the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether a copy is inside, sealed with a password.
    pub included: bool,
}

/// The store's file inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFile {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Of a backup that is being made.
    #[must_use]
    pub fn new(taken_at: Timestamp, facts: &latchkey_directory::store::StoreFacts, cloud: &str, key: KeyFacts) -> Self {
        Self {
            format: FORMAT,
            taken_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: facts.schema,
            incarnation: data_encoding::HEXLOWER.encode(&facts.incarnation),
            cloud: cloud.to_owned(),
            master_key: key,
            store: StoreFile { bytes: 0, sha256: String::new() },
        }
    }

    /// The manifest at the beginning of an archive, of which these are the first bytes.
    #[must_use]
    pub fn at_the_beginning(bytes: &[u8]) -> Option<Self> {
        let mut archive = tar::Archive::new(bytes);
        let mut first = archive.entries().ok()?.next()?.ok()?;
        (first.path().ok()?.as_ref() == Path::new(MANIFEST)).then_some(())?;
        let mut text = Vec::new();
        first.by_ref().take(SMALL).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// Length and SHA-256 of everything that is left to read.
pub fn measure(mut from: impl Read) -> std::io::Result<StoreFile> {
    let mut hashing = Hashing { to: std::io::sink(), context: digest::Context::new(&digest::SHA256) };
    let bytes = std::io::copy(&mut from, &mut hashing)?;
    Ok(StoreFile { bytes, sha256: hashing.finish() })
}

struct Hashing<W> {
    to: W,
    context: digest::Context,
}

impl<W> Hashing<W> {
    fn finish(self) -> String {
        data_encoding::HEXLOWER.encode(self.context.finish().as_ref())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.context.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Writes an archive. `store` must have as many bytes as the manifest says.
pub fn write(to: impl Write, manifest: &Manifest, key: Option<&[u8]>, store: impl Read) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(to);
    let text = serde_json::to_vec_pretty(manifest)?;
    let seconds = manifest.taken_at.seconds();
    tar.append_data(&mut header(text.len() as u64, seconds), MANIFEST, text.as_slice())?;
    if let Some(key) = key {
        tar.append_data(&mut header(key.len() as u64, seconds), KEY, key)?;
    }
    tar.append_data(&mut header(manifest.store.bytes, seconds), STORE, store)?;
    tar.into_inner()?.flush()
}

fn header(bytes: u64, seconds: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(seconds);
    header
}

/// Reads an archive. Once manifest and key are known, `place` says where the store goes, or why it does not; what is there then is whole.
pub fn read(file: &Path, place: impl FnOnce(&Manifest, Option<Vec<u8>>) -> Result<PathBuf>) -> Result<Manifest> {
    let not = |why: &str| Failure::new(Own::Backup002, format!("{}: {why}", file.display()), Own::Backup002.fix());
    let cut = |error: std::io::Error| not(&format!("it cannot be read to its end: {error}"));
    let opened = std::fs::File::open(file)
        .map_err(|e| Failure::new(Own::Cli004, format!("{}: {e}", file.display()), Own::Cli004.fix()))?;
    let mut archive = tar::Archive::new(std::io::BufReader::new(opened));
    let mut entries = archive.entries().map_err(cut)?;
    let mut next = |wanted: &[&'static str]| {
        let entry = entries.next().ok_or_else(|| not("it ends too early"))?.map_err(cut)?;
        let found = wanted.iter().find(|name| entry.path().is_ok_and(|path| path.as_ref() == Path::new(name)));
        let name = *found.ok_or_else(|| not("it has other files in it than a backup has"))?;
        if !entry.header().entry_type().is_file() {
            return Err(not("it has other things in it than files"));
        }
        Ok((name, entry))
    };
    let small = |mut entry: tar::Entry<'_, _>| {
        let mut bytes = Vec::new();
        Read::by_ref(&mut entry).take(SMALL).read_to_end(&mut bytes).map_err(cut)?;
        Ok::<_, Failure>(bytes)
    };
    let (_, first) = next(&[MANIFEST])?;
    let manifest: Manifest =
        serde_json::from_slice(&small(first)?).map_err(|error| not(&format!("its manifest is not one: {error}")))?;
    if manifest.format != FORMAT {
        return Err(not(&format!("it is of format {}, this program reads {FORMAT}", manifest.format)));
    }
    let (mut name, mut entry) = next(&[KEY, STORE])?;
    let mut key = None;
    if name == KEY {
        key = Some(small(entry)?);
        (name, entry) = next(&[STORE])?;
    }
    debug_assert_eq!(name, STORE);
    if manifest.master_key.included != key.is_some() || entry.size() != manifest.store.bytes {
        return Err(not("its parts are not those its manifest names"));
    }
    let target = place(&manifest, key)?;
    let failed = |error: std::io::Error| Failure::io(target.display(), &error);
    let to = private_file(&target).map_err(failed)?;
    let mut hashing = Hashing { to, context: digest::Context::new(&digest::SHA256) };
    let length = std::io::copy(&mut entry, &mut hashing).map_err(failed)?;
    hashing.to.sync_all().map_err(failed)?;
    if length != manifest.store.bytes || hashing.finish() != manifest.store.sha256 {
        return Err(not("the store in it was altered or cut"));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: Option<&[u8]>) -> (Manifest, Vec<u8>) {
        let store = vec![9u8; 100_000];
        let facts = latchkey_directory::store::StoreFacts { incarnation: [1; 16], schema: 1, engine: String::new() };
        let key_facts = KeyFacts { fingerprint: "00".into(), included: key.is_some() };
        let mut manifest = Manifest::new(Timestamp::from_millis(5_000), &facts, "http://x", key_facts);
        manifest.store = measure(store.as_slice()).unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, &manifest, key, store.as_slice()).unwrap();
        (manifest, bytes)
    }

    fn read_back(bytes: &[u8]) -> Result<(Manifest, Option<Vec<u8>>, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("b"), folder.path().join("s"));
        std::fs::write(&file, bytes).unwrap();
        let mut key = None;
        let manifest = read(&file, |_, found| {
            key = found;
            Ok(target.clone())
        })?;
        Ok((manifest, key, std::fs::read(target).unwrap()))
    }

    #[test]
    fn what_was_written_is_read_back() {
        for key in [None, Some(&b"sealed"[..])] {
            let (manifest, bytes) = sample(key);
            assert_eq!(Manifest::at_the_beginning(&bytes[..4096]).as_ref(), Some(&manifest));
            let (read, found, store) = read_back(&bytes).unwrap();
            assert_eq!((read, found.as_deref(), store.len()), (manifest, key, 100_000));
        }
    }

    #[test]
    fn what_was_altered_cut_or_is_another_file_is_refused() {
        let (_, bytes) = sample(Some(b"sealed"));
        let mut altered = bytes.clone();
        let at = altered.len() - 50_000;
        altered[at] ^= 1;
        let mut other = Vec::new();
        let mut tar = tar::Builder::new(&mut other);
        tar.append_data(&mut header(2, 0), "../x", &b"{}"[..]).unwrap_err();
        tar.append_data(&mut header(2, 0), "x", &b"{}"[..]).unwrap();
        tar.into_inner().unwrap();
        for wrong in [&altered[..], &bytes[..60_000], &bytes[..700], b"", b"PK", &[0; 4096], &other] {
            let failure = read_back(wrong).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit.number()), ("LK-BACKUP-002", 2), "{failure}");
        }
    }
}
