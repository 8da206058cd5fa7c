//! Why something was not fetched.
//!
//! Owns the reasons and their codes. The texts name nothing that was found on the way (addresses of an inner network, parts of an
//! answer): whoever typed the address reads them.

use std::io;

use crate::code::Own;

/// Why a document was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// What answers is not the document.
    #[error("{0}")]
    Answer(#[from] BadAnswer),
    /// At least one of the host's addresses is not to be reached on this word.
    #[error("the host has an address that is not on the public internet and not allowed by the operator")]
    Forbidden,
    /// The name has no address.
    #[error("the host's name does not resolve")]
    Name,
    /// Not in the time allowed.
    #[error("it took too long")]
    Timeout,
    /// TLS failed, or the certificate is not trusted.
    #[error("TLS with the host failed: {0}")]
    Tls(String),
    /// More than allowed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// No connection.
    #[error("the host does not take connections there")]
    Unreachable,
    /// What was typed is not an address that is fetched.
    #[error("the address: {0}")]
    Url(&'static str),
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Compressed, though that was not asked for.
    #[error("the answer is encoded, though plain text was asked for")]
    Encoding,
    /// Not HTTP, cut off, or with a head that is too long.
    #[error("the answer is not whole, or not HTTP")]
    NotHttp,
    /// A redirect to another host, another port, or from https to http.
    #[error("the host sends us elsewhere; give the address at which the document itself is answered")]
    RedirectElsewhere,
    /// One redirect after the other.
    #[error("too many redirects")]
    Redirects,
    /// Another status than 200.
    #[error("the host answers with status {0}")]
    Status(u16),
}

impl FetchError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Own {
        match self {
            Self::Url(_) => Own::Fetch001,
            Self::Forbidden => Own::Fetch002,
            Self::Name | Self::Unreachable => Own::Fetch003,
            Self::Tls(_) => Own::Fetch004,
            Self::Timeout => Own::Fetch005,
            Self::Answer(_) => Own::Fetch006,
            Self::TooLarge { .. } => Own::Fetch007,
        }
    }

    /// Takes what rustls says; of anything else only that it happened.
    pub(super) fn tls(error: io::Error) -> Self {
        let own = error.into_inner().and_then(|inner| inner.downcast::<rustls::Error>().ok());
        Self::Tls(own.map_or_else(|| "the connection broke off".to_owned(), |error| error.to_string()))
    }
}
