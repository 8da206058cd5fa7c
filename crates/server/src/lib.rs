//! The server program `latchkey`: configuration, HTTP, command line, and what is mounted on them.
//!
//! Owns the process. Must not know the connector's insides; nothing here touches the store but through `latchkey-directory`.
// A failure ends the command or the request: it is moved once, and its size is not worth a box everywhere.
#![allow(clippy::result_large_err)]

pub mod api;
pub mod app;
pub mod artifact;
mod audit_csv;
pub mod backup;
pub mod check;
pub mod cli;
pub mod client_credential;
mod client_key;
pub mod cloud;
pub mod code;
pub mod device_file;
pub mod enroll;
pub mod exit;
pub mod explained;
mod export;
pub mod home;
pub mod html;
pub mod mail;
pub mod nearest;
pub mod net;
pub mod output;
pub mod portal;
pub mod problem;
pub mod rewrap;
pub mod saml;
pub mod serve;
pub mod services;
pub mod setup;
pub mod shown;
pub mod signin;
pub mod stopped;
mod users_csv;
pub mod verified;
