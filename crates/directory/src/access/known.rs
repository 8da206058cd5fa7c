//! Who a browser's cookie belongs to, and what they may do now.
//!
//! Owns when a session's secret counts, is renewed, or gives away that it was copied. User, roles and session are read in one transaction, so
//! what was revoked a moment ago is gone. Must not know cookies' attributes or pages.
//!
//! The secret is renewed every quarter of an hour. The one before counts until the new one was seen, and a little longer for requests that were
//! under way; after that whoever shows it has a copy, and the session ends. So it does when a new secret is shown that was replaced before it was
//! seen: somebody else went on with the one before.

use std::time::Duration;

use latchkey_wire::Level;

use super::holding::{Held, held_by};
use super::records::BrowserSession;
use super::rights::{MayGive, Rights};
use super::secret::{SessionSecret, Shown};
use super::sessions::{BrowserSessionView, end_browser_sessions};
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::id::OrgId;
use crate::intent::Condition;
use crate::records::User;
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::values::UserStatus;
use crate::{Directory, Intent, Result};

/// Rights count only in a session whose person proved themselves at least so well: a second factor or a passkey.
pub const LEAST_LEVEL: Level = Level::MdmSigned;

/// A session's use is written down at most so often.
const TOUCH: Duration = Duration::from_secs(60);

/// So often the secret is renewed.
const ROTATE: Duration = Duration::from_secs(15 * 60);

/// So many secrets that were sent and never shown are remembered.
const UNSEEN: usize = 16;

/// So much longer the secret before counts, once the new one was seen.
const GRACE: Duration = Duration::from_secs(30);

/// The person behind a browser's cookie.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownPerson {
    /// The user's id.
    pub user_id: String,
    /// The login name.
    pub login_name: String,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// The session.
    pub session: BrowserSessionView,
    /// The roles, by name, even where they do not count yet.
    pub roles: Vec<String>,
    /// What the person may do in this session.
    pub rights: Rights,
    /// There are roles, but they do not count: the person signed in with less than [`LEAST_LEVEL`].
    pub withheld: bool,
    /// The session's new secret: the browser must be given it as its cookie, with this very answer.
    pub renewed: Option<SessionSecret>,
}

impl KnownPerson {
    /// The name to show.
    #[must_use]
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.login_name)
    }

    /// The person, as the audit names them.
    #[must_use]
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { kind: ActorKind::User, id: self.user_id.clone(), address }
    }

    /// How this person makes a change.
    #[must_use]
    pub fn intent(&self, address: Option<String>, dry_run: bool, condition: Condition) -> Intent {
        Intent { actor: self.actor(address), dry_run, condition, may_give: MayGive::Only(self.rights.clone()) }
    }
}

/// What is to be written down about a session that was just used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    /// That it was used.
    Touch,
    /// That its new secret has arrived.
    Arrived,
    /// A new secret.
    Rotate,
    /// Its end: a secret was shown that was replaced long ago, or while another browser had it.
    Copied,
}

struct Looked {
    row: BrowserSession,
    user: User,
    held: Held,
    due: Due,
}

/// The session that a cookie shows, its person and their rights.
fn look<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, shown: &Shown) -> Result<Option<Looked>, StoreError> {
    let now = tx.now();
    let row: Option<BrowserSession> = Org::of(tx, org).get(&shown.id)?;
    let Some(row) = row.filter(|row| row.stands(now)) else { return Ok(None) };
    let Some(due) = due(&row, shown, now) else { return Ok(None) };
    let user: Option<User> = Org::of(tx, org).get(&row.user_id)?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else { return Ok(None) };
    let held = held_by(tx, org, &user.id)?;
    Ok(Some(Looked { row, user, held, due }))
}

/// What a secret means for its session; nothing if it is none of its secrets.
fn due(row: &BrowserSession, shown: &Shown, now: Timestamp) -> Option<Due> {
    let touch = if now.since(row.seen_at) >= TOUCH { Due::Touch } else { Due::Nothing };
    if row.secret_sha256 == shown.hash {
        return Some(if now.since(row.rotated_at) >= ROTATE {
            Due::Rotate
        } else if row.previous_sha256.is_some() && row.previous_until.is_none() {
            Due::Arrived
        } else {
            touch
        });
    }
    if row.unseen.0.contains(&shown.hash) {
        return Some(Due::Copied);
    }
    if row.previous_sha256 != Some(shown.hash) {
        return None;
    }
    Some(match row.previous_until {
        Some(until) if now > until => Due::Copied,
        Some(_) => touch,
        // The answer with the new secret was lost on its way: it is given once more.
        None if now.since(row.rotated_at) >= TOUCH => Due::Rotate,
        None => touch,
    })
}

impl Looked {
    fn person(self, renewed: Option<SessionSecret>) -> KnownPerson {
        let counts = self.row.level >= LEAST_LEVEL;
        KnownPerson {
            user_id: self.user.id,
            login_name: self.user.login_name,
            display_name: self.user.display_name,
            session: self.row.into(),
            withheld: !counts && !self.held.roles.is_empty(),
            roles: self.held.roles,
            rights: if counts { self.held.rights } else { Rights::none() },
            renewed,
        }
    }

    fn write(mut self, tx: &mut dyn WriteTx, shown: &Shown) -> Result<Option<KnownPerson>, StoreError> {
        let now = tx.now();
        let org = self.row.org.clone();
        let mut renewed = None;
        self.row.seen_at = now;
        match self.due {
            Due::Copied => {
                end_browser_sessions(tx, &org, BrowserSession::id.eq(&self.row.id), "its cookie was copied")?;
                let event = NewEvent::new(&Actor::system(), "session.end", self.row.id.clone());
                let event = event.with("channel", "browser").with("user", &self.user.id);
                tx.audit(&org, event.with("reason", "a secret was shown that had been replaced"));
                return Ok(None);
            }
            Due::Rotate => {
                let (secret, hash) = SessionSecret::generate(Some(&self.row.id));
                if self.row.secret_sha256 != shown.hash {
                    let unseen = &mut self.row.unseen.0;
                    unseen.push(self.row.secret_sha256);
                    unseen.drain(..unseen.len().saturating_sub(UNSEEN));
                }
                self.row.previous_sha256 = Some(shown.hash);
                self.row.previous_until = None;
                self.row.secret_sha256 = hash;
                self.row.rotated_at = now;
                renewed = Some(secret);
            }
            Due::Arrived => self.row.previous_until = Some(now.plus(GRACE)),
            Due::Touch | Due::Nothing => {}
        }
        Org::of(tx, &org).replace(&self.row)?;
        Ok(Some(self.person(renewed)))
    }
}

impl Directory {
    /// Whose session a browser shows by its cookie, and what they may do now. Nothing for a cookie that does not count (any more).
    pub async fn known_person(&self, org: &OrgId, cookie: &str) -> Result<Option<KnownPerson>> {
        let Some(shown) = Shown::parse(cookie) else { return Ok(None) };
        let looked = {
            let (org, shown) = (org.clone(), shown.clone());
            self.read(move |tx| look(tx, &org, &shown)).await?
        };
        let Some(looked) = looked else { return Ok(None) };
        let due = looked.due;
        if due == Due::Nothing {
            return Ok(Some(looked.person(None)));
        }
        let org = org.clone();
        let written = self
            .write::<_, StoreError>(move |tx| {
                // Another request may have been faster; what is due is asked again.
                let Some(looked) = look(tx, &org, &shown)? else { return Ok(None) };
                looked.write(tx, &shown)
            })
            .await;
        match written {
            Ok(person) => Ok(person),
            // A store that cannot write still shows what is in it. The session runs out, since its use is not written down.
            Err(_) if due != Due::Copied => Ok(Some(looked.person(None))),
            Err(error) => Err(error.into()),
        }
    }
}
