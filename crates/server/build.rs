//! Tells the program when it was built, for its check of the clock. `SOURCE_DATE_EPOCH` makes builds repeatable.

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = given.or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()));
    println!("cargo::rustc-env=LATCHKEY_BUILT_AT={}", seconds.unwrap_or_default());
}
