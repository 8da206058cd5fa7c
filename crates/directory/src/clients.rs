//! API clients: programs that use the API with a secret or a key of their own.
//!
//! Owns their records and access tokens. A secret is 32 random bytes, kept as SHA-256; an access token the same, for ten minutes. Must not
//! know OAuth's forms.

use latchkey_wire::bytes::sha256;

use crate::id::OrgId;
use crate::records::{AccessToken, ApiClient};
use crate::scope::{Org, across};
use crate::values::{ClientState, Scope};
use crate::{Directory, Result};

/// An API client whose access token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    /// The client id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What the access token allows.
    pub scopes: Vec<Scope>,
}

/// What an access token is worth at an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is this client's, and counts.
    Client(KnownClient),
    /// It counts, at another organization.
    Elsewhere,
    /// It does not count.
    No,
}

impl Directory {
    /// Whose access token this is.
    pub async fn known_client(&self, org: &OrgId, token: &str) -> Result<Known> {
        let (org, hash) = (org.clone(), sha256(token.as_bytes()));
        self.read(move |tx| {
            let now = tx.now();
            let Some(found) = across::<AccessToken, _>(tx, AccessToken::hash.eq(&hash))?.pop() else {
                return Ok(Known::No);
            };
            let client: Option<ApiClient> = Org::of(tx, &found.org).get(&found.client_id)?;
            let Some(client) = client.filter(|c| c.state == ClientState::Active && found.expires_at > now) else {
                return Ok(Known::No);
            };
            if found.org != org {
                return Ok(Known::Elsewhere);
            }
            // What the client may do now, not what it could when the token was made.
            let scopes = found.scopes.0.iter().filter(|scope| client.scopes.contains(*scope));
            let scopes = scopes.filter_map(|scope| scope.parse().ok()).collect();
            Ok(Known::Client(KnownClient { id: client.id, name: client.name, scopes }))
        })
        .await
    }
}
