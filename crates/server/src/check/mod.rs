//! `latchkey check`: is everything as it must be, without a running server?
//!
//! Owns the list of what is looked at and how a finding is told. Nothing is changed: no directory, key, certificate or table is made. What
//! each part looks at is in the modules beside. Must not know how the server does any of it.

mod machine;
mod mail;
mod online;
mod store;
mod tls;

use serde_json::{Value, json};

use crate::cli::clean;
use crate::code::{Code, Own};
use crate::exit::{Exit, Failure, Result};
use crate::output::Output;
use crate::serve::config::{Said, Typed};
use crate::serve::settings::Settings;
use crate::serve::way::Trouble;

/// `check [--online]`, with the flags of `serve`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also look from outside: does the cloud's name lead here, and is its certificate trusted
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    typed: Typed,
}

/// What was found about one thing.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    name: &'static str,
    ok: bool,
    detail: String,
    /// Code and way out: of a problem, or of a warning where `ok`.
    mend: Option<(String, String)>,
    /// A member of its own in the document, for what somebody compares.
    member: Option<(&'static str, String)>,
}

impl Finding {
    /// In order.
    pub(crate) fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, detail: detail.into(), mend: None, member: None }
    }

    /// Works, and should be looked at.
    pub(crate) fn warning(
        name: &'static str,
        code: impl Into<Code>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let mend = Some((code.into().as_str().to_owned(), fix.into()));
        Self { name, ok: true, detail: detail.into(), mend, member: None }
    }

    /// A problem.
    pub(crate) fn bad(
        name: &'static str,
        code: impl Into<Code>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { ok: false, ..Self::warning(name, code, detail, fix) }
    }

    /// The problem that made something fail.
    pub(crate) fn failed(name: &'static str, failure: Failure) -> Self {
        Self { name, ok: false, detail: failure.detail, mend: Some((failure.code, failure.fix)), member: None }
    }

    /// The same with a member of its own in the document.
    pub(crate) fn with(mut self, member: &'static str, value: String) -> Self {
        self.member = Some((member, value));
        self
    }

    fn document(&self) -> Value {
        let (code, fix) = self.mend.clone().unzip();
        let mut document = json!({"name": self.name, "ok": self.ok, "detail": self.detail, "code": code, "fix": fix});
        if let (Some((member, value)), Value::Object(members)) = (&self.member, &mut document) {
            members.insert((*member).to_owned(), value.as_str().into());
        }
        document
    }

    fn line(&self) -> String {
        let word = match (self.ok, &self.mend) {
            (true, None) => "ok",
            (true, Some(_)) => "look",
            (false, _) => "BAD",
        };
        let mut text = format!("{word:<4}  {:<11}  {}\n", self.name, clean(&self.detail));
        if let Some((code, fix)) = &self.mend {
            text.push_str(&format!("{:19}fix: {} ({code})\n", "", clean(fix)));
        }
        text
    }
}

/// Looks at everything and says what was found.
///
/// # Errors
/// Exit 8 if there is a problem.
pub fn command(args: &Args, output: Output) -> Result<()> {
    let findings = look(args)?;
    let ok = findings.iter().all(|finding| finding.ok);
    let document = json!({"ok": ok, "checks": findings.iter().map(Finding::document).collect::<Vec<_>>()});
    if !output.json {
        output.text(&findings.iter().map(Finding::line).collect::<String>());
    }
    if ok {
        if output.json {
            output.document(&document);
        }
        return Ok(());
    }
    let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).map(|finding| finding.name).collect();
    let failure = Failure::new(Own::Check001, format!("not in order: {}", bad.join(", ")), Own::Check001.fix());
    let failure = if output.json { failure.with_answer(document) } else { failure };
    Err(failure.exit_with(Exit::FOUND))
}

fn look(args: &Args) -> Result<Vec<Finding>> {
    let resolved = Said::gather(&args.typed, |name| std::env::var_os(name)).and_then(|said| Settings::resolve(&said));
    let mut settings = match resolved {
        Ok(settings) => settings,
        // Everything else is found by the settings.
        Err(failure) => return Ok(vec![Finding::failed("settings", failure)]),
    };
    if let Some(port) = settings.kept_port {
        settings.listen.set_port(port);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot be started", &error))?;
    let mut findings = vec![named(&settings)];
    findings.push(machine::data(&settings));
    let pid = machine::server_pid(&settings);
    findings.push(machine::server(&settings, pid));
    let (key, finding) = machine::master_key(&settings);
    findings.push(finding);
    findings.extend(runtime.block_on(store::look(&settings, key.as_ref())));
    findings.push(machine::build_clock(&settings));
    findings.push(tls::look(&settings));
    findings.push(proxies(&settings, &machine::proxies(&settings)));
    findings.push(mail::look(&settings));
    findings.push(machine::disk(&settings));
    if args.online {
        findings.push(online::name(&runtime, &settings));
        findings.push(online::reach(&settings, pid.is_some()));
        findings.extend(mail::connect(&runtime, &settings));
    }
    runtime.shutdown_background();
    Ok(findings)
}

fn named(settings: &Settings) -> Finding {
    let detail = format!("{} on {}", settings.public_url(), settings.listen);
    match settings.warnings().as_slice() {
        [] => Finding::good("settings", detail),
        warnings => Finding::warning("settings", Own::Serve002, detail, warnings.join("; ")),
    }
}

/// The proxies that are listed, and what a server that runs has seen of them and of others within the last hour.
fn proxies(settings: &Settings, seen: &[Trouble]) -> Finding {
    let all: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    if let Some(wide) = settings.trusted_proxies.iter().find(|network| network.prefix_len() == 0) {
        let detail = format!("{wide} believes everybody who says where a request comes from");
        return Finding::bad(
            "proxies",
            Own::Serve002,
            detail,
            "name the proxy's own address: --trusted-proxy 10.0.0.9/32",
        );
    }
    if !seen.is_empty() {
        let what: Vec<_> = seen.iter().map(Trouble::what).collect();
        let fix: Vec<_> = seen.iter().map(|trouble| format!("{} {}", trouble.turn(), trouble.line())).collect();
        return Finding::warning("proxies", Own::Serve002, what.join(" "), fix.join(" · "));
    }
    let detail = if all.is_empty() { "none: forwarded headers are not believed".to_owned() } else { all.join(", ") };
    Finding::good("proxies", detail)
}
