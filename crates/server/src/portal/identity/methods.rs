//! How people of the organization sign in: which methods, in which order, and how long passwords are.
//!
//! Owns the page, its form, and what is said before a change is saved. Must not know how a method works.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::credentials::{CredentialCounts, NewSignInPolicy, SignInPolicyView};
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::MOST_COUNTED;
use latchkey_directory::values::{Scope, SignInMethod};

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::Result;

const PAGE: &str = "/admin/sign-in-methods";
const FORM: &str = "/admin/sign-in-methods/change";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::PolicyWrite);
    doors.page(Needs::Right(Scope::PolicyRead), PAGE, show).page(needs, FORM, form).action(needs, FORM, change)
}

/// A method, as the page names it.
struct Line {
    method: SignInMethod,
    on: bool,
    /// Its place among those that are offered, from one.
    place: usize,
    /// How many of its kind people have; absent where counting says nothing.
    count: Option<u64>,
}

impl Line {
    fn many(&self) -> bool {
        self.count.is_some_and(|count| count > MOST_COUNTED)
    }
}

/// Every method, those that are on first and in their order.
fn lines(methods: &[SignInMethod], counts: CredentialCounts) -> Vec<Line> {
    let off = SignInMethod::ALL.iter().filter(|method| !methods.contains(method));
    let count = |method| match method {
        SignInMethod::Passkey => Some(counts.passkeys),
        SignInMethod::Password => Some(counts.passwords),
        SignInMethod::Totp => Some(counts.totp),
        SignInMethod::RecoveryCode | SignInMethod::MailCode => None,
    };
    let all = methods.iter().map(|method| (*method, true)).chain(off.map(|method| (*method, false)));
    all.enumerate().map(|(at, (method, on))| Line { method, on, place: at + 1, count: count(method) }).collect()
}

#[derive(Template)]
#[template(path = "identity/methods.html")]
struct MethodsPage {
    page: Page,
    policy: SignInPolicyView,
    lines: Vec<Line>,
    may_write: bool,
    cli: String,
    api: String,
}

async fn show(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let policy = app.directory.sign_in_policy(&visit.org).await?;
    let counts = app.directory.credential_counts(&visit.org).await?;
    let (cli, api) = same(&visit, &policy, &policy);
    Ok(page::show(&MethodsPage {
        page: visit.page("methods.title"),
        lines: lines(&policy.methods, counts),
        may_write: visit.rights.may(Scope::PolicyWrite),
        policy,
        cli,
        api,
    }))
}

/// A choice as command and call, on the version that is there.
fn same(visit: &Visit, now: &SignInPolicyView, chosen: &SignInPolicyView) -> (String, String) {
    let mut cli = "latchkey sign-in-method set".to_owned();
    for method in &chosen.methods {
        cli.push_str(&format!(" --method {method}"));
    }
    cli.push_str(&format!(
        " --password-min-length {} --password-history {} --password-max-age-days {}",
        chosen.password_min_length, chosen.password_history, chosen.password_max_age_days
    ));
    let body = serde_json::json!({
        "methods": chosen.methods,
        "password_min_length": chosen.password_min_length,
        "password_history": chosen.password_history,
        "password_max_age_days": chosen.password_max_age_days,
    });
    (cli, format!("PUT /api/v1{}/sign-in-methods\nIf-Match: \"{}\"\n{body}", visit.at(""), version(now)))
}

/// What the form says, or the choice as it is.
struct Chosen {
    methods: Vec<SignInMethod>,
    min_length: String,
    history: String,
    max_age: String,
    version: String,
}

impl Chosen {
    /// The methods that are ticked, by the places that were given to them; equal places keep the order in which they stand.
    fn of(fields: &Fields) -> Self {
        let ticked = fields.many("methods");
        let place = |method: &SignInMethod| {
            fields.text(&format!("place_{method}")).and_then(|text| text.parse::<u64>().ok()).unwrap_or(u64::MAX)
        };
        let mut methods: Vec<SignInMethod> =
            SignInMethod::ALL.iter().copied().filter(|method| ticked.contains(&method.to_string())).collect();
        methods.sort_by_key(place);
        let text = |name: &str| fields.text(name).unwrap_or_default().trim().to_owned();
        Self {
            methods,
            min_length: text("password_min_length"),
            history: text("password_history"),
            max_age: text("password_max_age_days"),
            version: text("version"),
        }
    }

    fn policy(&self) -> NewSignInPolicy {
        NewSignInPolicy {
            methods: Some(self.methods.clone()),
            password_min_length: self.min_length.parse().ok(),
            password_history: self.history.parse().ok(),
            password_max_age_days: self.max_age.parse().ok(),
        }
    }

    /// On the version that the person saw only.
    fn intent(&self, intent: Intent) -> Intent {
        Intent { condition: Condition::OneOf(vec![self.version.clone()]), ..intent }
    }
}

impl From<&SignInPolicyView> for Chosen {
    fn from(policy: &SignInPolicyView) -> Self {
        Self {
            methods: policy.methods.clone(),
            min_length: policy.password_min_length.to_string(),
            history: policy.password_history.to_string(),
            max_age: policy.password_max_age_days.to_string(),
            version: version(policy),
        }
    }
}

#[derive(Template)]
#[template(path = "identity/methods_change.html")]
struct FormPage {
    page: Page,
    chosen: Chosen,
    lines: Vec<Line>,
    cli: String,
    api: String,
}

async fn form(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let chosen = Chosen::from(&app.directory.sign_in_policy(&visit.org).await?);
    show_form(&app, &visit, visit.page("methods.change"), chosen).await
}

async fn show_form(app: &App, visit: &Visit, page: Page, chosen: Chosen) -> Result<Response> {
    let policy = app.directory.sign_in_policy(&visit.org).await?;
    let lines = lines(&chosen.methods, app.directory.credential_counts(&visit.org).await?);
    let (cli, api) = same(visit, &policy, &policy);
    Ok(page::show_as(page.status(), &FormPage { page, chosen, lines, cli, api }))
}

#[derive(Template)]
#[template(path = "identity/methods_review.html")]
struct ReviewPage {
    page: Page,
    chosen: Chosen,
    /// Methods that begin to be offered.
    opened: Vec<Line>,
    /// Methods that are offered no more.
    closed: Vec<Line>,
    /// All that are offered then, in their order.
    then: Vec<Line>,
    was: SignInPolicyView,
    policy: SignInPolicyView,
    /// How many passwords would have to be changed at the next sign-in because of their age.
    too_old: u64,
    cli: String,
    api: String,
}

impl ReviewPage {
    fn many_too_old(&self) -> bool {
        self.too_old > MOST_COUNTED
    }
}

async fn change(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let chosen = Chosen::of(&fields);
    let outcome =
        if fields.is_on("save") { save(&app, &visit, &chosen).await } else { review(&app, &visit, &chosen).await };
    match outcome {
        Ok(response) => Ok(response),
        Err(problem) => {
            let page = visit.page("methods.change").refused(problem)?;
            // Whoever reads what is wrong sees the newest version beside.
            let now = version(&app.directory.sign_in_policy(&visit.org).await?);
            show_form(&app, &visit, page, Chosen { version: now, ..chosen }).await
        }
    }
}

async fn save(app: &App, visit: &Visit, chosen: &Chosen) -> Result<Response> {
    let intent = chosen.intent(visit.intent());
    app.directory.set_sign_in_policy(&intent, &visit.org, chosen.policy()).await?;
    Ok(visit.go_saying(PAGE, "methods-saved"))
}

async fn review(app: &App, visit: &Visit, chosen: &Chosen) -> Result<Response> {
    let was = app.directory.sign_in_policy(&visit.org).await?;
    let intent = chosen.intent(visit.trial());
    let policy = app.directory.set_sign_in_policy(&intent, &visit.org, chosen.policy()).await?;
    let counts = app.directory.credential_counts(&visit.org).await?;
    let only = |keep: &dyn Fn(&Line) -> bool| -> Vec<Line> {
        lines(&policy.methods, counts).into_iter().filter(|line| keep(line)).collect()
    };
    let (cli, api) = same(visit, &was, &policy);
    Ok(page::show(&ReviewPage {
        page: visit.page("methods.review"),
        chosen: Chosen { version: chosen.version.clone(), ..Chosen::from(&policy) },
        opened: only(&|line| line.on && !was.allows(line.method)),
        closed: only(&|line| !line.on && was.allows(line.method)),
        then: only(&|line| line.on),
        too_old: app.directory.passwords_older_than(&visit.org, policy.password_max_age_days).await?,
        was,
        policy,
        cli,
        api,
    }))
}
