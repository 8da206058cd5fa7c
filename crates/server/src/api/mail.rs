//! Mail: how it stands, and a mail that shows that mails come. Only the operator asks: the mail server is the cloud's.

use axum::Json;
use axum::extract::State;
use latchkey_directory::Timestamp;
use latchkey_wire::Code as Wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::body::Body;
use super::caller::OperatorCall;
use super::query::Plain;
use crate::code::Own;
use crate::mail::brand::Brand;
use crate::mail::letter;
use crate::problem::{Problem, Result};

pub(super) fn operator_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(test))
}

/// How mail stands.
#[derive(Serialize, ToSchema)]
struct MailView {
    /// Whether a mail server is set up.
    set_up: bool,
    /// The mail server.
    server: Option<String>,
    /// How the connection is protected: `starttls`, `implicit` or `off`.
    tls: Option<&'static str>,
    /// The address that mails come from.
    from: Option<String>,
    /// How many mails wait, of all organizations.
    waiting: u64,
    /// When the oldest of them was written.
    #[schema(value_type = Option<String>)]
    oldest_at: Option<Timestamp>,
    /// What was in the way of one of them at its last try.
    last_error: Option<String>,
}

/// How mail stands: the settings of this server, and what waits to be sent.
#[utoipa::path(get, path = "/mail", tag = "operator", responses((status = 200, body = MailView)))]
async fn show(_call: OperatorCall, State(app): State<Shared>, _query: Plain) -> Result<Json<MailView>> {
    let state = app.directory.mail_state(None).await?;
    let settings = app.mail.as_ref().map(crate::mail::Mailer::settings);
    Ok(Json(MailView {
        set_up: settings.is_some(),
        server: settings.map(crate::serve::mail::MailSettings::server),
        tls: settings.map(|settings| settings.tls.as_str()),
        from: settings.map(|settings| settings.from.to_string()),
        waiting: state.waiting,
        oldest_at: state.oldest_at,
        last_error: state.last_error,
    }))
}

/// Where a test goes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct MailTest {
    /// The address.
    #[schema(required)]
    to: Option<String>,
}

/// A test that was sent.
#[derive(Serialize, ToSchema)]
struct MailTested {
    /// The address.
    to: String,
    /// The mail server.
    server: String,
    /// What it said.
    answer: String,
}

/// Sends a mail at once, past the outbox, and answers what the mail server said.
#[utoipa::path(post, path = "/mail/test", tag = "operator", request_body = MailTest, responses((status = 200, body = MailTested)))]
async fn test(
    _call: OperatorCall,
    State(app): State<Shared>,
    _query: Plain,
    Body(order): Body<MailTest>,
) -> Result<Json<MailTested>> {
    let to = order.to.unwrap_or_default();
    if let Err(error) = to.parse::<lettre::Address>() {
        let detail = format!("{to:?} is no mail address: {error}");
        return Err(Problem::of(Wire::Api010).detail(detail.clone()).field("/to", Wire::Api010, detail));
    }
    let Some(mailer) = &app.mail else { return Err(Problem::of(Own::Mail001)) };
    let brand = Brand::of_cloud(app.origin());
    let written = letter::test(&brand).map_err(Problem::internal)?;
    let id = latchkey_wire::bytes::to_base64url(&*latchkey_wire::sign::random_bytes::<16>());
    let answer = mailer
        .send(&brand, &to, &id, &written)
        .await
        .map_err(|why| Problem::of(Own::Mail002).detail(format!("{}: {why}", mailer.settings().server())))?;
    Ok(Json(MailTested { to, server: mailer.settings().server(), answer }))
}
