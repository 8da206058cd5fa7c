//! The master key: what opens everything that is sealed in the store.
//!
//! Owns its file: made once, readable by its owner only, beside the data directory and never in it. Must not know what it
//! seals.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::datadir::sync_folder;
use crate::code::Own;
use crate::exit::{Failure, Result};

/// 32 secret bytes, wiped on drop.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads the key, or makes one if there is none and `may_make` says that nothing can be sealed with another yet.
    pub fn open(file: &Path, may_make: bool) -> Result<Self> {
        match std::fs::File::open(file) {
            Ok(handle) => {
                let metadata = handle.metadata().map_err(|error| Failure::io(file.display(), &error))?;
                if metadata.mode() & 0o077 != 0 {
                    let detail = format!("the master key {} can be read by others", file.display());
                    return Err(Failure::new(Own::Serve002, detail, format!("chmod 600 {}", file.display())));
                }
                let mut text = Zeroizing::new(String::new());
                handle.take(1024).read_to_string(&mut text).map_err(|error| Failure::io(file.display(), &error))?;
                Self::parse(text.trim()).ok_or_else(|| {
                    let detail = format!("{} does not hold a master key", file.display());
                    Failure::new(Own::Serve002, detail, "it is 32 bytes in base64 or hexadecimal, and nothing else")
                })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_make => Self::make(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let detail =
                    format!("the master key {} is missing, and without it this data cannot be opened", file.display());
                Err(Failure::new(Own::Serve006, detail, Own::Serve006.fix()))
            }
            Err(error) => {
                let detail = format!("the master key {} cannot be read: {error}", file.display());
                Err(Failure::new(
                    Own::Serve002,
                    detail,
                    "make it the property of the user the server runs as, with chmod 600",
                ))
            }
        }
    }

    fn make(file: &Path) -> Result<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| {
            Failure::new(Own::Serve001, "the operating system gives no random bytes", Own::Serve001.fix())
        })?;
        Self::keep(bytes, file)
    }

    /// Writes a key into a new file.
    pub fn keep(bytes: Zeroizing<[u8; 32]>, file: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let detail = format!("the master key {} cannot be made: {error}", file.display());
            Failure::new(Own::Serve002, detail, "name a place this user may write to with --master-key-file")
        };
        // Never over an existing file: losing a master key loses everything sealed with it.
        let mut handle =
            std::fs::File::options().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
        let text = Zeroizing::new(format!("{}\n", &*Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))));
        handle.write_all(text.as_bytes()).and_then(|()| handle.sync_all()).map_err(failed)?;
        Self::settle(file)?;
        Ok(Self(bytes))
    }

    /// Makes sure that the file and its name survive a crash.
    pub fn settle(file: &Path) -> Result<()> {
        let failed = |error: std::io::Error| Failure::io(file.display(), &error);
        std::fs::File::open(file).and_then(|handle| handle.sync_all()).map_err(failed)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(folder).map_err(failed)
    }

    /// The fingerprint by which the store knows its master key.
    #[must_use]
    pub fn id(&self) -> String {
        latchkey_directory::master::MasterKey::new(self.0.clone()).id().to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let decoded = Zeroizing::new(match text.len() {
            64 => data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?,
            44 => STANDARD.decode(text).ok()?,
            _ => URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?,
        });
        Some(Self(Zeroizing::new(decoded.as_slice().try_into().ok()?)))
    }

    /// The bytes, for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// What may be shown and compared: 64 bits of a hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"latchkey-master-key-v1");
        context.update(self.0.as_slice());
        data_encoding::HEXLOWER.encode(&context.finish().as_ref()[..8])
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("d.key");
        let made = MasterKey::open(&file, true).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(MasterKey::open(&file, false).unwrap().expose(), made.expose());
        assert!(!format!("{made:?}").contains(std::fs::read_to_string(&file).unwrap().trim()));
    }

    #[test]
    fn a25_a_missing_key_is_not_replaced_under_existing_data() {
        let scratch = tempfile::tempdir().unwrap();
        let failure = MasterKey::open(&scratch.path().join("d.key"), false).unwrap_err();
        assert_eq!((failure.exit.number(), failure.code.as_str()), (5, "LK-SERVE-006"));
    }

    #[test]
    fn a25_a_key_that_others_can_read_or_that_is_none_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("d.key");
        drop(MasterKey::open(&file, true).unwrap());
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let failure = MasterKey::open(&file, true).unwrap_err();
            assert!(failure.fix.starts_with("chmod 600"), "{failure}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "short", &"a".repeat(65), &"00".repeat(31)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(MasterKey::open(&file, true).unwrap_err().exit.number(), 2, "{text:?}");
        }
    }

    #[test]
    fn base64_and_hexadecimal_mean_the_same_key() {
        let bytes = [0xf9u8; 32];
        for text in
            [STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), "F9".repeat(32)]
        {
            assert_eq!(MasterKey::parse(&text).unwrap().expose(), &bytes, "{text}");
        }
    }
}
