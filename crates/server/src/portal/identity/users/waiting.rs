//! Files that were checked and wait for a yes: of users, or a logo.
//!
//! Owns keeping them for a quarter of an hour, in memory only, for the session that sent them. Must not know what they say. Another node of the
//! cloud does not have them: then the file is sent once more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use latchkey_wire::sign::random_bytes;

/// So long a file waits.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// So many wait at once; one more drives out the oldest.
const MOST: usize = 16;

struct File<T> {
    id: String,
    session: String,
    content: Arc<T>,
    since: Instant,
}

/// The files that wait.
pub struct Waiting<T>(Mutex<Vec<File<T>>>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Waiting<T> {
    /// Keeps a file, in place of an earlier one of the session. Answers its id.
    pub fn keep(&self, session: &str, content: T) -> String {
        let id = data_encoding::HEXLOWER.encode(random_bytes::<16>().as_slice());
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| file.since.elapsed() < KEPT && file.session != session);
        if files.len() >= MOST {
            files.remove(0);
        }
        let content = Arc::new(content);
        files.push(File { id: id.clone(), session: session.to_owned(), content, since: Instant::now() });
        id
    }

    /// The file of this id, if this session sent it and it still waits. It stays until it was used.
    #[must_use]
    pub fn find(&self, session: &str, id: &str) -> Option<Arc<T>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.iter().find(|file| file.id == id && file.session == session)?;
        (file.since.elapsed() < KEPT).then(|| Arc::clone(&file.content))
    }

    /// Forgets a file.
    pub fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|file| file.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_waits_for_its_own_session_until_the_next_one_or_its_use() {
        let waiting = Waiting::default();
        let id = waiting.keep("a", Vec::<u8>::new());
        assert!(waiting.find("a", &id).is_some() && waiting.find("b", &id).is_none());
        waiting.forget(&id);
        assert!(waiting.find("a", &id).is_none());
        let first = waiting.keep("a", Vec::new());
        let second = waiting.keep("a", Vec::new());
        assert!(waiting.find("a", &first).is_none() && waiting.find("a", &second).is_some());
        for number in 0..MOST {
            waiting.keep(&format!("s{number}"), Vec::new());
        }
        assert!(waiting.find("a", &second).is_none(), "the oldest goes");
    }
}
