//! Mail: are its files usable, and online, does the mail server let us in?

use tokio::runtime::Runtime;

use super::Finding;
use crate::code::Own;
use crate::mail::Mailer;
use crate::serve::settings::Settings;

const NAME: &str = "mail";

pub(super) fn look(settings: &Settings) -> Finding {
    let Some(mail) = &settings.mail else {
        return Finding::good(NAME, "not set up: codes and links are shown to be copied, and nobody is mailed");
    };
    match Mailer::open(mail) {
        Ok(_) => Finding::good(NAME, format!("from {} by {}, {}", mail.from, mail.server(), mail.tls.as_str())),
        Err(failure) => Finding::failed(NAME, failure),
    }
}

/// Connects, where mail is set up.
pub(super) fn connect(runtime: &Runtime, settings: &Settings) -> Option<Finding> {
    let mail = settings.mail.as_ref()?;
    // What is wrong with the files was said.
    let mailer = Mailer::open(mail).ok()?;
    Some(match runtime.block_on(mailer.connect()) {
        Ok(()) => Finding::good("mail_server", format!("{} lets us in", mail.server())),
        Err(why) => {
            let detail = format!("{}: {why}", mail.server());
            Finding::bad("mail_server", Own::Mail002, detail, Own::Mail002.fix())
        }
    })
}
