//! Unguessable names. Owns nothing else.

/// 32 hexadecimal characters from 16 random bytes of the operating system.
///
/// # Errors
/// When the operating system gives none.
pub(crate) fn name() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
