//! SAML metadata, both ways: what services tell us, and what we tell them.

pub mod inbound;
pub mod outbound;
mod text;

pub use inbound::{
    AcsUrlError, AttributeConsumingService, ConsumerService, HttpPolicy, MetadataError, RequestedAttribute,
    ServiceMetadata, SignaturePolicy,
};
pub use outbound::{IdpMetadata, Published};
