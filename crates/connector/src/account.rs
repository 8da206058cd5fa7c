//! Accounts of the operating system: uid + name + home (lifecycle.md, "Which operating-system account?").
//!
//! Owns reading the system's accounts and the rules of who may be a user and under which name. Which account asks is told by
//! the kernel to whoever calls; nothing here believes a message.

use latchkey_options::{OptionName, Resolved};
use latchkey_wire::ClaimSource;
use serde::{Deserialize, Serialize};

use crate::problem::{Local, Problem, Result};
use crate::sessions::Sessions;

/// An account. If any part changed, it is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Numeric id.
    pub uid: u32,
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: String,
}

/// First and last uid of people on Linux (`login.defs`); others are system accounts.
const REGULAR: std::ops::RangeInclusive<u32> = 1000..=60000;

impl Account {
    /// Whether it is a person's account.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        REGULAR.contains(&self.uid)
    }
}

/// The accounts of a system and who of them is logged in, as a parameter.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    all: Vec<Account>,
    sessions: Sessions,
}

impl Accounts {
    /// This machine's, by `getent passwd`, which also asks the directory services that the system uses.
    #[must_use]
    pub fn here() -> Self {
        let local = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let listed = run_getent(&[]).unwrap_or_default();
        let mut accounts = Accounts::parse(&listed);
        for account in Accounts::parse(&local).all {
            if !accounts.all.iter().any(|a| a.uid == account.uid && a.name == account.name) {
                accounts.all.push(account);
            }
        }
        accounts
    }

    /// From lines of `passwd` form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let account = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, _, _, home, _] = fields[..] else {
                return None;
            };
            Some(Account { uid: uid.parse().ok()?, name: name.to_owned(), home: home.to_owned() })
        };
        Accounts { all: text.lines().filter_map(account).collect(), ..Accounts::default() }
    }

    /// With their sessions looked up elsewhere.
    #[must_use]
    pub fn with_sessions(self, sessions: Sessions) -> Self {
        Accounts { sessions, ..self }
    }

    /// The account with this uid: the first of that number, as the system itself takes it.
    ///
    /// # Errors
    /// There is none.
    pub fn by_uid(&self, uid: u32) -> Result<Account> {
        if let Some(found) = self.all.iter().find(|a| a.uid == uid) {
            return Ok(found.clone());
        }
        // Directory services may refuse to list everybody and still know one.
        let asked = Accounts::parse(&run_getent(&[&uid.to_string()]).unwrap_or_default());
        asked.all.into_iter().find(|a| a.uid == uid).ok_or_else(|| {
            Problem::local(
                Local::NoAccount,
                format!("uid {uid} has no account on this system"),
                "run as a user that `getent passwd` lists",
            )
        })
    }

    /// The account of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn by_name(&self, name: &str) -> Result<Account> {
        self.all.iter().find(|a| a.name == name).cloned().ok_or_else(|| {
            Problem::local(Local::NoAccount, format!("there is no account {name} on this system"), "correct osAccount")
        })
    }

    /// The only regular account, if there is exactly one.
    #[must_use]
    pub fn only_regular(&self) -> Option<&Account> {
        let mut regular = self.all.iter().filter(|a| a.is_regular());
        match (regular.next(), regular.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }

    /// Whether there is neither a regular account nor anything that knows who is logged in.
    fn only_root(&self) -> bool {
        self.sessions.has(0).is_none() && !self.all.iter().any(Account::is_regular)
    }
}

fn run_getent(more: &[&str]) -> Option<String> {
    let output = std::process::Command::new("getent").arg("passwd").args(more).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Whom an account claims to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `local@domain`.
    pub login_name: String,
    /// Where the name is from.
    pub source: ClaimSource,
}

/// What decides about a claim beside account and options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// `--state-dir`: its owner is the account, root included.
    Private,
    /// The system service: `userName` speaks for one account; system accounts only where allowed.
    System,
}

/// Whether an account may be a user at all.
///
/// # Errors
/// `LK-CONN-008` for a system account without `allowSystemAccounts`.
pub fn may_be_user(account: &Account, options: &Resolved, directory: Directory) -> Result<()> {
    if directory == Directory::Private || account.is_regular() || options.flag(OptionName::AllowSystemAccounts) {
        return Ok(());
    }
    Err(Problem::local(
        Local::NoAccount,
        format!("{} is a system account and cannot be a user", account.name),
        "sign in as a person, or set allowSystemAccounts to 1 (containers)",
    ))
}

/// Decides whether an account may be a user, and under which name.
///
/// # Errors
/// `LK-CONN-008` for who may be none, and for everybody while it is open whom `userName` speaks for: an account that was given its own name
/// could not get the other one afterwards, and somebody else would.
pub fn claim(
    account: &Account,
    options: &Resolved,
    accounts: &Accounts,
    directory: Directory,
    spoken_for: Option<&Account>,
) -> Result<Claim> {
    let domain = options.text(OptionName::UserDomain).unwrap_or_default();
    may_be_user(account, options, directory)?;
    if let Some(name) = options.effective(OptionName::UserName) {
        let theirs = match (directory, options.text(OptionName::OsAccount)) {
            (_, Some(wanted)) => wanted == account.name,
            (Directory::Private, None) => true,
            // Without `osAccount`: the only regular account, else the first that is logged in, then fixed. A container has neither
            // people nor a logind; root, which `allowSystemAccounts` admitted above, is all that the name can mean there.
            (Directory::System, None) => match (accounts.only_regular(), spoken_for) {
                (_, Some(first)) => first == account,
                (Some(only), None) => only == account,
                (None, None) if account.uid == 0 && accounts.only_root() => true,
                (None, None) => logged_in(account, accounts, name.value.expose())?,
            },
        };
        if theirs {
            let managed = name.source <= latchkey_options::Source::MachinePolicy;
            return Ok(Claim {
                login_name: format!("{}@{domain}", name.value.expose()),
                source: if managed { ClaimSource::Managed } else { ClaimSource::Option },
            });
        }
    }
    Ok(Claim { login_name: format!("{}@{domain}", account.name.to_lowercase()), source: ClaimSource::Account })
}

/// True for a person who is logged in. A timer or a unit that asks first must not become the person.
fn logged_in(account: &Account, accounts: &Accounts, user_name: &str) -> Result<bool> {
    let why = match accounts.sessions.has(account.uid) {
        Some(true) => return Ok(true),
        Some(false) => format!("{} has no interactive session", account.name),
        None => "this system has no systemd-logind that would know who is logged in".to_owned(),
    };
    Err(Problem::local(
        Local::NoAccount,
        format!("userName is {user_name}, there is not one regular account here that it could mean, and {why}"),
        "set osAccount to the account that userName is for, or sign in once from a session of that account",
    ))
}
