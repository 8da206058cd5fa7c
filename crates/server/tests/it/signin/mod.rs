//! Sign-ins against the real handlers on a real store, in process, under a clock that stands still.

mod agent;
mod browser;
mod closed;
mod housekeeping;
mod person;
mod request;
mod services;
mod world;
