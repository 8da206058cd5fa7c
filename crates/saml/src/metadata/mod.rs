//! SAML metadata, both ways: what services tell us, and what we tell them.

pub mod address;
pub mod inbound;
pub mod outbound;
mod text;

pub use address::{AcsUrlError, HttpPolicy};
pub use inbound::{
    AttributeConsumingService, ConsumerService, MetadataError, RequestedAttribute, ServiceMetadata, SignaturePolicy,
};
pub use outbound::{IdpMetadata, Published};
