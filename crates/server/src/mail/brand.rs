//! From whom a mail comes, as people read it.
//!
//! Owns the sender's name and the name of the organization: the one place that mails take them from. Must not know letters.

use latchkey_directory::{Directory, OrgId};

use crate::portal::text::t;

/// Whose mail it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The name beside the sender's address.
    pub sender: String,
    /// The organization.
    pub organization: String,
    /// Where its people sign in.
    pub portal: String,
}

impl Brand {
    /// Of an organization.
    ///
    /// # Errors
    /// It is gone, or the store cannot be read.
    pub async fn of(directory: &Directory, origin: &str, org: &OrgId) -> latchkey_directory::Result<Self> {
        let organization = directory.organization(org.as_str()).await?;
        Ok(Self {
            sender: directory.branding(org).await?.sender_name.unwrap_or_else(|| organization.name.clone()),
            portal: format!("{origin}/o/{}", organization.slug),
            organization: organization.name,
        })
    }

    /// Of the cloud itself, for a test.
    #[must_use]
    pub fn of_cloud(origin: &str) -> Self {
        let product = t("common.product").into_owned();
        Self { sender: product.clone(), portal: origin.to_owned(), organization: product }
    }
}
