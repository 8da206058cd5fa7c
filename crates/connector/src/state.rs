//! What a device remembers, in one file.
//!
//! Owns the shape of `state.json` and its atomic replacement. The write-ahead rules of protocol.md are kept by its users: each
//! calls [`Store::save`] before the request whose secrets it needs. Private keys are files of their own (`keys`).

use latchkey_wire::cloud::{Accepted, Anchor, Known, follow_roots};
use latchkey_wire::message::{Reason, WellKnown};
use latchkey_wire::{
    Binary, BindingState, ClaimSource, DeviceState, EpochSecret, Level, Pin, Protection, PublicJwk, Seconds,
};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::clock::ClockMark;
use crate::files::{Lock, PrivateDir};
use crate::keys::{KeyRef, KeyStore, SoftwareKeys};
use crate::machine::Marks;
use crate::problem::{Local, Problem, Result};

const FILE: &str = "state.json";

/// Everything a state directory says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Format of this file.
    pub version: u8,
    /// The machine this state was made on.
    #[serde(default)]
    pub machine: Marks,
    /// The enrollment, finished or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// This machine was prepared as an image; nothing is enrolled while it still has this machine id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_on: Option<String>,
    /// How the last enrollment ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The device record that the next enrollment asks to take over, after a quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// A token that was finally refused; the same is not tried again for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_token: Option<RefusedToken>,
    /// An enrollment succeeded here once (`autoEnroll` 2).
    #[serde(default)]
    pub enrolled_once: bool,
}

/// One device in one organization of one cloud.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// As the options gave it.
    pub cloud_name: String,
    /// The user domain.
    pub domain: String,
    /// The pin that was trusted first.
    pub pin: Pin,
    /// What is known of the cloud since its document was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudTrust>,
    /// The device key.
    pub dk: KeyRef,
    /// When it was made, by the last signed time; it is changed after 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dk_since: Option<Seconds>,
    /// The key that a renewal in progress changes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dk_next: Option<KeyRef>,
    /// The epoch.
    pub epoch: Epoch,
    /// What the server said, once it said something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Accounts and their user keys.
    #[serde(default)]
    pub users: Vec<UserRecord>,
    /// The last signed time.
    #[serde(default)]
    pub clock: ClockMark,
    /// When the server last answered, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact_at: Option<Seconds>,
    /// Where a token stays because a manager owns the place.
    #[serde(default)]
    pub token_remains_in: Vec<String>,
    /// A renewal is stored and the server does not know yet that we have it.
    #[serde(default)]
    pub heartbeat_due: bool,
}

/// The chain of trust, kept so that it can be verified again at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CloudTrust {
    /// The root key; from now on the anchor.
    pub root: PublicJwk,
    /// The organization.
    pub org: String,
    /// The issuer's name.
    pub iss: String,
    /// The newest serial.
    pub serial: u64,
    /// The answer itself.
    pub answer: WellKnown,
    /// A nonce's time showed that the first document was not too old.
    #[serde(default)]
    pub fresh: bool,
    /// When it was fetched anew, by the monotonic clock; at most once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refetched: Option<ClockMark>,
}

/// `n` and its secret; `next` stands only while a renewal is unfinished.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// The number.
    pub n: u64,
    /// The secret.
    pub e: EpochSecret,
    /// Written ahead of a renewal; every attempt sends the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EpochSecret>,
}

/// What the server said of the device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: DeviceState,
    /// Why it is in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How its key is kept.
    pub protection: Protection,
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Binary>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<Seconds>,
    /// When to renew, by the server's clock.
    pub renew_at: Seconds,
    /// From one heartbeat to the next, seconds.
    pub heartbeat_s: Seconds,
}

/// An account, whom it claims to be, and the key for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserRecord {
    /// The account of the operating system.
    pub account: Account,
    /// `local@domain`.
    pub claim: String,
    /// Where the name is from.
    pub source: ClaimSource,
    /// The user key.
    pub uk: KeyRef,
    /// What the server made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

impl UserRecord {
    /// Whether the server has a binding for it that is not over.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.binding.as_ref().is_some_and(|b| b.state != BindingState::Ended)
    }

    /// Whether it had a binding that is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.binding.is_some() && !self.is_live()
    }
}

/// A binding as the server told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: BindingState,
    /// The evidence level.
    pub level: Level,
    /// The login name.
    pub login_name: String,
}

/// What stays of an enrollment that ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// `removed` or `unregistered`.
    pub state: DeviceState,
    /// When, by the server's clock.
    pub at: Seconds,
    /// The cloud.
    pub cloud_name: String,
}

/// A token that was finally refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedToken {
    /// Its id.
    pub id: String,
    /// Why.
    pub code: String,
    /// When, by this machine's clock.
    pub at: Seconds,
}

impl Record {
    /// A record of what nothing was sent for yet.
    #[must_use]
    pub fn new(cloud_name: String, domain: String, pin: Pin, dk: KeyRef) -> Self {
        Record {
            cloud_name,
            domain,
            pin,
            cloud: None,
            dk,
            dk_since: None,
            dk_next: None,
            epoch: Epoch { n: 0, e: EpochSecret::generate(), next: None },
            device: None,
            users: Vec::new(),
            clock: ClockMark::default(),
            last_contact_at: None,
            token_remains_in: Vec::new(),
            heartbeat_due: false,
        }
    }

    /// The cloud's document, verified anew from the stored root.
    ///
    /// # Errors
    /// There is none yet, or the file was altered.
    pub fn accepted(&self) -> Result<Accepted> {
        let Some(cloud) = &self.cloud else {
            return Err(not_enrolled());
        };
        let known = Known { org: cloud.org.clone(), iss: cloud.iss.clone(), serial: cloud.serial };
        let followed = follow_roots(&Anchor::Root(cloud.root.clone()), &cloud.answer)?;
        Ok(followed.accept(&self.domain, Some(&known))?)
    }

    /// The device, once the server answered an enrollment.
    ///
    /// # Errors
    /// Not enrolled.
    pub fn device(&self) -> Result<&Device> {
        self.device.as_ref().ok_or_else(not_enrolled)
    }
}

impl State {
    /// The problem of a state without an enrollment: never enrolled (exit 10), or ended (exit 12).
    #[must_use]
    pub fn without_record(&self) -> Problem {
        match &self.ended {
            Some(ended) if ended.state == DeviceState::Removed => Problem::of(latchkey_wire::Code::Device410),
            Some(ended) if ended.state == DeviceState::Quarantined => {
                Problem { exit: 12, ..Problem::of(latchkey_wire::Code::Renew023) }
            }
            // It left, or was retired: cli.md has one exit for every state in which a device that once was registered is not now.
            Some(ended) => {
                let enroll = not_enrolled();
                Problem { exit: 12, detail: format!("this device is {}", ended.state), ..enroll }
            }
            None => not_enrolled(),
        }
    }
}

/// The problem of a device that is not enrolled; exit 10.
#[must_use]
pub fn not_enrolled() -> Problem {
    Problem::local(
        Local::NotEnrolled,
        "this device is not enrolled",
        "latchkey-connector enroll --cloud-name HOST --user-domain DOMAIN --device-token-file FILE",
    )
}

/// A state directory: the file, the keys and the lock.
pub struct Store {
    dir: PrivateDir,
    keys: Box<dyn KeyStore>,
}

impl Store {
    /// The store in this directory, with software keys.
    #[must_use]
    pub fn new(dir: PrivateDir) -> Self {
        Store { keys: Box::new(SoftwareKeys::new(dir.clone())), dir }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &PrivateDir {
        &self.dir
    }

    /// The key store.
    #[must_use]
    pub fn keys(&self) -> &dyn KeyStore {
        self.keys.as_ref()
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// As [`PrivateDir::lock`].
    pub fn lock(&self) -> Result<Lock> {
        self.dir.lock()
    }

    /// Reads the state; an empty one where there is none.
    ///
    /// # Errors
    /// The file is damaged. It is never replaced by an empty one.
    pub fn load(&self) -> Result<State> {
        let Some(bytes) = self.dir.read(FILE)? else {
            return Ok(State { version: 1, ..State::default() });
        };
        let bad = |reason: String| {
            Problem::local(
                Local::BadState,
                format!("{}: {reason}", self.dir.path().join(FILE).display()),
                "restore the file, or start anew: latchkey-connector unenroll --local",
            )
        };
        let state: State = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if state.version != 1 {
            return Err(bad(format!("format {} is not known to this version", state.version)));
        }
        Ok(state)
    }

    /// Replaces the state durably.
    ///
    /// # Errors
    /// As [`PrivateDir::write`].
    pub fn save(&self, state: &State) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(state)
            .map_err(|e| Problem::local(Local::Failed, format!("the state cannot be written: {e}"), "report this"))?;
        self.dir.write(FILE, &zeroize::Zeroizing::new(bytes))
    }

    /// Destroys keys and record; what must be remembered stays.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn wipe(&self, ended: Option<Ended>) -> Result<()> {
        let mut state = self.load().unwrap_or_default();
        state.version = 1;
        state.record = None;
        state.ended = ended;
        self.save(&state)?;
        self.wipe_keys()
    }

    /// Destroys every key file, also those that no state names any more.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn wipe_keys(&self) -> Result<()> {
        for entry in std::fs::read_dir(self.dir.path())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".p8") || name.ends_with(".tmp") {
                self.dir.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Destroys everything, damaged or not.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn wipe_all(&self) -> Result<()> {
        self.wipe_keys()?;
        self.dir.remove(FILE)
    }
}
