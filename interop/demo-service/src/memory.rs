//! What the service remembers, in memory and within limits: requests under way, people signed in, answers seen.
//! Must not know SAML beyond the library's types, nor HTTP. Time is a parameter.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use saml_rs::{PendingAuthnRequest, ReplayCache, ReplayKey, SamlError};

/// How long somebody may take at the identity provider.
const REQUEST_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long somebody stays signed in.
const SESSION_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How many of each are kept. The oldest go first: who floods the service pushes out other people's requests, which for a
/// demonstration is better than to run out of memory.
const LIMIT: usize = 10_000;

/// A map whose entries end by themselves.
struct Expiring<V> {
    entries: HashMap<String, (SystemTime, V)>,
}

impl<V> Expiring<V> {
    fn new() -> Self {
        Self { entries: HashMap::new() }
    }

    fn put(&mut self, key: String, until: SystemTime, value: V, now: SystemTime) {
        if self.entries.len() >= LIMIT {
            self.entries.retain(|_, (until, _)| *until > now);
        }
        if self.entries.len() >= LIMIT {
            let oldest = self.entries.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(key, (until, value));
    }

    fn get(&self, key: &str, now: SystemTime) -> Option<&V> {
        self.entries.get(key).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The NameID.
    pub(crate) name: String,
    /// Its format.
    pub(crate) name_format: String,
    /// Attributes with their values, in the library's order.
    pub(crate) attributes: Vec<(String, Vec<String>)>,
}

/// All of it. One lock for everything is enough for a demonstration.
pub(crate) struct Memory {
    requests: Expiring<PendingAuthnRequest>,
    sessions: Expiring<Person>,
    seen: Expiring<()>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { requests: Expiring::new(), sessions: Expiring::new(), seen: Expiring::new() }
    }

    pub(crate) fn keep_request(&mut self, name: String, request: PendingAuthnRequest, now: SystemTime) {
        self.requests.put(name, now + REQUEST_LIFETIME, request, now);
    }

    /// The request, which stays: that an answer comes a second time is for the replay check to say.
    pub(crate) fn request(&self, name: &str, now: SystemTime) -> Option<PendingAuthnRequest> {
        self.requests.get(name, now).cloned()
    }

    pub(crate) fn sign_in(&mut self, session: String, person: Person, now: SystemTime) {
        self.sessions.put(session, now + SESSION_LIFETIME, person, now);
    }

    pub(crate) fn person(&self, session: &str, now: SystemTime) -> Option<Person> {
        self.sessions.get(session, now).cloned()
    }

    pub(crate) fn sign_out(&mut self, session: &str) {
        self.sessions.entries.remove(session);
    }
}

impl ReplayCache for Memory {
    fn check_and_store(&mut self, key: ReplayKey, expires_at: SystemTime) -> Result<(), SamlError> {
        let key = key.cache_key();
        let now = SystemTime::now();
        if self.seen.get(&key, now).is_some() {
            return Err(SamlError::ReplayDetected { key });
        }
        self.seen.put(key, expires_at, (), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_and_the_oldest_makes_room() {
        let now = SystemTime::UNIX_EPOCH;
        let later = |s| now + Duration::from_secs(s);
        let mut map = Expiring::new();
        map.put("a".to_owned(), later(10), 'a', now);
        assert_eq!(map.get("a", later(9)), Some(&'a'));
        assert_eq!(map.get("a", later(10)), None);

        map.put("oldest".to_owned(), later(20), 'o', now);
        for n in 0..LIMIT {
            map.put(n.to_string(), later(30), 'n', later(15));
        }
        assert_eq!(map.entries.len(), LIMIT);
        assert_eq!(map.get("oldest", later(16)), None);
    }
}
