//! Tests of the one vocabulary.

mod precedence;
mod r29_placeholders;
mod spellings;
