//! Who calls, for which organization, and with which right.
//!
//! Owns the proof of all three: a handler that takes a [`Call`] cannot run without it. The operator comes over the Unix socket and needs no
//! scope; an API client brings a bearer token. A foreign or unknown organization is 404 for whoever is known, and whoever is not known learns
//! nothing about organizations. Must not know what is called.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, RawPathParams};
use http::header::AUTHORIZATION;
use http::request::Parts;
use latchkey_directory::access::MayGive;
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::clients::{Known, KnownClient};
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::{Error, Intent, OrgId};
use zeroize::Zeroizing;

use super::Shared;
use super::query::Changing;
use super::scope::{Right, Scope};
use crate::code::Own;
use crate::problem::{Problem, Result};
use crate::serve::host::ClientAddr;
use crate::serve::listen::Operator;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Root or the server's own user, over the socket.
    Operator {
        /// The user id.
        uid: u32,
    },
    /// An API client of this organization.
    Client(KnownClient),
}

impl Caller {
    /// As the audit names it.
    #[must_use]
    pub fn actor(&self, address: Option<std::net::IpAddr>) -> Actor {
        let address = address.map(|address| address.to_string());
        match self {
            Self::Operator { uid } => Actor { kind: ActorKind::Operator, id: format!("uid:{uid}"), address },
            Self::Client(client) => Actor { kind: ActorKind::ApiClient, id: client.id.clone(), address },
        }
    }

    /// The rights that the caller has to give away.
    fn may_give(&self) -> MayGive {
        match self {
            Self::Operator { .. } => MayGive::Everything,
            Self::Client(client) => MayGive::Scopes(client.scopes.clone()),
        }
    }

    fn must_have(&self, right: Right) -> Result<()> {
        match self {
            Self::Client(client) if !client.scopes.contains(&right) => Err(Problem::of(Own::Auth002)
                .detail(format!("the API client {} has no scope {right}", client.name))
                .fix(format!("make a client that has it: latchkey api-client create NAME --scope {right}"))),
            _ => Ok(()),
        }
    }

    /// For what stands above organizations.
    pub fn must_be_operator(&self) -> Result<()> {
        if self.is_operator() { Ok(()) } else { Err(Problem::of(Own::Auth004)) }
    }

    /// Whether this is the operator.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::Operator { .. })
    }
}

/// A call about one organization, by somebody who has the right `S`.
pub struct Call<S> {
    /// The organization.
    pub org: OrgId,
    /// The organization as the path named it was found as this.
    pub organization: OrganizationView,
    /// Who calls.
    pub caller: Caller,
    /// Who calls, as the audit names it.
    pub actor: Actor,
    right: PhantomData<fn() -> S>,
}

impl<S: Scope> Call<S> {
    /// How the change is to be made.
    #[must_use]
    pub fn intent<F>(&self, changing: &Changing<F>) -> Intent {
        Intent {
            dry_run: changing.dry_run,
            condition: changing.condition.clone(),
            may_give: self.caller.may_give(),
            ..Intent::of(&self.actor)
        }
    }
}

impl<S> Call<S> {
    /// The caller has this right too: for a call that shows what two rights are for.
    pub fn also<Other: Scope>(&self) -> Result<()> {
        self.caller.must_have(Other::RIGHT)
    }
}

impl<S: Scope> FromRequestParts<Shared> for Call<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        let (organization, caller) = who(parts, app).await?;
        caller.must_have(S::RIGHT)?;
        let actor = caller.actor(address(parts));
        Ok(Self { org: organization.id.clone(), organization, caller, actor, right: PhantomData })
    }
}

/// The right `S` of a call whose answer goes on for longer than an access token counts: asked again while it does.
pub struct Lasting<S> {
    app: Shared,
    org: OrgId,
    /// The access token; the operator needs none.
    token: Option<Zeroizing<String>>,
    right: PhantomData<fn() -> S>,
}

impl<S: Scope> Lasting<S> {
    /// Whether token, client and its scopes still allow the call. What cannot be read allows nothing.
    pub async fn stands(&self) -> bool {
        let Some(token) = &self.token else { return true };
        let known = self.app.directory.known_client(&self.org, token).await;
        matches!(known, Ok(Known::Client(client)) if client.scopes.contains(&S::RIGHT))
    }
}

impl<S: Scope> FromRequestParts<Shared> for Lasting<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        let call = Call::<S>::from_request_parts(parts, app).await?;
        let token = if call.caller.is_operator() { None } else { Some(Zeroizing::new(bearer(parts)?.to_owned())) };
        Ok(Self { app: app.clone(), org: call.org, token, right: PhantomData })
    }
}

/// A call of the operator, who stands above organizations.
pub struct OperatorCall {
    /// Who calls, as the audit names it.
    pub actor: Actor,
}

impl OperatorCall {
    /// How the change is to be made.
    #[must_use]
    pub fn intent<F>(&self, changing: &Changing<F>) -> Intent {
        Intent { dry_run: changing.dry_run, condition: changing.condition.clone(), ..Intent::of(&self.actor) }
    }
}

impl FromRequestParts<Shared> for OperatorCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        let operator = Operator::from_request_parts(parts, app).await?;
        Ok(Self { actor: Caller::Operator { uid: operator.uid() }.actor(None) })
    }
}

fn address(parts: &Parts) -> Option<std::net::IpAddr> {
    parts.extensions.get::<ClientAddr>().map(|address| address.0)
}

/// The organization of the path and whoever calls.
pub(super) async fn who(parts: &mut Parts, app: &Shared) -> Result<(OrganizationView, Caller)> {
    let which = organization_named(parts, app).await?;
    let organization = match find(app, &which).await {
        Ok(organization) => Some(organization),
        Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let unknown = || Problem::not_found().detail(format!("there is no organization {which}"));
    if let Some(operator) = parts.extensions.get::<Operator>() {
        return Ok((organization.ok_or_else(unknown)?, Caller::Operator { uid: operator.uid() }));
    }
    let token = bearer(parts)?;
    // An organization that does not exist has no token either.
    let org = organization.as_ref().map_or_else(OrgId::cloud, |organization| organization.id.clone());
    match (app.directory.known_client(&org, token).await?, organization) {
        (Known::Client(client), Some(organization)) => Ok((organization, Caller::Client(client))),
        (Known::Client(_) | Known::Elsewhere, _) => Err(unknown()),
        (Known::No, _) => Err(Problem::of(Own::Auth001)
            .detail("the access token is not known, or it has expired or its client is disabled")),
    }
}

/// The organization of this slug or id. `-` is the only one of a cloud that has one, which is most clouds; no slug and no id looks like that.
pub(super) async fn find(app: &Shared, which: &str) -> latchkey_directory::Result<OrganizationView> {
    if which != "-" {
        return app.directory.organization(which).await;
    }
    let mut all = app.directory.organizations().await?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Error::not_found("organization", which)),
    }
}

async fn organization_named(parts: &mut Parts, app: &Shared) -> Result<String> {
    let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::not_found())?;
    let org = params.iter().find(|(name, _)| *name == "org").map(|(_, value)| value.to_owned());
    org.ok_or_else(|| Problem::internal("a route of an organization without {org}"))
}

fn bearer(parts: &Parts) -> Result<&str> {
    let missing = || Problem::of(Own::Auth001);
    let header = parts.headers.get(AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
    let (scheme, token) = header.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}
