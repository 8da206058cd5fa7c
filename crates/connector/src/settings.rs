//! Where options are read from, and what the connector is made of.
//!
//! Owns the places on Linux: `managed.json` and `options.json` in the machine directory, `--config`, flags, environment.
//! Checks that nobody but root (or the owner of a private state directory) can change them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use latchkey_options::parse::{parse_environment, parse_json};
use latchkey_options::{Given, OptionName, Platform, Purpose, Resolved, Source, check_relations, resolve};
use latchkey_wire::{DeviceToken, OneTimeCode, Pin};
use zeroize::Zeroizing;

use crate::account::Directory;
use crate::clock::Monotonic;
use crate::files::{Owner, read_trusted, wrong_file};
use crate::problem::{Local, Problem, Result};
use crate::state::Store;

/// The machine's configuration folder.
pub const MACHINE_DIR: &str = "/etc/latchkey";

/// Owned by a manager: read, never changed.
pub const MANAGED: &str = "managed.json";

/// Written by the installer: ours, so a token is removed from it.
pub const INSTALLED: &str = "options.json";

/// Everything given, before it is resolved.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Flags.
    pub flags: Vec<Given>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--machine-dir`.
    pub machine_dir: Option<PathBuf>,
    /// The environment's options.
    pub environment: Vec<(String, String)>,
}

/// Reads every source and applies the order.
///
/// # Errors
/// A file that others can change, that is not JSON, or a wrong value: every wrong option at once.
pub fn read_options(inputs: &Inputs, owner: Owner) -> Result<Resolved> {
    let machine_dir = inputs.machine_dir.as_deref().unwrap_or(Path::new(MACHINE_DIR));
    let mut given = Vec::new();
    for (name, source) in [(MANAGED, Source::MachinePolicy), (INSTALLED, Source::Installer)] {
        let path = machine_dir.join(name);
        if let Some(bytes) = read_trusted(&path, owner, false)? {
            given.extend(parse_file(&bytes, source, &path)?);
        }
    }
    given.extend(inputs.flags.iter().cloned());
    if let Some(path) = &inputs.config {
        let bytes = std::fs::read(path).map_err(|e| wrong_file("--config", path, &e))?;
        given.extend(parse_file(&Zeroizing::new(bytes), Source::ConfigFile, path)?);
    }
    given.extend(parse_environment(inputs.environment.iter().cloned()));
    resolve(given, Platform::Linux).map_err(|findings| Problem::options(&findings))
}

fn parse_file(bytes: &[u8], source: Source, path: &Path) -> Result<Vec<Given>> {
    let text = String::from_utf8_lossy(bytes);
    parse_json(&text, source, &path.display().to_string()).map_err(|f| Problem::options(&[f]))
}

/// Refuses options that do not fit together.
///
/// # Errors
/// Every finding at once.
pub fn check(options: &Resolved, purpose: Purpose) -> Result<()> {
    let findings = check_relations(options, purpose);
    if findings.is_empty() { Ok(()) } else { Err(Problem::options(&findings)) }
}

/// The connector's parts, handed to everything it does.
pub struct Core {
    /// State and keys.
    pub store: Store,
    /// What was configured.
    pub options: Resolved,
    /// Whose state this is.
    pub directory: Directory,
    /// The monotonic clock.
    pub monotonic: fn() -> Monotonic,
    /// For one request.
    pub timeout: Duration,
    /// Where the options came from, to read them again.
    pub inputs: Option<Inputs>,
}

impl Core {
    /// The connector on this machine.
    #[must_use]
    pub fn new(store: Store, options: Resolved, directory: Directory) -> Self {
        Core { store, options, directory, monotonic: Monotonic::now, timeout: Duration::from_secs(30), inputs: None }
    }

    /// Who may own what steers us.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self.directory {
            Directory::System => Owner::Root,
            Directory::Private => Owner::RootOrMe,
        }
    }

    /// The PEM of `caFile`, read now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn extra_pem(&self) -> Result<Option<Vec<u8>>> {
        let Some(value) = self.options.text(OptionName::CaFile) else {
            return Ok(None);
        };
        if value.starts_with("-----BEGIN") {
            return Ok(Some(value.as_bytes().to_vec()));
        }
        let path = Path::new(value);
        std::fs::read(path).map(Some).map_err(|e| wrong_file("caFile", path, &e))
    }
}

/// A token and where it came from.
pub struct FoundToken {
    /// The credential.
    pub token: DeviceToken,
    /// Its pin.
    pub pin: Pin,
    /// The option that gave it.
    pub option: OptionName,
}

/// The device token, from the option or its file; `None` if neither is given.
///
/// # Errors
/// `LK-TOKEN-001 … 004` before anything is sent; a file that cannot be read or that others can read.
pub fn device_token(options: &Resolved, owner: Owner) -> Result<Option<FoundToken>> {
    let (text, option) = if let Some(text) = options.text(OptionName::DeviceToken) {
        (Zeroizing::new(text.to_owned()), OptionName::DeviceToken)
    } else if let Some(effective) = options.effective(OptionName::DeviceTokenFile) {
        let path = Path::new(effective.value.expose());
        (secret_file(OptionName::DeviceTokenFile, path, effective.source, owner)?, OptionName::DeviceTokenFile)
    } else {
        return Ok(None);
    };
    let token = DeviceToken::parse(&text).map_err(|e| Problem::of(e.code()))?;
    let pin = token.pin();
    if let Some(key) = options.text(OptionName::CloudKey)
        && key.parse() != Ok(pin)
    {
        return Err(Problem::local(
            Local::Usage,
            "cloudKey and the token's pin name different clouds",
            "leave cloudKey out: the token carries the right one; or use a token of that cloud",
        ));
    }
    Ok(Some(FoundToken { token, pin, option }))
}

/// The one-time code, from the option or its file.
///
/// # Errors
/// As [`device_token`].
pub fn one_time_code(options: &Resolved, owner: Owner) -> Result<Option<OneTimeCode>> {
    let text = if let Some(text) = options.text(OptionName::UserClaim) {
        Zeroizing::new(text.to_owned())
    } else if let Some(effective) = options.effective(OptionName::UserClaimFile) {
        secret_file(OptionName::UserClaimFile, Path::new(effective.value.expose()), effective.source, owner)?
    } else {
        return Ok(None);
    };
    OneTimeCode::parse(&text).map(Some).map_err(|e| Problem::of(e.code()))
}

/// A file named on the command line is the caller's own business; one that configuration names must be safe.
fn secret_file(option: OptionName, path: &Path, source: Source, owner: Owner) -> Result<Zeroizing<String>> {
    let callers = matches!(source, Source::CommandLine | Source::ConfigFile | Source::Environment);
    let bytes = if callers {
        if path == Path::new("-") {
            let mut text = Zeroizing::new(String::new());
            std::io::Read::read_to_string(&mut std::io::stdin(), &mut text)?;
            return Ok(text);
        }
        Zeroizing::new(std::fs::read(path).map_err(|e| wrong_file(option.spec().spelled, path, &e))?)
    } else {
        read_trusted(path, owner, true)?.ok_or_else(|| {
            Problem::local(
                Local::Usage,
                format!("{} is not there", path.display()),
                "put the token into that file, readable by root only",
            )
        })?
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::of(latchkey_wire::Code::Token002))?;
    Ok(Zeroizing::new(text.to_owned()))
}
