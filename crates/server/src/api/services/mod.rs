//! Services: SAML service providers, who may use them, and what their side needs to know.

mod entitlements;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use latchkey_directory::Error;
use latchkey_directory::page::{Cursor, Page};
use latchkey_directory::services::ServiceView;
use latchkey_saml::handover::Target;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted_with};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Once, Plain};
use super::scope::{OrganizationRead, ServicesRead, ServicesWrite, UsersRead};
use crate::net::fetch::Reach;
use crate::problem::Result;
use crate::saml::idp_metadata;
use crate::services::{self, PreviewAnswer, RefreshAnswer, ServiceFields};

/// Services of an organization.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(refresh))
        .routes(routes!(preview))
        .routes(routes!(handover))
        .merge(entitlements::routes())
        .routes(routes!(our_metadata))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Metadata of 1 MiB, the most that is taken in, is longer in a JSON string: every quotation mark and line end is two characters there.
pub(super) const MAX_BODY: usize = 3 * 1024 * 1024;

/// Whose word a fetch is on: the operator reaches his own machine and network, an API client the public internet.
fn reach<S: super::scope::Scope>(call: &Call<S>) -> Reach {
    if call.caller.is_operator() { Reach::Operator { allow_http: true } } else { Reach::Public }
}

/// The services.
#[utoipa::path(get, path = "/services", tag = "services", responses((status = 200, body = Page<ServiceView>)))]
async fn list(call: Call<ServicesRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<ServiceView>>> {
    let all = app.directory.services(&call.org).await?;
    let place = |view: &ServiceView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// Adds a service. Entitled is everyone, unless said otherwise.
#[utoipa::path(post, path = "/services", tag = "services", request_body = ServiceFields, responses((status = 201, body = ServiceView)))]
async fn create(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(fields): Body<ServiceFields>,
) -> Result<Response> {
    let view = services::add(&app, reach(&call), &call.intent(&changing), &call.org, &fields).await?;
    Ok(created(changing.dry_run, view))
}

/// One service, by id or name.
#[utoipa::path(get, path = "/services/{service}", tag = "services", responses((status = 200, body = ServiceView)))]
async fn show(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<ServiceView>> {
    let Path((_, which)) = path;
    Ok(Resource(app.directory.service(&call.org, &which).await?))
}

/// Changes a service. New metadata takes the place of the old at once.
#[utoipa::path(patch, path = "/services/{service}", tag = "services", request_body = ServiceFields, responses((status = 200, body = ServiceView)))]
async fn change(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<ServiceFields>,
) -> Result<Response> {
    let Path((_, which)) = path;
    let intent = call.intent(&changing);
    let view = services::change(&app, reach(&call), &intent, &call.org, &which, &fields).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a service; its sessions end.
#[utoipa::path(delete, path = "/services/{service}", tag = "services", responses((status = 204)))]
async fn delete(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let Path((_, which)) = path;
    let (view, ended) = app.directory.delete_service(&call.intent(&changing), &call.org, &which).await?;
    Ok(deleted_with(changing.dry_run, view, &[("sessions_ended", ended)]))
}

/// A refresh.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct RefreshFields {
    /// The `metadata_pending_sha256` of a change that was looked at: it takes the place of the old metadata.
    approve: Option<String>,
}

/// Reads metadata again from where it came. A change waits for approval, unless it is signed under the certificate that is set for it.
#[utoipa::path(post, path = "/services/{service}/refresh", tag = "services", request_body = RefreshFields, responses((status = 200, body = RefreshAnswer)))]
async fn refresh(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<RefreshFields>,
) -> Result<Response> {
    let Path((_, which)) = path;
    let (intent, approve) = (call.intent(&changing), fields.approve.as_deref());
    let answer = services::refresh(&app, reach(&call), &intent, &call.org, &which, approve).await?;
    Ok(changed(changing.dry_run, answer.refresh, answer))
}

/// About whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct PreviewFields {
    /// Login name or id.
    user: String,
}

/// What the service would be told about a user. Needs `users:read` beside `services:read`: it answers who somebody is.
#[utoipa::path(post, path = "/services/{service}/preview", tag = "services", request_body = PreviewFields, responses((status = 200, body = PreviewAnswer)))]
async fn preview(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    _query: Plain,
    Body(fields): Body<PreviewFields>,
) -> Result<Json<PreviewAnswer>> {
    call.also::<UsersRead>()?;
    let Path((_, which)) = path;
    Ok(Json(services::preview(&app, &call.org, &which, &fields.user).await?))
}

/// For which software.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HandoverQuery {
    r#for: Once<String>,
}

/// A hand-over sheet.
#[derive(Debug, Serialize, ToSchema)]
struct HandoverAnswer {
    /// For which software.
    r#for: &'static str,
    /// The sheet, plain text.
    text: String,
}

/// What to send to whoever runs the service, in the words of its software: `for` is generic, mellon, node-saml, python3-saml, shibboleth or simplesamlphp.
#[utoipa::path(get, path = "/services/{service}/handover", tag = "services", params(("for" = Option<String>, Query)), responses((status = 200, body = HandoverAnswer)))]
async fn handover(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    Plain(query): Plain<HandoverQuery>,
) -> Result<Json<HandoverAnswer>> {
    let Path((_, which)) = path;
    let wanted = query.r#for.0.unwrap_or_else(|| "generic".to_owned());
    let target = Target::from_name(&wanted).ok_or_else(|| {
        let all = Target::ALL.map(Target::name).join(", ");
        Error::field("/for", format!("{wanted:?} is not one of {all}"))
    })?;
    let known = services::known(&app, &call.org, &which).await?;
    let text = services::handover(&app, &call.organization, &known, target).await?;
    Ok(Json(HandoverAnswer { r#for: target.name(), text }))
}

/// Our SAML metadata, as services get it.
#[utoipa::path(get, path = "/idp-metadata", tag = "services", responses((status = 200, content_type = "application/samlmetadata+xml", body = String)))]
async fn our_metadata(call: Call<OrganizationRead>, State(app): State<Shared>, _query: Plain) -> Result<Response> {
    let document = idp_metadata(&app, &call.org).await?;
    Ok(([(CONTENT_TYPE, "application/samlmetadata+xml")], document.as_ref().clone()).into_response())
}
