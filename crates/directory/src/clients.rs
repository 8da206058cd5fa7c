//! API clients: programs that use the API with a secret or a key of their own.
//!
//! Owns their records and access tokens. A secret is 32 random bytes, kept as SHA-256; an access token the same, for ten minutes. Must not
//! know OAuth's forms.

use std::time::Duration;

use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::audit::{Actor, ActorKind, NewEvent};
use crate::id::{OrgId, new_id};
use crate::orgs::display_name;
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{AccessToken, ApiClient, ConsumedNonce};
use crate::scope::{Org, across};
use crate::store::{Tx, WriteTx};
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::{ClientState, Scope};
use crate::{Directory, Error, FieldProblem, Granted, Intent, Result};

/// How long an access token counts.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// An API client, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientView {
    /// Random.
    pub id: String,
    /// The same, as OAuth calls it.
    pub client_id: String,
    /// What the administrator calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// How it proves itself: `secret` or `public_key`.
    pub proof: &'static str,
    /// Its public key, PEM.
    pub public_key: Option<String>,
    /// Whether it may ask for access tokens.
    pub state: ClientState,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it last asked for an access token.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Timestamp>,
}

impl From<ApiClient> for ClientView {
    fn from(row: ApiClient) -> Self {
        Self {
            client_id: row.id.clone(),
            id: row.id,
            name: row.name,
            scopes: row.scopes.0,
            proof: if row.public_key.is_some() { "public_key" } else { "secret" },
            public_key: row.public_key,
            state: row.state,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// A new API client. Required are `name` and `scopes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewClient {
    /// What the administrator calls it.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Option<Vec<String>>,
    /// Its public key, PEM: it proves itself by signature and gets no secret.
    pub public_key: Option<String>,
}

/// A change of an API client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct ClientPatch {
    /// What the administrator calls it.
    pub name: Option<String>,
    /// What it may do; replaces the list.
    pub scopes: Option<Vec<String>>,
}

/// How a client proves itself. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// By a secret with this hash.
    Secret(Bytes<32>),
    /// By signatures of this key, PEM.
    Key(String),
}

impl Credential {
    fn put(&self, row: &mut ApiClient) {
        match self {
            Self::Secret(hash) => (row.secret_sha256, row.public_key) = (Some(*hash), None),
            Self::Key(pem) => (row.secret_sha256, row.public_key) = (None, Some(pem.clone())),
        }
    }

    fn of(row: &ApiClient) -> Option<Self> {
        row.public_key.clone().map(Self::Key).or_else(|| row.secret_sha256.map(Self::Secret))
    }
}

/// What whoever makes or changes a client may give away: nobody gives what they do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ceiling {
    /// Everything: the operator.
    Everything,
    /// These.
    Only(Vec<Scope>),
}

fn scopes(named: Option<&Vec<String>>, ceiling: &Ceiling, wrong: &mut Vec<FieldProblem>) -> Vec<String> {
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        wrong.push(FieldProblem::invalid("/scopes", "scopes is missing: name what the client may do"));
        return Vec::new();
    };
    let mut good = Vec::new();
    for (at, text) in named.iter().enumerate() {
        let detail = match (text.parse::<Scope>(), ceiling) {
            (Err(error), _) => error.to_string(),
            (Ok(scope), Ceiling::Only(own)) if !own.contains(&scope) => {
                format!("{scope} is more than you may do yourself")
            }
            (Ok(_), _) => {
                good.push(text.clone());
                continue;
            }
        };
        wrong.push(FieldProblem::invalid(format!("/scopes/{at}"), detail));
    }
    good.sort();
    good.dedup();
    good
}

fn named(value: &str, wrong: &mut Vec<FieldProblem>) -> String {
    display_name(value).unwrap_or_else(|detail| {
        wrong.push(FieldProblem::invalid("/name", detail));
        String::new()
    })
}

/// The client with this id or name.
fn wanted<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<ApiClient> {
    let which = which.trim().to_owned();
    let mut found: Vec<ApiClient> = Org::of(tx, org).find(ApiClient::id.eq(&which).or(ApiClient::name.eq(&which)))?;
    found.sort_by_key(|client| client.id == which);
    found.pop().ok_or_else(|| Error::not_found("API client", which))
}

/// The client, if the condition holds and the caller may do at least as much as it.
fn changeable(tx: &mut dyn WriteTx, intent: &Intent, org: &OrgId, which: &str, ceiling: &Ceiling) -> Result<ApiClient> {
    let row = wanted(tx, org, which)?;
    intent.condition.check("API client", &ClientView::from(row.clone()))?;
    let beyond = |scope: &String| match ceiling {
        Ceiling::Everything => false,
        Ceiling::Only(own) => scope.parse::<Scope>().is_ok_and(|scope| !own.contains(&scope)),
    };
    match row.scopes.iter().find(|scope| beyond(scope)) {
        None => Ok(row),
        Some(scope) => Err(Error::Denied {
            detail: format!(
                "the API client {} has the scope {scope}, which is more than you may do yourself",
                row.name
            ),
            fix: "ask the operator: latchkey api-client … on the server".to_owned(),
        }),
    }
}

fn save(tx: &mut dyn WriteTx, intent: &Intent, action: &'static str, row: &ApiClient) -> Result<ClientView> {
    let mut ours = Org::of(tx, &row.org);
    ours.replace(row)?;
    ours.audit(
        NewEvent::new(&intent.actor, action, row.id.clone()).with("name", &row.name).with("scopes", &row.scopes.0),
    );
    Ok(row.clone().into())
}

fn forget_tokens(tx: &mut dyn WriteTx, row: &ApiClient) -> Result<()> {
    Org::of(tx, &row.org).delete::<AccessToken>(AccessToken::client_id.eq(&row.id))?;
    Ok(())
}

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
            // Found by its key where it belongs; only who is elsewhere, or nowhere, costs more.
            let here: Option<AccessToken> = Org::of(tx, &org).one(AccessToken::hash.eq(&hash))?;
            let found = match here {
                Some(found) => Some(found),
                None => across::<AccessToken, _>(tx, AccessToken::hash.eq(&hash))?.pop(),
            };
            let Some(found) = found else { return Ok(Known::No) };
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

    /// Makes an API client.
    pub async fn create_client(
        &self,
        intent: &Intent,
        org: &OrgId,
        new: NewClient,
        credential: Credential,
        ceiling: Ceiling,
    ) -> Result<ClientView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut wrong = Vec::new();
            let name = named(new.name.as_deref().unwrap_or_default(), &mut wrong);
            let scopes = scopes(new.scopes.as_ref(), &ceiling, &mut wrong);
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let mut row = ApiClient {
                org: org.clone(),
                id: new_id(now),
                name,
                scopes: Json(scopes),
                secret_sha256: None,
                public_key: None,
                state: ClientState::Active,
                created_at: now,
                last_used_at: None,
            };
            credential.put(&mut row);
            let mut ours = Org::of(tx, &org);
            if let Some(there) = ours.one::<ApiClient>(ApiClient::name.eq(&row.name))? {
                return Err(Error::Exists { noun: "API client", which: there.name, id: there.id });
            }
            ours.add(&row)?;
            let event = NewEvent::new(&intent.actor, "api-client.create", row.id.clone());
            ours.audit(event.with("name", &row.name).with("scopes", &row.scopes.0));
            Ok(row.into())
        })
        .await
    }

    /// API clients.
    pub async fn clients(&self, org: &OrgId, request: PageRequest) -> Result<Page<ClientView>> {
        let org = org.clone();
        self.read(move |tx| {
            let place = |row: &ApiClient| Cursor { at: row.created_at, id: row.id.clone() };
            let rows = page(&mut Org::of(tx, &org), Filter::all(), ApiClient::created_at, "id", &request, place)?;
            rows.map(|row| Ok(row.into()))
        })
        .await
    }

    /// One API client, by id or name.
    pub async fn client(&self, org: &OrgId, which: &str) -> Result<ClientView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| wanted(tx, &org, &which).map(Into::into)).await
    }

    /// Changes name and scopes.
    pub async fn change_client(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        patch: ClientPatch,
        ceiling: Ceiling,
    ) -> Result<ClientView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = changeable(tx, &intent, &org, &which, &ceiling)?;
            let mut wrong = Vec::new();
            if let Some(name) = &patch.name {
                row.name = named(name, &mut wrong);
            }
            if patch.scopes.is_some() {
                row.scopes = Json(scopes(patch.scopes.as_ref(), &ceiling, &mut wrong));
            }
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let same_name = ApiClient::name.eq(&row.name).and(ApiClient::id.eq(&row.id).negate());
            if let Some(there) = Org::of(tx, &org).one::<ApiClient>(same_name)? {
                return Err(Error::Exists { noun: "API client", which: there.name, id: there.id });
            }
            save(tx, &intent, "api-client.set", &row)
        })
        .await
    }

    /// Gives a client another secret or key; what it had counts no more, its access tokens neither.
    pub async fn rotate_client(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        credential: Credential,
        ceiling: Ceiling,
    ) -> Result<ClientView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = changeable(tx, &intent, &org, &which, &ceiling)?;
            credential.put(&mut row);
            forget_tokens(tx, &row)?;
            save(tx, &intent, "api-client.rotate", &row)
        })
        .await
    }

    /// Lets a client have access tokens, or not; those it has count no more.
    pub async fn set_client_state(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        state: ClientState,
        ceiling: Ceiling,
    ) -> Result<ClientView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = changeable(tx, &intent, &org, &which, &ceiling)?;
            if row.state == state {
                return Ok(row.into());
            }
            row.state = state;
            let action = match state {
                ClientState::Active => "api-client.enable",
                ClientState::Disabled => {
                    forget_tokens(tx, &row)?;
                    "api-client.disable"
                }
            };
            save(tx, &intent, action, &row)
        })
        .await
    }

    /// Deletes a client.
    pub async fn delete_client(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        ceiling: Ceiling,
    ) -> Result<ClientView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let row = changeable(tx, &intent, &org, &which, &ceiling)?;
            forget_tokens(tx, &row)?;
            let mut ours = Org::of(tx, &org);
            ours.delete::<ApiClient>(ApiClient::id.eq(&row.id))?;
            ours.audit(NewEvent::new(&intent.actor, "api-client.delete", row.id.clone()).with("name", &row.name));
            Ok(row.into())
        })
        .await
    }

    /// How a client that may ask for access tokens proves itself; nothing for any other.
    pub async fn client_credential(&self, org: &OrgId, client_id: &str) -> Result<Option<Credential>> {
        let (org, client_id) = (org.clone(), client_id.to_owned());
        self.read(move |tx| {
            let row: Option<ApiClient> = Org::of(tx, &org).get(&client_id)?;
            Ok(row.filter(|row| row.state == ClientState::Active).as_ref().and_then(Credential::of))
        })
        .await
    }

    /// Gives a client that proved itself an access token. In this commit its credential must still be the one it was proven with, and the
    /// assertion, if there was one, must not have been used before.
    pub async fn grant_access(&self, org: &OrgId, order: AccessOrder) -> Result<Granted<Vec<Scope>>> {
        let org = org.clone();
        self.grant(move |tx| {
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            let row: Option<ApiClient> = ours.get(&order.client_id)?;
            let row = row.filter(|row| {
                row.state == ClientState::Active && Credential::of(row).as_ref() == Some(&order.proven_with)
            });
            let Some(mut row) = row else { return Err(not_accepted("the client or its credential changed meanwhile")) };
            if let Some((value, exp)) = &order.assertion
                && ours.insert(&ConsumedNonce { org: org.clone(), value: *value, exp: *exp })?.is_err()
            {
                return Err(not_accepted("this assertion was used before"));
            }
            let own: Vec<Scope> = row.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
            let scopes = match &order.scopes {
                None => own,
                Some(wanted) => wanted.iter().copied().filter(|scope| own.contains(scope)).collect(),
            };
            if scopes.is_empty() {
                return Err(Error::field("/scope", "the client has none of these scopes"));
            }
            let names = scopes.iter().map(Scope::to_string).collect();
            ours.add(&AccessToken {
                org: org.clone(),
                hash: order.token_sha256,
                client_id: row.id.clone(),
                scopes: Json(names),
                expires_at: now.plus(ACCESS_TOKEN_LIFETIME),
            })?;
            row.last_used_at = Some(now);
            ours.replace(&row)?;
            let actor = Actor { kind: ActorKind::ApiClient, id: row.id.clone(), address: order.address.clone() };
            ours.audit(NewEvent::new(&actor, "api-client.token", row.id.clone()).with("name", &row.name));
            Ok(scopes)
        })
        .await
    }
}

/// An access token to be given out.
#[derive(Debug, Clone)]
pub struct AccessOrder {
    /// The client.
    pub client_id: String,
    /// With what it proved itself.
    pub proven_with: Credential,
    /// The assertion it proved itself with, hashed, and until when it would count.
    pub assertion: Option<(Bytes<16>, Timestamp)>,
    /// Only these scopes.
    pub scopes: Option<Vec<Scope>>,
    /// SHA-256 of the access token.
    pub token_sha256: Bytes<32>,
    /// From which address it was asked for.
    pub address: Option<String>,
}

fn not_accepted(detail: &str) -> Error {
    Error::Denied { detail: detail.to_owned(), fix: "Ask again, with a new assertion.".to_owned() }
}
