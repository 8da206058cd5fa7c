//! `latchkey user`: the people.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Body, IfMissing, Named, Target, act, save_csv};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query, with};
use crate::cli::files;
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("LOGIN NAME", "login_name"),
        ("DISPLAY NAME", "display_name"),
        ("STATUS", "status"),
        ("SOURCE", "source"),
        ("PROTECTED", "protected"),
        ("ID", "id"),
    ],
    empty: "no user; make one: latchkey user create LOGIN, or let them come by themselves: latchkey policy set --jit",
};

/// A body of the API is at most so long.
const IMPORT_MAX: u64 = 1024 * 1024;

/// Verbs of `user`.
#[derive(Subcommand, Debug)]
pub(crate) enum User {
    /// Make a user
    #[command(
        after_help = "Example:\n  latchkey user create anna@corp.example --display-name \"Anna Ode\" --group staff"
    )]
    Create {
        /// Login name, local@domain
        login: String,
        #[command(flatten)]
        profile: Profile,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Change a user; what is not named stays, an empty value takes away
    Set {
        /// Login name
        login: String,
        #[command(flatten)]
        profile: Profile,
        #[command(flatten)]
        change: Change,
    },
    /// Let a user sign in no more; sessions end
    Disable(Target),
    /// Let a user sign in again
    Enable(Target),
    /// What a user signs in with
    Credentials(Named),
    /// Take ways to sign in away from a user who lost them; browser sessions end
    #[command(after_help = "Example:\n  latchkey user reset-credentials anna@corp.example --method totp")]
    ResetCredentials {
        /// Login name
        login: String,
        /// passkey, password, totp (with its recovery codes) or recovery_code; repeat for more
        #[arg(long, value_name = "M", required = true)]
        method: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Have a user's password changed at the next sign-in by it
    #[command(after_help = "Example:\n  latchkey user expire-password anna@corp.example")]
    ExpirePassword(Target),
    /// Users of the organization
    List {
        /// active, disabled or deleted; repeat for more
        #[arg(long, value_name = "S")]
        status: Vec<String>,
        /// device-token, local or import; repeat for more
        #[arg(long, value_name = "S")]
        source: Vec<String>,
        /// In this department; repeat for more
        #[arg(long, value_name = "D")]
        department: Vec<String>,
        /// In this group; repeat for more
        #[arg(long, value_name = "G")]
        group: Vec<String>,
        /// Beginning of the login name, display name, given or family name; capitals and small letters are alike
        #[arg(long, value_name = "T")]
        query: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// One user
    Show(Named),
    /// Delete a user; the name stays reserved for a year
    Delete(Target),
    /// Make and update users from a CSV file
    #[command(
        after_help = "The first line names the columns: login_name, display_name, given_name, family_name, emails, department, \
        groups; several values in one cell are separated by semicolons.\n\nExample:\n  latchkey user import people.csv --dry-run"
    )]
    Import {
        /// The file, or - for stdin
        file: String,
        #[command(flatten)]
        change: Change,
    },
    /// Users as CSV, in the form that import reads
    Export {
        /// Write it here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
    },
}

/// What is known about a user.
#[derive(Args, Debug)]
pub(crate) struct Profile {
    /// Name as shown
    #[arg(long, value_name = "T")]
    display_name: Option<String>,
    /// Given name
    #[arg(long, value_name = "T")]
    given_name: Option<String>,
    /// Family name
    #[arg(long, value_name = "T")]
    family_name: Option<String>,
    /// Mail address; repeat for more, the first is the one services get
    #[arg(long, value_name = "A")]
    email: Vec<String>,
    /// Department
    #[arg(long, value_name = "T")]
    department: Option<String>,
    /// Group; repeat for more. `user set` replaces the list
    #[arg(long, value_name = "G")]
    group: Vec<String>,
}

impl Profile {
    fn add(&self, body: Body) -> Body {
        body.text("display_name", self.display_name.as_ref())
            .text("given_name", self.given_name.as_ref())
            .text("family_name", self.family_name.as_ref())
            .list("emails", &self.email)
            .text("department", self.department.as_ref())
            .list("groups", &self.group)
    }
}

impl User {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["users", x]);
        match self {
            User::Create { login, profile, if_missing, change } => {
                let body = profile.add(Body::default().with("login_name", login.as_str())).value();
                let existing = if if_missing.if_missing { Some(one(login)?) } else { None };
                let value = context.create(Ask::post(change.path(&context.at(&["users"])?), &body), existing)?;
                context.answer(&value);
                Ok(())
            }
            User::Set { login, profile, change } => {
                let body = profile.add(Body::default()).changes()?;
                context.answer_with(Ask::patch(change.path(&one(login)?), &body))
            }
            User::Disable(target) => act(context, "users", target, "disable"),
            User::Enable(target) => act(context, "users", target, "enable"),
            User::Credentials(named) => {
                context.answer_with(Ask::get(context.at(&["users", &named.x, "credentials"])?))
            }
            User::ResetCredentials { login, method, change } => {
                let body = Body::default().list("methods", method).value();
                let path = context.at(&["users", login, "credentials", "reset"])?;
                context.answer_with(Ask::post(change.path(&path), &body))
            }
            User::ExpirePassword(target) => {
                let path = context.at(&["users", &target.x, "credentials", "expire-password"])?;
                context.answer_with(Ask::post(target.change.path(&path), &Body::default().value()))
            }
            User::List { status, source, department, group, query, list } => {
                let mut filters = Query::new();
                filters.extend(department.iter().map(|d| ("department", d.clone())));
                filters.extend(group.iter().map(|g| ("group", g.clone())));
                filters.extend(status.iter().map(|s| ("status", s.clone())));
                filters.extend(source.iter().map(|s| ("source", s.clone())));
                filters.extend(query.iter().map(|q| ("q", q.clone())));
                context.list(&context.at(&["users"])?, &filters, list, &LISTING)
            }
            User::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            User::Delete(target) => context.delete(&one(&target.x)?, target.change, &format!("the user {}", target.x)),
            User::Import { file, change } => {
                let csv = files::read(file, IMPORT_MAX)?;
                let path = with(&context.at(&["users", "import"])?, &change.query());
                context.answer_with(Ask::post_bytes(path, "text/csv", csv))
            }
            User::Export { output } => save_csv(context, context.at(&["users", "export"])?, output.as_deref()),
        }
    }
}
