//! XML, both ways: the gate before the parser, reading helpers, signature verification, and the canonical writer.
//! Knows nothing of what the elements mean.

pub(crate) mod dom;
pub(crate) mod gate;
pub(crate) mod signature;
pub(crate) mod write;
