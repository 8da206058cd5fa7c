//! What every command needs: who is asked, for which organization, and where the answer goes.
//!
//! Owns the choice between socket and server, the choice of the organization, lists, confirmation and dry runs. Knows no noun.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{self, Answer, Ask, Client, Credentials, Target, segment};
use super::show::{self, Column};
use super::{files, secret};
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Where data is unless said otherwise.
pub(crate) const DEFAULT_DATA: &str = "latchkey-data";

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Globals {
    /// Exactly one JSON document on stdout, and problems as JSON on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// The server's data directory; the command talks to DIR/latchkey.sock [LATCHKEY_DATA, else ./latchkey-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) data: Option<String>,
    /// Talk to this server as the API client in LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET_FILE or LATCHKEY_CLIENT_KEY_FILE
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub(crate) server: Option<String>,
    /// Trust this certificate authority for --server as well (PEM)
    #[arg(long, global = true, value_name = "F", help_heading = "Everywhere")]
    pub(crate) ca_file: Option<String>,
    /// The organization; needed only where there are several [LATCHKEY_ORG]
    #[arg(long, global = true, value_name = "SLUG", help_heading = "Everywhere")]
    pub(crate) org: Option<String>,
}

/// Flags of every list.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// So many at once, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on after this cursor, `next` of the list before
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Everything, not only one page
    #[arg(long, conflicts_with = "after")]
    all: bool,
}

/// Flags of what changes something.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    /// Do not ask; needed in a script for what takes something away
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only say what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A table and what to do where there is nothing to put into it.
pub(crate) struct Listing {
    /// Columns.
    pub(crate) columns: &'static [Column],
    /// What a person reads in place of an empty table.
    pub(crate) empty: &'static str,
}

/// A query: parameters in order, repeated ones included.
pub(crate) type Query = Vec<(&'static str, String)>;

/// A command's surroundings.
pub(crate) struct Context {
    /// Where answers and talk go.
    pub(crate) output: Output,
    /// The present time.
    pub(crate) now: Timestamp,
    globals: Globals,
    client: OnceCell<Client>,
    org: OnceCell<String>,
}

impl Context {
    /// Surroundings as the flags say; nothing is opened yet.
    pub(crate) fn new(globals: Globals, output: Output) -> Self {
        Context { output, now: Timestamp::now(), globals, client: OnceCell::new(), org: OnceCell::new() }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.globals
            .data
            .clone()
            .or_else(|| variable("LATCHKEY_DATA"))
            .map_or_else(|| DEFAULT_DATA.into(), PathBuf::from)
    }

    /// The client.
    ///
    /// # Errors
    /// `--server`, `--ca-file` or credentials cannot be used.
    pub(crate) fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = match &self.globals.server {
            None if self.globals.ca_file.is_some() => {
                return Err(Failure::usage("--ca-file is for --server, which is missing", "give --server URL as well"));
            }
            None => Client::new(Target::Socket(self.data().join("latchkey.sock")), None)?,
            Some(server) => {
                let base = client::base(server)?;
                let ca_pem = self.globals.ca_file.as_deref().map(|f| files::read(f, 1024 * 1024)).transpose()?;
                let credentials = Credentials::from_environment(variable)?;
                Client::new(Target::Server { base, ca_pem }, Some(credentials))?
            }
        };
        Ok(self.client.get_or_init(|| client))
    }

    /// The organization the command is about.
    ///
    /// # Errors
    /// There is none, or there are several and none was named.
    pub(crate) fn org(&self) -> Result<&str> {
        if let Some(org) = self.org.get() {
            return Ok(org);
        }
        let org = match self.named_org() {
            Some(org) => org,
            None if self.client()?.is_operator() => self.only_org()?,
            // Who is no operator cannot ask which there are; the server knows whether there is only one.
            None => client::ONLY.to_owned(),
        };
        Ok(self.org.get_or_init(|| org))
    }

    /// The organization that was named, if one was.
    pub(crate) fn named_org(&self) -> Option<String> {
        self.globals.org.clone().or_else(|| variable("LATCHKEY_ORG"))
    }

    /// The organizations that a question may be about: the one that was named, or for the operator all of them.
    ///
    /// # Errors
    /// There is none, or they cannot be asked for.
    pub(crate) fn orgs(&self) -> Result<Vec<String>> {
        if self.named_org().is_some() || !self.client()?.is_operator() {
            return Ok(vec![self.org()?.to_owned()]);
        }
        let slugs = self.slugs()?;
        if slugs.is_empty() { self.only_org().map(|only| vec![only]) } else { Ok(slugs) }
    }

    fn slugs(&self) -> Result<Vec<String>> {
        let answer = self.client()?.send(None, Ask::get("/api/v1/organizations?limit=1000"))?.json()?;
        Ok(items(&answer).iter().filter_map(|org| org["slug"].as_str()).map(str::to_owned).collect())
    }

    fn only_org(&self) -> Result<String> {
        let slugs = self.slugs()?;
        match &slugs[..] {
            [] => Err(Failure::new(
                Own::Api004,
                "there is no organization yet",
                "make one: latchkey org create SLUG --name \"Its name\"",
            )),
            [only] => Ok(only.clone()),
            _ => Err(Failure::usage(
                format!("--org is missing, and there are several organizations: {}", slugs.join(", ")),
                "give --org SLUG, or set LATCHKEY_ORG",
            )),
        }
    }

    /// The path of something of the organization: `at(&["domains", name])`.
    ///
    /// # Errors
    /// No organization, or a part that is no id or name.
    pub(crate) fn at(&self, parts: &[&str]) -> Result<String> {
        Self::below(self.org()?, parts)
    }

    /// The path of something of this organization.
    ///
    /// # Errors
    /// A part that is no id or name.
    pub(crate) fn below(org: &str, parts: &[&str]) -> Result<String> {
        let mut path = format!("/api/v1/o/{}", segment(org)?);
        for part in parts {
            path.push('/');
            path.push_str(&segment(part)?);
        }
        Ok(path)
    }

    /// Sends a request about the organization.
    ///
    /// # Errors
    /// As the server or the connection says.
    pub(crate) fn send(&self, ask: Ask) -> Result<Answer> {
        self.client()?.send(Some(self.org()?), ask)
    }

    /// Sends and reads a document.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub(crate) fn json(&self, ask: Ask) -> Result<Value> {
        self.send(ask)?.json()
    }

    /// Prints a document as the answer.
    pub(crate) fn answer(&self, value: &Value) {
        if self.output.json {
            self.output.document(value);
        } else if value["would"].is_object() {
            self.output.text(&show::dry_run(value));
        } else {
            self.output.text(&show::document(value));
        }
    }

    /// Sends, and prints the document that comes back.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub(crate) fn answer_with(&self, ask: Ask) -> Result<()> {
        let value = self.json(ask)?;
        self.answer(&value);
        Ok(())
    }

    /// Prints one page of a list, or all of it.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub(crate) fn list(&self, path: &str, query: &Query, args: &ListArgs, listing: &Listing) -> Result<()> {
        let fetch = |query: &Query| self.json(Ask::get(with(path, query)));
        self.list_from(query, args, listing, &fetch)
    }

    /// As [`Context::list`], with the pages coming from `fetch`.
    ///
    /// # Errors
    /// As `fetch`.
    pub(crate) fn list_from(
        &self,
        query: &Query,
        args: &ListArgs,
        listing: &Listing,
        fetch: &dyn Fn(&Query) -> Result<Value>,
    ) -> Result<()> {
        let size = if args.all { 1000 } else { args.limit };
        let mut after = args.after.clone();
        let mut all: Vec<Value> = Vec::new();
        let next = loop {
            let mut query = query.clone();
            query.push(("limit", size.to_string()));
            query.extend(after.take().map(|cursor| ("after", cursor)));
            let mut page = fetch(&query)?;
            let next = page["next"].take();
            all.append(page["items"].as_array_mut().unwrap_or(&mut Vec::new()));
            match next {
                Value::String(cursor) if args.all => after = Some(cursor),
                next => break next,
            }
        };
        if self.output.json {
            self.output.document(&json!({"items": all, "next": next}));
        } else if all.is_empty() {
            self.output.say(listing.empty);
        } else {
            self.output.text(&show::table(listing.columns, &all));
            if let Some(cursor) = next.as_str() {
                self.output.say(&format!("more: --after {cursor}, or --all"));
            }
        }
        Ok(())
    }

    /// Makes something; where it exists already and that is fine, answers the existing one.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub(crate) fn create(&self, ask: Ask, existing: Option<String>) -> Result<Value> {
        match (self.json(ask), existing) {
            (Err(failure), Some(existing)) if failure.status == Some(409) => {
                self.json(Ask::get(existing)).map_err(|_| failure)
            }
            (answer, _) => answer,
        }
    }

    /// Prints a secret of an answer: into `output` or on stdout. `member` is where it stands; `lines` is what a person reads
    /// beside it.
    ///
    /// # Errors
    /// The file cannot be written. The secret is then in no file; the thing it belongs to has to be rotated or deleted.
    pub(crate) fn secret_answer(&self, value: &Value, member: &str, output: Option<&Path>) -> Result<()> {
        let Some(secret) = value[member].as_str() else {
            return Err(Failure::new(Own::Cli005, format!("the server's answer has no {member}"), Own::Cli005.fix()));
        };
        match output {
            Some(path) => {
                files::write(path, secret.as_bytes())?;
                self.output.say(&format!("written to {} (0600)", path.display()));
            }
            None => self.answer(value),
        }
        Ok(())
    }

    /// Asks whether to go on with what takes something away.
    ///
    /// # Errors
    /// A script without `--yes`, or a person who says no.
    pub(crate) fn confirm(&self, change: Change, what: &str) -> Result<()> {
        if change.yes || change.dry_run {
            return Ok(());
        }
        if !secret::person_there() {
            return Err(Failure::usage(
                format!("--yes is missing: this would {what}"),
                "give --yes if that is intended; --dry-run shows what it would do",
            ));
        }
        match secret::ask(&format!("This will {what}. Go on? [y/N] "))?.as_str() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new(Own::Cli003, "nothing was done: you did not say yes", "answer y, or give --yes")),
        }
    }

    /// Deletes something and says so.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub(crate) fn delete(&self, path: &str, change: Change, what: &str) -> Result<()> {
        self.delete_by(path, change, what, &|ask| self.json(ask))
    }

    /// As [`Context::delete`], sent by `send`.
    ///
    /// # Errors
    /// As `send`.
    pub(crate) fn delete_by(
        &self,
        path: &str,
        change: Change,
        what: &str,
        send: &dyn Fn(Ask) -> Result<Value>,
    ) -> Result<()> {
        self.confirm(change, &format!("delete {what}"))?;
        let answer = send(Ask::delete(change.path(path)))?;
        if change.dry_run || answer.is_object() {
            self.answer(&answer);
        } else if self.output.json {
            self.output.document(&json!({"deleted": true}));
        } else {
            self.output.say(&format!("deleted {what}"));
        }
        Ok(())
    }
}

impl Change {
    /// The path, marked as a dry run where it is one.
    pub(crate) fn path(self, path: &str) -> String {
        with(path, &self.query())
    }

    /// The query of a dry run.
    pub(crate) fn query(self) -> Query {
        if self.dry_run { vec![("dry_run", "true".to_owned())] } else { Vec::new() }
    }
}

/// A path with a query.
pub(crate) fn with(path: &str, query: &Query) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        encoded.append_pair(name, value);
    }
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{}", encoded.finish())
}

/// The items of a list.
pub(crate) fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], |items| items)
}

/// A variable of the environment; an empty one counts as absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_repeated_filters_and_is_encoded() {
        let query =
            vec![("state", "pending".to_owned()), ("state", "suspended".to_owned()), ("user", "a+b@c&d".to_owned())];
        assert_eq!(with("/x", &query), "/x?state=pending&state=suspended&user=a%2Bb%40c%26d");
        assert_eq!(with("/x", &Vec::new()), "/x");
    }

    #[test]
    fn a_dry_run_marks_the_call_and_asks_nothing() {
        let change = Change { yes: false, dry_run: true };
        assert_eq!(change.path("/x"), "/x?dry_run=true");
        let context = Context::new(Globals::default(), Output { json: false });
        assert!(context.confirm(change, "x").is_ok());
        assert!(context.confirm(Change { yes: true, dry_run: false }, "x").is_ok());
    }
}
