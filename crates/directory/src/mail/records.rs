//! What is kept of mail.
//!
//! Owns the row. What the letter says is sealed with the master key; whom it goes to stands in the user's row as well.

use crate::table::record;
use crate::time::Timestamp;
use crate::value::Blob;
use crate::values::MailKind;

record! {
    /// A mail that waits. Sending it deletes it.
    pub struct MailRow in "mail" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Whose: it goes when the user is deleted.
        pub user_id: String,
        /// The address.
        pub recipient: String,
        /// What it is about.
        pub kind: MailKind,
        /// The letter, sealed with the master key.
        pub sealed: Blob,
        /// When it was written.
        pub created_at: Timestamp,
        /// After this it is of no use, and not sent any more.
        pub not_after: Timestamp,
        /// How many times somebody took it to send it.
        pub tries: u64,
        /// Not before this: the next try, or when whoever took it has given no word.
        pub next_try: Timestamp,
        /// What was in the way at the last try.
        pub last_error: Option<String>,
    }
}
