//! Roles, who has them, and who is signed in to the portals.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Error;
use latchkey_directory::access::{
    AssignmentView, BrowserSessionView, Holder, NewRole, NotAHolder, RolePatch, RoleView,
};
use latchkey_directory::page::{Cursor, Page};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted, deleted_with};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Once, Plain};
use super::scope::{RolesRead, RolesWrite, SessionsRead, SessionsWrite};
use crate::problem::Result;

/// The calls of these resources.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_roles, create_role))
        .routes(routes!(show_role, change_role, delete_role))
        .routes(routes!(list_assignments, give_role))
        .routes(routes!(take_role))
        .routes(routes!(roles_of_user))
        .routes(routes!(roles_of_group))
        .routes(routes!(list_browser_sessions))
        .routes(routes!(show_browser_session, end_browser_session))
}

/// Roles: those that were made here, newest first, then the built-in ones.
#[utoipa::path(get, path = "/roles", tag = "roles", responses((status = 200, body = Page<RoleView>)))]
async fn list_roles(call: Call<RolesRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<RoleView>>> {
    Ok(Json(app.directory.roles(&call.org, list.page).await?))
}

/// Makes a role. Nobody gives a right that they do not have.
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = NewRole, responses((status = 201, body = RoleView)))]
async fn create_role(
    call: Call<RolesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewRole>,
) -> Result<Response> {
    let view = app.directory.create_role(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One role, by id or name.
#[utoipa::path(get, path = "/roles/{role}", tag = "roles", responses((status = 200, body = RoleView)))]
async fn show_role(
    call: Call<RolesRead>,
    State(app): State<Shared>,
    Path((_org, role)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<RoleView>> {
    Ok(Resource(app.directory.role(&call.org, &role).await?))
}

/// Changes name, description and what the role opens; modules that are not named stay as they are.
#[utoipa::path(patch, path = "/roles/{role}", tag = "roles", request_body = RolePatch, responses((status = 200, body = RoleView)))]
async fn change_role(
    call: Call<RolesWrite>,
    State(app): State<Shared>,
    Path((_org, role)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<RolePatch>,
) -> Result<Response> {
    let view = app.directory.change_role(&call.intent(&changing), &call.org, &role, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Along {
    from_everybody: Once<bool>,
}

/// Deletes a role; with `from_everybody=true` one that somebody has, too.
#[utoipa::path(delete, path = "/roles/{role}", tag = "roles", params(("from_everybody" = Option<bool>, Query)), responses((status = 204)))]
async fn delete_role(
    call: Call<RolesWrite>,
    State(app): State<Shared>,
    Path((_org, role)): Path<(String, String)>,
    changing: Changing<Along>,
) -> Result<Response> {
    let with_assignments = changing.filter.from_everybody.0.unwrap_or(false);
    let (view, taken) = app.directory.delete_role(&call.intent(&changing), &call.org, &role, with_assignments).await?;
    Ok(deleted_with(changing.dry_run, view, &[("taken", taken)]))
}

/// Who has the role, newest first.
#[utoipa::path(get, path = "/roles/{role}/assignments", tag = "roles", responses((status = 200, body = Page<AssignmentView>)))]
async fn list_assignments(
    call: Call<RolesRead>,
    State(app): State<Shared>,
    Path((_org, role)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<AssignmentView>>> {
    Ok(Json(app.directory.role_assignments(&call.org, &role, list.page).await?))
}

/// Whom to give a role.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct GiveFields {
    /// `user:LOGIN` or `group:NAME`.
    holder: String,
}

fn holder(text: &str) -> Result<Holder> {
    Ok(text.parse().map_err(|e: NotAHolder| Error::field("/holder", e.to_string()))?)
}

/// Gives the role to a user or a group. Nobody gives a right that they do not have. A repeated one changes nothing.
#[utoipa::path(post, path = "/roles/{role}/assignments", tag = "roles", request_body = GiveFields, responses((status = 201, body = AssignmentView)))]
async fn give_role(
    call: Call<RolesWrite>,
    State(app): State<Shared>,
    Path((_org, role)): Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<GiveFields>,
) -> Result<Response> {
    let whom = holder(&fields.holder)?;
    let view = app.directory.give_role(&call.intent(&changing), &call.org, &role, &whom).await?;
    Ok(created(changing.dry_run, view))
}

/// Takes the role back. Whose it is: the assignment's id, `user:LOGIN` or `group:NAME`.
#[utoipa::path(delete, path = "/roles/{role}/assignments/{assignment}", tag = "roles", responses((status = 204)))]
async fn take_role(
    call: Call<RolesWrite>,
    State(app): State<Shared>,
    Path((_org, role, assignment)): Path<(String, String, String)>,
    changing: Changing,
) -> Result<Response> {
    let intent = call.intent(&changing);
    // No id has a colon.
    let view = if assignment.contains(':') {
        app.directory.take_role(&intent, &call.org, &role, &holder(&assignment)?).await?
    } else {
        app.directory.end_assignment(&intent, &call.org, &role, &assignment).await?
    };
    Ok(deleted(changing.dry_run, view))
}

async fn roles_of(
    app: &Shared,
    org: &latchkey_directory::OrgId,
    holder: &Holder,
    list: &List,
) -> Result<Json<Page<AssignmentView>>> {
    let mut all = app.directory.roles_of(org, holder).await?;
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let place = |view: &AssignmentView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// The roles of a user: their own, and those of their groups.
#[utoipa::path(get, path = "/users/{user}/roles", tag = "roles", responses((status = 200, body = Page<AssignmentView>)))]
async fn roles_of_user(
    call: Call<RolesRead>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<AssignmentView>>> {
    roles_of(&app, &call.org, &Holder::User(user), &list).await
}

/// The roles that the members of a group have by it.
#[utoipa::path(get, path = "/groups/{group}/roles", tag = "roles", responses((status = 200, body = Page<AssignmentView>)))]
async fn roles_of_group(
    call: Call<RolesRead>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<AssignmentView>>> {
    roles_of(&app, &call.org, &Holder::Group(group), &list).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfUser {
    user: Once<String>,
}

/// Who is signed in to the portals, newest first.
#[utoipa::path(get, path = "/browser-sessions", tag = "sessions", params(("user" = Option<String>, Query)), responses((status = 200, body = Page<BrowserSessionView>)))]
async fn list_browser_sessions(
    call: Call<SessionsRead>,
    State(app): State<Shared>,
    list: List<OfUser>,
) -> Result<Json<Page<BrowserSessionView>>> {
    let user = match &list.filter.user.0 {
        Some(which) => Some(app.directory.user(&call.org, which).await?.id),
        None => None,
    };
    Ok(Json(app.directory.browser_sessions(&call.org, user.as_deref(), list.page).await?))
}

/// One browser session, ended or not.
#[utoipa::path(get, path = "/browser-sessions/{session}", tag = "sessions", responses((status = 200, body = BrowserSessionView)))]
async fn show_browser_session(
    call: Call<SessionsRead>,
    State(app): State<Shared>,
    Path((_org, session)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<BrowserSessionView>> {
    Ok(Resource(app.directory.browser_session(&call.org, &session).await?))
}

/// Signs somebody out of the portals in one browser.
#[utoipa::path(delete, path = "/browser-sessions/{session}", tag = "sessions", responses((status = 204)))]
async fn end_browser_session(
    call: Call<SessionsWrite>,
    State(app): State<Shared>,
    Path((_org, session)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.end_browser_session(&call.intent(&changing), &call.org, &session, None).await?;
    Ok(deleted(changing.dry_run, view))
}
