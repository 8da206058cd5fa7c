//! The steps of a person, one request each.
//!
//! Owns what each step does with what was typed, and what is remembered of a try that was wrong. Which step comes next is the dispatcher's word
//! ([`super::next`]); what is granted in the end is [`super::enter`]'s.
//!
//! A person is told the same whoever they named: that name or password is not right. The reason stands under the reference.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::credentials::{Factor, Guesser, NewPassword, SignInPolicyView, Tried};
use latchkey_directory::names::{LoginName, MAX_LOGIN};
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::refusal::Remembered;
use latchkey_directory::tokens::Password;
use latchkey_directory::values::SignInMethod;
use latchkey_directory::{Error, OrgId};

use super::errand::{Errand, Goal};
use super::next::{self, Able, Has, Next};
use super::show::{self, Frame, Step};
use super::{cookie, enter};
use crate::app::App;
use crate::code::{Code, Own};
use crate::portal::fields::Fields;
use crate::portal::visit::{Passer, Visit};
use crate::problem::{Problem, Result};
use crate::shown::blocking;
use crate::signin::dispatch::home;
use crate::signin::passkeys::Answer;
use crate::signin::visitor::Visitor;

/// A person on the way.
pub(super) struct Walk<'a> {
    pub(super) app: &'a App,
    pub(super) organization: &'a OrganizationView,
    pub(super) passer: &'a Passer,
    pub(super) visitor: &'a Visitor,
    pub(super) headers: &'a HeaderMap,
    /// The session that the browser has, if it has one.
    pub(super) visit: Option<&'a Visit>,
    pub(super) errand: Errand,
    pub(super) policy: SignInPolicyView,
}

/// What a try came to.
enum Came {
    /// It was right.
    On,
    /// It was wrong, and why, for the administrator.
    Wrong(String),
}

/// A new password as it was typed twice, hashed.
pub(crate) async fn chosen(app: &App, org: &OrgId, user: &str, fields: &Fields) -> Result<NewPassword> {
    let invalid = latchkey_wire::Code::Api010;
    let [password, again] = ["password", "again"].map(|name| fields.raw(name).unwrap_or_default());
    if password != again {
        let detail = crate::portal::text::t("account.not_the_same").into_owned();
        return Err(Problem::of(invalid).field("/again", invalid, detail));
    }
    let rules = app.directory.password_rules(org, user).await?;
    let password = Password::new(password.to_owned());
    blocking(app, move || rules.hash(&password)).await
}

impl Walk<'_> {
    pub(super) fn org(&self) -> &OrgId {
        &self.organization.id
    }

    /// Takes one step with what the form sent, and shows or does what comes next.
    pub(super) async fn step(mut self, fields: &Fields) -> Result<Response> {
        let came = match fields.raw("do") {
            Some("through") => return self.by_session().await,
            Some("other") => {
                // A session is confirmed by its own person.
                if self.errand.session.is_none() {
                    self.errand.forget_person();
                }
                return self.go_on(None).await;
            }
            Some("name") => return self.name(fields).await,
            Some("new_password") => return self.new_password(fields).await,
            Some("password") => self.password(fields).await,
            Some("totp") => self.code(fields.text("code").unwrap_or_default(), SignInMethod::Totp).await,
            Some("recovery_code") => {
                self.code(fields.text("code").unwrap_or_default(), SignInMethod::RecoveryCode).await
            }
            Some("mail") => return self.mail().await,
            Some("mail_code") => self.mailed(fields.text("code").unwrap_or_default()).await,
            Some("forgotten") => return self.forgotten().await,
            Some("passkey") => self.passkey(fields.raw("passkey").unwrap_or_default()).await,
            _ => return Err(Problem::of(latchkey_wire::Code::Api001)),
        };
        match came {
            Ok(Came::On) => self.go_on(None).await,
            Ok(Came::Wrong(why)) => {
                let problem = self.remember(Own::Signin004.into(), why).await;
                self.go_on(Some(problem)).await
            }
            Err(problem) if problem.code() == Own::Api014.into() => {
                let problem = self.remember_as(problem, "too many wrong attempts".to_owned()).await;
                self.go_on(Some(problem)).await
            }
            Err(problem) => Err(problem),
        }
    }

    async fn name(mut self, fields: &Fields) -> Result<Response> {
        // A session is confirmed by its own person.
        if self.errand.session.is_some() {
            return self.go_on(None).await;
        }
        match fields.text("login_name").filter(|name| name.len() <= MAX_LOGIN) {
            Some(name) => {
                self.errand.forget_person();
                self.errand.name = Some(name.to_owned());
                self.go_on(None).await
            }
            None => {
                let detail = crate::portal::text::t("enter.name_missing").into_owned();
                let code = latchkey_wire::Code::Api010;
                self.go_on(Some(Problem::of(code).field("/login_name", code, detail))).await
            }
        }
    }

    fn guesser(&self) -> Guesser {
        Guesser { address: self.visitor.address, browser: cookie::shown(self.headers) }
    }

    async fn password(&mut self, fields: &Fields) -> Result<Came> {
        let (Some(name), true) = (self.errand.name.clone(), self.errand.factors.is_empty()) else {
            return Err(Problem::of(Own::Signin005));
        };
        if !self.policy.allows(SignInMethod::Password) {
            return Ok(Came::Wrong("the organization does not allow passwords".to_owned()));
        }
        let directory = &self.app.directory;
        let tried = directory.try_password(self.org(), &name, self.guesser()).await?;
        let password = Password::new(fields.raw("password").unwrap_or_default().to_owned());
        let check = move || {
            let right = tried.check(&password);
            Ok((tried, right))
        };
        let (tried, right) = blocking(self.app, check).await?;
        match directory.end_password(self.org(), tried, right).await? {
            Tried::Right { user_id, factor } => {
                self.errand.user_id = Some(user_id);
                self.errand.factors = vec![factor];
                Ok(Came::On)
            }
            Tried::Wrong(why) => Ok(Came::Wrong(why.to_owned())),
        }
    }

    /// Another password in the place of the one that was proven. Asked for only when all the rest is proven.
    async fn new_password(self, fields: &Fields) -> Result<Response> {
        let has = self.has().await?;
        let next = next::next(&self.errand, &self.policy, self.able(), has.as_ref());
        let (Next::NewPassword(_), Some(user_id)) = (next, &self.errand.user_id) else {
            return self.go_on(None).await;
        };
        match chosen(self.app, self.org(), user_id, fields).await {
            Ok(new) => enter::enter(self, Some(new)).await,
            Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => self.go_on(Some(problem)).await,
            Err(problem) => Err(problem),
        }
    }

    async fn code(&mut self, code: &str, method: SignInMethod) -> Result<Came> {
        let (Some(user_id), [Factor::Password { .. }]) = (self.errand.user_id.clone(), self.errand.factors.as_slice())
        else {
            return Err(Problem::of(Own::Signin005));
        };
        if !self.policy.allows(method) {
            return Ok(Came::Wrong(format!("the organization does not allow {method}")));
        }
        let (directory, org, guesser) = (&self.app.directory, self.org(), self.guesser());
        let factor = if method == SignInMethod::Totp {
            directory.use_totp(org, &user_id, code, guesser).await?
        } else {
            directory.use_recovery_code(org, &user_id, code, guesser).await?
        };
        let Some(factor) = factor else { return Ok(Came::Wrong(format!("the {method} is wrong or was used"))) };
        self.errand.factors.push(factor);
        Ok(Came::On)
    }

    /// Mails a code to whoever was named: as the first step, or to confirm the password that was right. The same happens whoever that is.
    async fn mail(mut self) -> Result<Response> {
        let begun = matches!(self.errand.factors.as_slice(), [] | [Factor::Password { .. }]);
        let (Some(name), true) = (self.errand.name.clone(), begun) else { return Err(Problem::of(Own::Signin005)) };
        if self.app.mail.is_none() || !self.policy.allows(SignInMethod::MailCode) {
            return Err(Problem::of(Own::Signin005));
        }
        self.visitor.count(self.app)?;
        self.app.directory.mail_code(self.org(), &name, &self.errand.sign_in()).await?;
        self.errand.mailed = true;
        self.go_on(None).await
    }

    async fn mailed(&mut self, code: &str) -> Result<Came> {
        let confirming = match self.errand.factors.as_slice() {
            [] => false,
            [Factor::Password { .. }] => true,
            _ => return Err(Problem::of(Own::Signin005)),
        };
        let Some(name) = self.errand.name.clone() else { return Err(Problem::of(Own::Signin005)) };
        if !self.policy.allows(SignInMethod::MailCode) {
            return Ok(Came::Wrong("the organization does not allow mailed codes".to_owned()));
        }
        let (directory, sign_in) = (&self.app.directory, self.errand.sign_in());
        let right = directory.use_mail_code(self.org(), &name, &sign_in, code, self.guesser(), confirming).await?;
        let Some((user_id, factor)) = right else {
            return Ok(Came::Wrong("the mailed code is wrong, was used or has ended, or none was mailed".to_owned()));
        };
        let of_session = self.errand.session.as_ref().is_none_or(|session| session.user_id == user_id);
        if !of_session || self.errand.user_id.as_ref().is_some_and(|first| *first != user_id) {
            return Ok(Came::Wrong("the mailed code is another person's".to_owned()));
        }
        self.errand.user_id = Some(user_id);
        self.errand.factors.push(factor);
        Ok(Came::On)
    }

    /// Mails a link to set a new password to whoever was named. The same happens whoever that is.
    async fn forgotten(mut self) -> Result<Response> {
        let Some(name) = self.errand.name.clone() else { return Err(Problem::of(Own::Signin005)) };
        if !self.can_recover() || self.errand.session.is_some() {
            return Err(Problem::of(Own::Signin005));
        }
        self.visitor.count(self.app)?;
        self.app.directory.mail_recovery(self.org(), &name, self.visitor.address).await?;
        self.show(Step::Forgotten, &[], None)
    }

    fn can_recover(&self) -> bool {
        self.app.mail.is_some() && self.policy.allows(SignInMethod::Password)
    }

    fn able(&self) -> Able {
        Able { passkeys: self.app.passkeys.usable(), mail: self.app.mail.is_some() }
    }

    async fn passkey(&mut self, answer: &str) -> Result<Came> {
        let Some(question) = self.errand.question.take() else { return Err(Problem::of(Own::Signin005)) };
        if !self.policy.allows(SignInMethod::Passkey) {
            return Ok(Came::Wrong("the organization does not allow passkeys".to_owned()));
        }
        // Nobody can guess a signature; whoever sends many that do not hold is slowed down as others are who send what does not verify.
        let wrong = |why: String| self.visitor.failed(self.app).map(|()| Came::Wrong(why));
        let answer = match Answer::read(answer) {
            Ok(answer) => answer,
            Err(why) => return wrong(why.to_string()),
        };
        let directory = &self.app.directory;
        let Some(stored) = directory.passkey_of(self.org(), answer.credential_id()).await? else {
            return wrong("no passkey of this organization has this credential id".to_owned());
        };
        let kept = match self.app.passkeys.check(&question, &answer, &stored) {
            Ok(kept) => kept,
            Err(why) => return wrong(format!("{}: {why}", stored.id)),
        };
        if self.errand.session.as_ref().is_some_and(|session| session.user_id != stored.user_id) {
            return Ok(Came::Wrong("the passkey is another person's than the session".to_owned()));
        }
        directory.note_passkey(self.org(), &stored.id, kept).await?;
        self.errand.user_id = Some(stored.user_id);
        self.errand.factors = vec![Factor::Passkey { id: stored.id }];
        Ok(Came::On)
    }

    /// Back to the dispatcher.
    pub(super) async fn go_on(mut self, failed: Option<Problem>) -> Result<Response> {
        let able = self.able();
        let has = self.has().await?;
        match next::next(&self.errand, &self.policy, able, has.as_ref()) {
            Next::Name => self.show(Step::Name, &next::offered(&self.policy, able, self.errand.level), failed),
            Next::First(offered) => {
                let at = |method| offered.iter().position(|found| *found == method);
                let (password, passkey) = (at(SignInMethod::Password), at(SignInMethod::Passkey));
                let password_first = password.is_some_and(|at| passkey.is_none_or(|passkey| at < passkey));
                let mail = offered.contains(&SignInMethod::MailCode);
                let step = Step::First { password: password.is_some(), password_first, mail };
                self.show(step, &offered, failed)
            }
            Next::Second { totp, recovery, mail } => self.show(Step::Second { totp, recovery, mail }, &[], failed),
            Next::NewPassword(due) => {
                let (min_length, history) = (self.policy.password_min_length, self.policy.password_history);
                self.show(Step::NewPassword { due, min_length, history }, &[], failed)
            }
            Next::Enter => enter::enter(self, None).await,
            Next::TooWeak => {
                let detail = format!("{:?} do not reach level {}", self.methods(), self.errand.level);
                Err(self.remember(Own::Signin006.into(), detail).await)
            }
        }
    }

    fn methods(&self) -> Vec<String> {
        self.errand.factors.iter().map(|factor| factor.method().to_string()).collect()
    }

    async fn has(&self) -> Result<Option<Has>> {
        let Some(user_id) = &self.errand.user_id else { return Ok(None) };
        let directory = &self.app.directory;
        let found = async {
            let credentials = directory.credentials(self.org(), user_id).await?;
            let address = !directory.user(self.org(), user_id).await?.emails.is_empty();
            Ok(Has { credentials, address })
        };
        match found.await {
            Ok(has) => Ok(Some(has)),
            // Deleted in the meantime; the grant says so.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Shows a step.
    pub(super) fn show(&mut self, step: Step, offered: &[SignInMethod], failed: Option<Problem>) -> Result<Response> {
        let question = if offered.contains(&SignInMethod::Passkey) {
            Some(self.app.passkeys.ask().map_err(Problem::internal)?)
        } else {
            None
        };
        let (options, state) = question.map(|question| (question.options, question.state)).unzip();
        self.errand.question = state;
        let now = self.app.directory.now().seconds();
        let sealed = self.errand.seal(&self.app.seals, home(self.app, self.org()), now);
        let service = match &self.errand.goal {
            Goal::Service { name, .. } => Some(name.clone()),
            Goal::Portal { .. } => None,
        };
        let frame = Frame {
            txn: sealed.map_err(crate::signin::dispatch::of_txn)?,
            service,
            name: self.errand.name.clone().unwrap_or_default(),
            confirms: self.errand.session.is_some(),
            passkey: options,
            mailed: self.errand.mailed,
            forgotten: self.can_recover() && self.errand.session.is_none(),
        };
        let title = match step {
            Step::NewPassword { .. } => "enter.new_title",
            _ if frame.confirms => "enter.confirm_title",
            Step::Second { .. } => "enter.second_title",
            Step::Forgotten => "enter.forgotten_title",
            Step::Through => "enter.through_title",
            _ => "enter.title",
        };
        let response = show::step(self.passer.page(title), frame, step, failed)?;
        Ok(self.passer.bound(response))
    }

    /// Remembers a refusal with its full reason, and makes what the person is told.
    pub(super) async fn remember(&self, code: Code, why: String) -> Problem {
        self.remember_as(Problem::of(code), why).await
    }

    async fn remember_as(&self, problem: Problem, why: String) -> Problem {
        let address = self.visitor.address;
        // Under the form in which it would be found; what can be no login name is not kept.
        let name = self.errand.name.as_deref().and_then(|name| LoginName::given(name).ok());
        let subject = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let refusal = Remembered {
            actor: Actor {
                kind: ActorKind::User,
                id: self.errand.user_id.clone().unwrap_or_else(|| "unknown".to_owned()),
                address: address.map(|address| address.to_canonical().to_string()),
            },
            action: match self.errand.goal {
                Goal::Portal { .. } => "signin.portal",
                Goal::Service { .. } => "signin.saml",
            },
            code: problem.code().as_str().to_owned(),
            subject,
            address,
            detail: why.clone(),
            proven: !self.errand.factors.is_empty(),
        };
        let reference = self.app.directory.remember_refusal(self.org(), refusal).await;
        problem.reason(why).with_reference(reference)
    }
}
