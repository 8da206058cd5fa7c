//! Set-up links: their address, and the one that a server without an organization prints.
//!
//! Owns the address, built from the cloud's name only: whoever asks under another name gets no link to it. Must not know what a link is good for.

use latchkey_directory::access::{SessionSecret, SetupLinkMade};
use latchkey_directory::audit::Actor;
use latchkey_directory::{Intent, OrgId, Result};
use zeroize::Zeroizing;

use crate::app::App;
use crate::mail::letter::RECOVER;

/// What stands before the secret of a link, in a path.
pub const PATH: &str = "/setup/";

impl App {
    /// The address of a set-up link. A secret: it is shown to whoever asked, and never logged.
    #[must_use]
    pub fn setup_url(&self, secret: &SessionSecret) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{PATH}{}", self.origin(), secret.expose()))
    }

    /// A link for the organization that was named, or for the only one there is, or for the first one.
    pub async fn setup_link(&self, intent: &Intent, which: Option<&str>, user: Option<&str>) -> Result<SetupLinkMade> {
        let org: Option<OrgId> = match which {
            Some(which) => Some(self.directory.organization(which).await?.id),
            None => {
                let mut all = self.directory.organizations().await?;
                if all.len() == 1 { all.pop().map(|only| only.id) } else { None }
            }
        };
        self.directory.create_setup_link(intent, org.as_ref(), user).await
    }

    /// The link that a server prints when it has nothing to serve yet.
    pub async fn first_link(&self) -> Result<Option<Zeroizing<String>>> {
        if !self.directory.organizations().await?.is_empty() {
            return Ok(None);
        }
        let made = self.directory.create_setup_link(&Intent::of(&Actor::system()), None, None).await?;
        Ok(Some(self.setup_url(&made.secret)))
    }
}

/// A path as it may be logged: the secret of a link stays out.
#[must_use]
pub fn without_secret(path: &str) -> &str {
    if path.len() > PATH.len() && path.starts_with(PATH) {
        return "/setup/…";
    }
    // Below an organization, whose name is not worth more room here.
    let below = path.strip_prefix("/o/").and_then(|rest| rest.split_once('/')).map_or("", |(_, below)| below);
    if below.len() > RECOVER.len() - 1 && below.starts_with(&RECOVER[1..]) { "/o/…/recover/…" } else { path }
}

#[cfg(test)]
mod tests {
    use super::without_secret;

    #[test]
    fn a27_a_links_secret_is_in_no_log() {
        assert_eq!(without_secret("/setup/abc"), "/setup/…");
        assert_eq!(without_secret("/o/acme/recover/abc"), "/o/…/recover/…");
        for path in ["/setup", "/setup/", "/o/acme/setup/x", "/o/acme/recover/", "/o/recover/x", "/recover/x"] {
            assert_eq!(without_secret(path), path);
        }
    }
}
