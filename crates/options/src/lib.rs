//! The one vocabulary of install options.
//!
//! **Owns** the table of options (name, type, default, meaning, platforms, relations), every spelling of them that a
//! platform or the reference product uses, the parsers that turn a command line, an environment or a JSON document into
//! [`Given`] values, the order in which sources win over each other, and the rules that are checked before a roll-out,
//! with one message each. The JSON schema and the reference page are generated from the same table. Beside them, how the flags of both
//! programs spell a duration.
//!
//! **Must not know** the server, the network, the file system or the wire protocol: a parser is handed text. Whether a
//! token's checksum is right is the business of `latchkey-wire`; here it only has to look like a value somebody filled in.
//!
//! ```
//! use latchkey_options::{Given, OptionName, Platform, Source, resolve};
//!
//! let given = vec![
//!     Given::new("CLOUDNAME", "id.corp.example", Source::CommandLine, "command line"),
//!     Given::new("cloud-name", "id.other.example", Source::MachinePolicy, "managed.json"),
//! ];
//! let options = resolve(given, Platform::Linux).unwrap();
//! assert_eq!(options.text(OptionName::CloudName), Some("id.other.example"));
//! ```

mod check;
mod codes;
pub mod deploy;
mod duration;
mod finding;
mod foreign;
pub mod parse;
mod placeholder;
pub mod reference;
mod resolve;
mod spec;
mod table;
mod value;

pub use check::{Purpose, check_relations};
pub use codes::{CODES, OptionCode};
pub use duration::duration;
pub use finding::{Finding, Severity};
pub use foreign::{FOREIGN, ForeignSpec};
pub use placeholder::{Strictness, find_placeholder};
pub use resolve::{Effective, Given, Overrode, Resolved, Source, resolve};
pub use spec::{Kind, Platform, Recognized, Relation, Spec, normalize, recognize, suggest};
pub use table::{OptionName, TABLE};
pub use value::OptionValue;
