//! The signing keys of an organization.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::keys::KeyView;
use latchkey_directory::page::{Cursor, Page};
use latchkey_directory::values::KeyUse;
use latchkey_directory::{Error, FieldProblem, OrgId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Plain};
use super::scope::{KeysRead, KeysWrite};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(activate))
        .routes(routes!(retire))
}

/// A new key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct NewKey {
    /// `assertion`, `metadata`, `challenge` or `ca`; `root`, the cloud's own, for the operator.
    r#use: Option<KeyUse>,
    /// For assertions `rsa-sha256` (the default) or `ecdsa-p256`; the other uses have one.
    algorithm: Option<String>,
}

impl NewKey {
    fn kind(&self) -> std::result::Result<(KeyUse, &'static str), Error> {
        let field = |pointer: &str, detail: String| Error::Invalid(vec![FieldProblem::invalid(pointer, detail)]);
        let usage = self
            .r#use
            .ok_or_else(|| field("/use", "say what for: assertion, metadata, challenge, ca or root".into()))?;
        crate::app::key_algorithm(usage, self.algorithm.as_deref()).map(|algorithm| (usage, algorithm))
    }
}

/// Whose key it is: the organization's, or for the operator the cloud's.
async fn home<S>(call: &Call<S>, app: &Shared, id: &str) -> Result<OrgId> {
    let clouds = call.caller.is_operator() && app.directory.key(&OrgId::cloud(), id).await.is_ok();
    Ok(if clouds { OrgId::cloud() } else { call.org.clone() })
}

/// Keys and their states, newest first. The operator sees the cloud's own as well: root and audit.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = Page<KeyView>)))]
async fn list(call: Call<KeysRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<KeyView>>> {
    let mut all = app.directory.keys(&call.org).await?;
    if call.caller.is_operator() {
        all.extend(app.directory.keys(&OrgId::cloud()).await?);
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    }
    all.reverse();
    let place = |view: &KeyView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// One key, without its private part.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys", responses((status = 200, body = KeyView)))]
async fn show(
    call: Call<KeysRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<KeyView>> {
    Ok(Resource(app.directory.key(&home(&call, &app, &id).await?, &id).await?))
}

/// Makes a key that is published but not used yet.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = NewKey, responses((status = 201, body = KeyView)))]
async fn create(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewKey>,
) -> Result<Response> {
    let (usage, algorithm) = new.kind()?;
    if usage == KeyUse::Root {
        call.caller.must_be_operator()?;
        let made = latchkey_directory::keys::NewKey::ed25519(KeyUse::Root);
        let view = app.directory.add_key(&call.intent(&changing), &OrgId::cloud(), made).await?;
        return Ok(created(changing.dry_run, view));
    }
    let view = app.add_key(&call.intent(&changing), &call.organization, usage, algorithm).await?;
    Ok(created(changing.dry_run, view))
}

/// Brings a key into use; the one used until now stays published.
#[utoipa::path(post, path = "/keys/{id}/activate", tag = "keys", responses((status = 200, body = KeyView)))]
async fn activate(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let org = home(&call, &app, &id).await?;
    if org == OrgId::cloud() && app.directory.key(&org, &id).await?.r#use == KeyUse::Root {
        let view = app.succeed_root(&call.intent(&changing), &id).await?;
        return Ok(changed(changing.dry_run, "activated", view));
    }
    let view = app.directory.activate_key(&call.intent(&changing), &org, &id).await?;
    app.keys.forget(&call.org);
    Ok(changed(changing.dry_run, "activated", view))
}

/// Takes a key out of publication: what it signed counts no more.
#[utoipa::path(post, path = "/keys/{id}/retire", tag = "keys", responses((status = 200, body = KeyView)))]
async fn retire(
    call: Call<KeysWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let org = home(&call, &app, &id).await?;
    let view = app.directory.retire_key(&call.intent(&changing), &org, &id).await?;
    app.keys.forget(&call.org);
    Ok(changed(changing.dry_run, "retired", view))
}
