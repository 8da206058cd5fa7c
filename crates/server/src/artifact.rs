//! What passes a device token to devices: commands and files for a chosen token, domain and target.
//!
//! Owns where the token in them comes from, and that it is this token's: opened from its sealed copy with the password, pasted by whoever has it and
//! checked against the public key, or a placeholder that the connector refuses. Nothing of it is kept. Portal and REST come here alike. Must not know
//! how an artifact is written, nor how an answer looks.

use latchkey_directory::tokens::{Password, TokenView};
use latchkey_directory::values::TokenState;
use latchkey_directory::{Error, Intent, OrgId};
use latchkey_options::deploy::{Deployment, Target, write};
use latchkey_wire::{Code as Wire, DeviceToken as Credential};
use zeroize::Zeroizing;

use crate::app::App;
use crate::problem::{Problem, Result};
use crate::shown;

/// Where the token in an artifact comes from.
#[derive(Clone)]
pub enum From {
    /// Its sealed copy, with this password.
    Password(Password),
    /// Whoever asks has it.
    Pasted(Zeroizing<String>),
    /// Somebody puts it in later.
    Placeholder,
}

/// What is wanted.
#[derive(Clone)]
pub struct Order {
    /// For what.
    pub target: Target,
    /// For the people of this domain.
    pub domain: String,
    /// With which token.
    pub from: From,
}

/// An artifact, and whose it is.
pub struct Artifact {
    /// The token, as everybody sees it.
    pub token: TokenView,
    /// For what.
    pub target: Target,
    /// For the people of this domain.
    pub domain: String,
    /// The text. It has the token in it, unless it has a placeholder.
    pub text: Zeroizing<String>,
    /// The token itself, where it is in the text.
    pub device_token: Option<Zeroizing<String>>,
}

fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::of(Wire::Api010).detail(detail.clone()).field(pointer, Wire::Api010, detail)
}

/// Makes one. Opening the sealed copy is recorded like every other showing of a token.
pub async fn make(app: &App, intent: &Intent, org: &OrgId, id: &str, order: Order) -> Result<Artifact> {
    let token = app.directory.token(org, id).await?;
    if token.state == TokenState::Revoked {
        let fix = "choose another token, or make one: latchkey token create …";
        return Err(Error::state("the device token is revoked, for ever", fix).into());
    }
    if !token.domains.contains(&order.domain) {
        let detail = format!("the token does not cover {:?}; it covers {}", order.domain, token.domains.join(", "));
        return Err(wrong("/domain", detail));
    }
    let mut deployment =
        Deployment { cloud_name: app.cloud_name.clone(), user_domain: order.domain.clone(), device_token: None };
    // Everything else is judged before a password may cost anything or a showing is recorded.
    written(order.target, &deployment)?;
    deployment.device_token = match order.from {
        From::Password(password) => Some(shown::reveal(app, intent, org, id, Some(password)).await?.text),
        From::Pasted(text) => Some(pasted(app, org, &token, &text).await?),
        From::Placeholder => None,
    };
    let text = written(order.target, &deployment)?;
    Ok(Artifact { token, target: order.target, domain: order.domain, text, device_token: deployment.device_token })
}

/// The token that somebody pasted, if it is this one.
async fn pasted(app: &App, org: &OrgId, token: &TokenView, text: &str) -> Result<Zeroizing<String>> {
    let credential =
        Credential::parse(text).map_err(|error| wrong("/device_token", format!("this is no device token: {error}")))?;
    if *credential.id() != token.id {
        return Err(wrong("/device_token", format!("this is another token: its id is {}", credential.id())));
    }
    let whole = credential.expose();
    if !app.directory.identify_token(org, &whole).await?.genuine {
        return Err(wrong("/device_token", "this has the token's id and not its key: somebody made it up"));
    }
    Ok(whole)
}

fn written(target: Target, deployment: &Deployment) -> Result<Zeroizing<String>> {
    write(target, deployment).map_err(|findings| {
        let problem = Problem::of(Wire::Api010).detail("the options of this deployment do not fit together");
        findings.iter().fold(problem, |problem, finding| {
            problem.field(format!("/{}", finding.option), Wire::Api010, finding.to_string())
        })
    })
}
