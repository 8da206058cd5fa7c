//! Setting a new password by a link that was mailed: the page behind the link.
//!
//! Owns its two steps: the second factor, for whoever has one, and the new password; and the sealed text between them. Opening the link uses nothing
//! up, for programs that look into mails open every link. Must not know what a link takes: the directory decides, in the commit that sets the password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::credentials::mail_recovery::{Confirmations, LIFETIME, Recovery};
use latchkey_directory::credentials::{Factor, Guesser};
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::refusal::Remembered;
use latchkey_directory::{Bytes, OrgId, Timestamp};
use latchkey_wire::bytes::sha256;
use latchkey_wire::epoch::cookie_binding;
use latchkey_wire::seal::Context;
use serde::{Deserialize, Serialize};

use super::passkeys::Answer;
use super::person::{chosen, shown_browser};
use super::visitor::Visitor;
use crate::app::App;
use crate::code::{Code, Own};
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Passer;
use crate::problem::{Problem, Result};

const PATH: &str = "/recover/{secret}";

pub(crate) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Nobody, PATH, open).action(Needs::Nobody, PATH, step)
}

/// What is known between the steps.
#[derive(Serialize, Deserialize)]
struct Between {
    /// Which link.
    link: Bytes<32>,
    /// Over the value of the browser's binding cookie.
    cb: Bytes<32>,
    /// When the page was shown first.
    began: Timestamp,
    /// What was proven.
    confirmed: Option<Factor>,
    /// What is needed to check a passkey's answer.
    question: Option<String>,
}

#[derive(Template)]
#[template(path = "signin/recover.html")]
struct RecoverPage {
    page: Page,
    login_name: String,
    /// The link's own path.
    path: String,
    txn: String,
    /// The ways to confirm the link; absent once it is, or where none is needed.
    by: Option<Confirmations>,
    options: Option<String>,
    min_length: u64,
}

/// Whoever came with a link that counts.
struct Comer<'a> {
    app: &'a App,
    organization: &'a OrganizationView,
    passer: &'a Passer,
    visitor: &'a Visitor,
    headers: &'a HeaderMap,
    secret: &'a str,
    recovery: Recovery,
}

fn gone() -> Problem {
    Problem::of(Own::Signin007)
}

impl<'a> Comer<'a> {
    async fn find(
        app: &'a App,
        passer: &'a Passer,
        visitor: &'a Visitor,
        headers: &'a HeaderMap,
        secret: &'a str,
    ) -> Result<Self> {
        let organization = passer.organization.as_ref().ok_or_else(Problem::not_found)?;
        let found = if app.mail.is_some() { app.directory.recovery(&organization.id, secret).await? } else { None };
        let Some(recovery) = found else {
            // Nobody finds one by trying.
            visitor.failed(app)?;
            return Err(gone());
        };
        Ok(Self { app, organization, passer, visitor, headers, secret, recovery })
    }

    fn org(&self) -> &OrgId {
        &self.organization.id
    }

    fn begin(&self) -> Between {
        Between {
            link: sha256(self.secret.as_bytes()),
            cb: cookie_binding(self.passer.binding()),
            began: self.app.directory.now(),
            confirmed: None,
            question: None,
        }
    }

    fn context(&self) -> Context<'_> {
        Context { what: "recover", org: self.org().as_str(), incarnation: &self.app.incarnation }
    }

    /// Opens what the form brought back, if it is this browser's and this link's.
    fn read(&self, sealed: &str) -> Result<Between> {
        let now = self.app.directory.now();
        let plain = self.app.seals.open(sealed, &self.context(), now.seconds());
        let between = plain.ok().and_then(|plain| serde_json::from_slice::<Between>(&plain).ok());
        let fits = |between: &Between| {
            between.link == sha256(self.secret.as_bytes())
                && between.cb == cookie_binding(self.passer.binding())
                && now.since(between.began) <= LIFETIME
        };
        between.filter(fits).ok_or_else(|| Problem::of(Own::Signin005))
    }

    async fn show(&self, mut between: Between, failed: Option<Problem>) -> Result<Response> {
        let by = (self.recovery.must_confirm && between.confirmed.is_none()).then_some(self.recovery.by);
        if by.is_some_and(|by| !by.any()) {
            return Err(self.remember(Problem::of(Own::Signin008), "a protected user without a second factor").await);
        }
        let asks = by.is_some_and(|by| by.passkey) && self.app.passkeys.usable();
        let question = if asks { Some(self.app.passkeys.ask().map_err(Problem::internal)?) } else { None };
        let (options, state) = question.map(|question| (question.options, question.state)).unzip();
        between.question = state;
        let plain = serde_json::to_vec(&between).map_err(Problem::internal)?;
        let txn = self.app.seals.seal(&plain, &self.context(), self.app.directory.now().seconds());
        let title = if by.is_some() { "enter.recover_confirm" } else { "enter.recover_title" };
        let (status, page) = match failed {
            Some(problem) => (problem.status(), self.passer.page(title).refused(problem)?),
            None => (http::StatusCode::OK, self.passer.page(title)),
        };
        let policy = self.app.directory.sign_in_policy(self.org()).await?;
        let shown = RecoverPage {
            page,
            login_name: self.recovery.login_name.clone(),
            path: format!("/o/{}/recover/{}", self.organization.slug, self.secret),
            txn: txn.map_err(Problem::internal)?,
            by,
            options,
            min_length: policy.password_min_length,
        };
        Ok(self.passer.bound(page::show_as(status, &shown)))
    }

    /// Tries a second factor.
    async fn confirm(&self, between: &mut Between, fields: &Fields, by: &str) -> Result<Factor> {
        let wrong = |why: &'static str| async move { self.remember(Problem::of(Own::Signin004), why).await };
        let guesser = Guesser { address: self.visitor.address, browser: shown_browser(self.headers) };
        let (directory, user) = (&self.app.directory, self.recovery.user_id.as_str());
        let code = fields.text("code").unwrap_or_default();
        match by {
            "totp" if self.recovery.by.totp => match directory.use_totp(self.org(), user, code, guesser).await? {
                Some(factor) => Ok(factor),
                None => Err(wrong("the code is wrong or was used").await),
            },
            "recovery_code" if self.recovery.by.recovery_code => {
                match directory.use_recovery_code(self.org(), user, code, guesser).await? {
                    Some(factor) => Ok(factor),
                    None => Err(wrong("the recovery code is wrong or was used").await),
                }
            }
            "passkey" if self.recovery.by.passkey => {
                let question = between.question.take().ok_or_else(|| Problem::of(Own::Signin005))?;
                match self.by_passkey(&question, fields.raw("passkey").unwrap_or_default()).await? {
                    Some(factor) => Ok(factor),
                    None => {
                        // As in a sign-in: whoever sends many that do not hold is slowed down.
                        self.visitor.failed(self.app)?;
                        Err(wrong("the passkey's answer does not hold, or it is another person's").await)
                    }
                }
            }
            _ => Err(Problem::of(Own::Signin005)),
        }
    }

    async fn by_passkey(&self, question: &str, answer: &str) -> Result<Option<Factor>> {
        let directory = &self.app.directory;
        let Ok(answer) = Answer::read(answer) else { return Ok(None) };
        let stored = directory.passkey_of(self.org(), answer.credential_id()).await?;
        let Some(stored) = stored.filter(|stored| stored.user_id == self.recovery.user_id) else { return Ok(None) };
        let Ok(kept) = self.app.passkeys.check(question, &answer, &stored) else { return Ok(None) };
        directory.note_passkey(self.org(), &stored.id, kept).await?;
        Ok(Some(Factor::Passkey { id: stored.id }))
    }

    async fn set(&self, between: &Between, fields: &Fields) -> Result<Response> {
        let directory = &self.app.directory;
        let new = chosen(self.app, self.org(), &self.recovery.user_id, fields).await?;
        let confirmed = between.confirmed.clone();
        match directory.recover(self.org(), self.secret, confirmed, new, self.visitor.address).await? {
            Ok(()) => {
                let path = format!("/o/{}/signin?said=password-recovered", self.organization.slug);
                Ok(self.passer.bound(Redirect::to(&path).into_response()))
            }
            Err(refused) => {
                let code: Code = refused.code.into();
                Err(self.remember(Problem::of(code), &refused.detail).await)
            }
        }
    }

    /// Remembers a refusal with its full reason.
    async fn remember(&self, problem: Problem, why: &str) -> Problem {
        let address = self.visitor.address;
        let refusal = Remembered {
            actor: Actor {
                kind: ActorKind::User,
                id: self.recovery.user_id.clone(),
                address: address.map(|address| address.to_canonical().to_string()),
            },
            action: "signin.recover",
            code: problem.code().as_str().to_owned(),
            subject: self.recovery.login_name.clone(),
            address,
            detail: why.to_owned(),
            proven: true,
        };
        let reference = self.app.directory.remember_refusal(self.org(), refusal).await;
        problem.reason(why).with_reference(reference)
    }
}

type Which = Path<(String, String)>;

async fn open(
    passer: Passer,
    State(app): State<Arc<App>>,
    Path((_org, secret)): Which,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response> {
    visitor.count(&app)?;
    let comer = Comer::find(&app, &passer, &visitor, &headers, &secret).await?;
    comer.show(comer.begin(), None).await
}

async fn step(
    passer: Passer,
    State(app): State<Arc<App>>,
    Path((_org, secret)): Which,
    visitor: Visitor,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response> {
    let _turn = visitor.admit(&app).await?;
    let comer = Comer::find(&app, &passer, &visitor, &headers, &secret).await?;
    let mut between = comer.read(fields.raw("txn").unwrap_or_default())?;
    let done = match fields.raw("do") {
        Some("password") => comer.set(&between, &fields).await,
        Some(by) => match comer.confirm(&mut between, &fields, by).await {
            Ok(factor) => {
                between.confirmed = Some(factor);
                return comer.show(between, None).await;
            }
            Err(problem) => Err(problem),
        },
        None => Err(Problem::of(latchkey_wire::Code::Api001)),
    };
    match done {
        Err(problem) if matches!(problem.status().as_u16(), 422 | 429) => comer.show(between, Some(problem)).await,
        other => other,
    }
}
