//! API clients. A secret is shown once.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::clients::{Ceiling, ClientPatch, ClientView, NewClient};
use latchkey_directory::page::Page;
use latchkey_directory::values::ClientState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::Shared;
use super::answer::{Resource, changed, created, deleted, once_only};
use super::body::Body;
use super::caller::{Call, Caller};
use super::query::{Changing, List, NoFilter, Plain};
use super::scope::{ApiClientsRead, ApiClientsWrite};
use crate::client_credential::credential;
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_clients, create_client))
        .routes(routes!(show_client, change_client, delete_client))
        .routes(routes!(rotate_client))
        .routes(routes!(disable_client))
        .routes(routes!(enable_client))
}

/// A client with its secret.
#[derive(Serialize, ToSchema)]
struct ClientWithSecret {
    #[serde(flatten)]
    client: ClientView,
    /// The secret, this once.
    client_secret: String,
}

/// Another credential for a client.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Rotation {
    /// A public key, PEM; without it the client gets a new secret.
    public_key: Option<String>,
}

/// What the caller may give away.
fn ceiling(caller: &Caller) -> Ceiling {
    match caller {
        Caller::Operator { .. } => Ceiling::Everything,
        Caller::Client(client) => Ceiling::Only(client.scopes.clone()),
    }
}

fn shown(status: StatusCode, client: ClientView, secret: Option<Zeroizing<String>>) -> Response {
    match secret {
        Some(secret) => {
            let id = client.id.clone();
            once_only(status, id, &ClientWithSecret { client, client_secret: secret.to_string() })
        }
        None if status == StatusCode::CREATED => created(false, client),
        None => changed(false, "rotated", client),
    }
}

/// API clients.
#[utoipa::path(get, path = "/api-clients", tag = "api-clients", responses((status = 200, body = Page<ClientView>)))]
async fn list_clients(
    call: Call<ApiClientsRead>,
    State(app): State<Shared>,
    list: List,
) -> Result<Json<Page<ClientView>>> {
    Ok(Json(app.directory.clients(&call.org, list.page).await?))
}

/// Makes an API client. Nobody gives a right that they do not have.
#[utoipa::path(post, path = "/api-clients", tag = "api-clients", request_body = NewClient, responses((status = 201, body = ClientWithSecret)))]
async fn create_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewClient>,
) -> Result<Response> {
    let (credential, secret) = credential(new.public_key.as_deref())?;
    let intent = call.intent(&changing);
    let view = app.directory.create_client(&intent, &call.org, new, credential, ceiling(&call.caller)).await?;
    if changing.dry_run {
        return Ok(created(true, view));
    }
    Ok(shown(StatusCode::CREATED, view, secret))
}

/// One API client, by id or name.
#[utoipa::path(get, path = "/api-clients/{client}", tag = "api-clients", responses((status = 200, body = ClientView)))]
async fn show_client(
    call: Call<ApiClientsRead>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<ClientView>> {
    Ok(Resource(app.directory.client(&call.org, &client).await?))
}

/// Changes name and scopes.
#[utoipa::path(patch, path = "/api-clients/{client}", tag = "api-clients", request_body = ClientPatch, responses((status = 200, body = ClientView)))]
async fn change_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<ClientPatch>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let view = app.directory.change_client(&intent, &call.org, &client, patch, ceiling(&call.caller)).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a client; its access tokens count no more.
#[utoipa::path(delete, path = "/api-clients/{client}", tag = "api-clients", responses((status = 204)))]
async fn delete_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let view = app.directory.delete_client(&intent, &call.org, &client, ceiling(&call.caller)).await?;
    Ok(deleted(changing.dry_run, view))
}

/// Gives a client a new secret, or the key of the request; what it had counts no more.
#[utoipa::path(post, path = "/api-clients/{client}/rotate", tag = "api-clients", request_body = Rotation, responses((status = 200, body = ClientWithSecret)))]
async fn rotate_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    changing: Changing,
    Body(order): Body<Rotation>,
) -> Result<Response> {
    let (credential, secret) = credential(order.public_key.as_deref())?;
    let intent = call.intent(&changing);
    let view = app.directory.rotate_client(&intent, &call.org, &client, credential, ceiling(&call.caller)).await?;
    if changing.dry_run {
        return Ok(changed(true, "rotated", view));
    }
    Ok(shown(StatusCode::OK, view, secret))
}

/// Lets a client have no access tokens; those it has count no more.
#[utoipa::path(post, path = "/api-clients/{client}/disable", tag = "api-clients", responses((status = 200, body = ClientView)))]
async fn disable_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let (intent, top) = (call.intent(&changing), ceiling(&call.caller));
    let view = app.directory.set_client_state(&intent, &call.org, &client, ClientState::Disabled, top).await?;
    Ok(changed(changing.dry_run, "disabled", view))
}

/// Lets a client have access tokens again.
#[utoipa::path(post, path = "/api-clients/{client}/enable", tag = "api-clients", responses((status = 200, body = ClientView)))]
async fn enable_client(
    call: Call<ApiClientsWrite>,
    State(app): State<Shared>,
    Path((_org, client)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let (intent, top) = (call.intent(&changing), ceiling(&call.caller));
    let view = app.directory.set_client_state(&intent, &call.org, &client, ClientState::Active, top).await?;
    Ok(changed(changing.dry_run, "enabled", view))
}
