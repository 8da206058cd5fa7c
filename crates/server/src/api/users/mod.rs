//! Users, their groups, and users as CSV.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use latchkey_directory::groups::GroupView;
use latchkey_directory::page::Page;
use latchkey_directory::users::{Imported, NewUser, UserFilter, UserPatch, UserView};
use latchkey_directory::values::{UserSource, UserStatus};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, changed, created, deleted_with};
use super::body::{Body, Raw};
use super::caller::Call;
use super::query::{Changing, List, Many, NoFilter, Once, Plain};
use super::scope::{UsersRead, UsersWrite};
use crate::problem::Result;
use crate::{export, users_csv};

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(import_users))
        .routes(routes!(export_users))
        .routes(routes!(show_user, change_user, delete_user))
        .routes(routes!(disable_user))
        .routes(routes!(enable_user))
        .routes(routes!(user_groups))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    status: Many<UserStatus>,
    source: Many<UserSource>,
    department: Many<String>,
    group: Many<String>,
    q: Once<String>,
}

/// Users, newest first; without `status`, those who are not deleted. `q` finds whose login name, display name, given or family name begins with
/// it, whatever the case of its letters, in the order of what was found.
#[utoipa::path(get, path = "/users", tag = "users",
    params(("status" = Option<Vec<UserStatus>>, Query), ("source" = Option<Vec<UserSource>>, Query),
        ("department" = Option<Vec<String>>, Query), ("group" = Option<Vec<String>>, Query), ("q" = Option<String>, Query)),
    responses((status = 200, body = Page<UserView>)))]
async fn list_users(
    call: Call<UsersRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<UserView>>> {
    let Filters { status, source, department, group, q } = list.filter;
    let filter = UserFilter { status: status.0, source: source.0, department: department.0, group: group.0, text: q.0 };
    Ok(Json(app.directory.users(&call.org, filter, list.page).await?))
}

/// Makes a user.
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser, responses((status = 201, body = UserView)))]
async fn create_user(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewUser>,
) -> Result<Response> {
    let view = app.directory.create_user(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One user, by id or login name.
#[utoipa::path(get, path = "/users/{user}", tag = "users", responses((status = 200, body = UserView)))]
async fn show_user(
    call: Call<UsersRead>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<UserView>> {
    Ok(Resource(app.directory.user(&call.org, &user).await?))
}

/// Changes what is known about a user.
#[utoipa::path(patch, path = "/users/{user}", tag = "users", request_body = UserPatch, responses((status = 200, body = UserView)))]
async fn change_user(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<UserPatch>,
) -> Result<Response> {
    let view = app.directory.change_user(&call.intent(&changing), &call.org, &user, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a user; sessions and bindings end, the name stays reserved for a year.
#[utoipa::path(delete, path = "/users/{user}", tag = "users", responses((status = 204)))]
async fn delete_user(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let (view, sessions, bindings) = app.directory.delete_user(&call.intent(&changing), &call.org, &user).await?;
    let along = [("sessions_ended", sessions), ("bindings_ended", bindings)];
    Ok(deleted_with(changing.dry_run, view, &along))
}

/// Lets a user sign in no more; sessions end.
#[utoipa::path(post, path = "/users/{user}/disable", tag = "users", responses((status = 200, body = UserView)))]
async fn disable_user(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let (view, sessions) = app.directory.disable_user(&call.intent(&changing), &call.org, &user).await?;
    if changing.dry_run {
        return Ok(Would::of("disabled", 1, &[view]).and("sessions_ended", sessions).into_response());
    }
    Ok(changed(false, "disabled", view))
}

/// Lets a disabled user sign in again.
#[utoipa::path(post, path = "/users/{user}/enable", tag = "users", responses((status = 200, body = UserView)))]
async fn enable_user(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let view = app.directory.enable_user(&call.intent(&changing), &call.org, &user).await?;
    Ok(changed(changing.dry_run, "enabled", view))
}

/// The groups of a user.
#[utoipa::path(get, path = "/users/{user}/groups", tag = "users", responses((status = 200, body = Page<GroupView>)))]
async fn user_groups(
    call: Call<UsersRead>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<GroupView>>> {
    Ok(Json(app.directory.user_groups(&call.org, &user, list.page).await?))
}

/// Makes and changes users from CSV: all lines, or none.
#[utoipa::path(post, path = "/users/import", tag = "users", request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Imported)))]
async fn import_users(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Raw(bytes): Raw,
) -> Result<Response> {
    let lines = users_csv::read(&bytes)?;
    let done = app.directory.import_users(&call.intent(&changing), &call.org, lines).await?;
    if changing.dry_run {
        let would = Would::of::<UserView>("created", done.created, &[]);
        return Ok(would.and("changed", done.changed).and("unchanged", done.unchanged).into_response());
    }
    Ok(Json(done).into_response())
}

/// Users as CSV, in the form that import reads.
#[utoipa::path(get, path = "/users/export", tag = "users", responses((status = 200, content_type = "text/csv", body = String)))]
async fn export_users(call: Call<UsersRead>, State(app): State<Shared>, _query: Plain) -> Result<Response> {
    let page = move |request| {
        let (app, org) = (Arc::clone(&app), call.org.clone());
        async move { app.directory.users(&org, UserFilter::default(), request).await }
    };
    export::csv("users.csv", &users_csv::COLUMNS, page, users_csv::line).await
}
