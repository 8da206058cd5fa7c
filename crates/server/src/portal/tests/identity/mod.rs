//! The pages of the Identity admin: what the directory has is shown, and what a form says is done.

mod branding;
mod directory;
mod methods;
mod policy;
mod roles;

use super::people::Person;
use crate::api::tests::world::{Answer, World};

/// A world with somebody who may do everything.
async fn owned() -> (World, Person) {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    (world, owner)
}

/// The value of a hidden field.
fn hidden(answer: &Answer, name: &str) -> String {
    let after =
        answer.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{}", answer.text));
    after.1.split('"').next().unwrap().to_owned()
}

/// Where a change leads to.
fn to(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
    answer.headers["location"].to_str().unwrap().to_owned()
}
