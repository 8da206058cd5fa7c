//! Column values and their types.
//!
//! Owns the five types both stores share and how a Rust type becomes one of them. Must not know tables or SQL.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

/// One column's value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Absent.
    Null,
    /// Text.
    Text(String),
    /// A 64-bit integer; times are milliseconds since 1970.
    Int(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A truth value.
    Bool(bool),
}

impl std::fmt::Debug for Value {
    // Bytes may be sealed keys or epoch commitments: only their length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
            Self::Bool(truth) => write!(f, "{truth}"),
        }
    }
}

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Text`].
    Text,
    /// [`Value::Int`].
    Int,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Bool`].
    Bool,
}

/// A Rust type that is kept in one column.
pub trait Columnar: Sized {
    /// The column's type.
    const KIND: Kind;
    /// Whether the column may be null.
    const NULLABLE: bool = false;

    /// To the column.
    fn to_value(&self) -> Value;

    /// From the column. An error means that the store holds something this version did not write.
    fn from_value(value: Value) -> Result<Self, StoreError>;
}

fn foreign(expected: &str, found: &Value) -> StoreError {
    StoreError::Corrupt(format!("{expected} expected, {found:?} found"))
}

impl Columnar for String {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(foreign("text", &other)),
        }
    }
}

impl Columnar for i64 {
    const KIND: Kind = Kind::Int;

    fn to_value(&self) -> Value {
        Value::Int(*self)
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Int(number) => Ok(number),
            other => Err(foreign("a number", &other)),
        }
    }
}

impl Columnar for u64 {
    const KIND: Kind = Kind::Int;

    fn to_value(&self) -> Value {
        // Counters and epochs stay far below; a larger one must not wrap into a negative number.
        Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Int(number) => Self::try_from(number).map_err(|_| foreign("a count", &Value::Int(number))),
            other => Err(foreign("a count", &other)),
        }
    }
}

impl Columnar for bool {
    const KIND: Kind = Kind::Bool;

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Bool(truth) => Ok(truth),
            // SQLite has no truth values of its own.
            Value::Int(number) => Ok(number != 0),
            other => Err(foreign("a truth value", &other)),
        }
    }
}

impl<const N: usize> Columnar for latchkey_wire::Bytes<N> {
    const KIND: Kind = Kind::Bytes;

    fn to_value(&self) -> Value {
        Value::Bytes(self.0.to_vec())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Bytes(bytes) => bytes.as_slice().try_into().map_err(|_| foreign("bytes", &Value::Bytes(bytes))),
            other => Err(foreign("bytes", &other)),
        }
    }
}

/// Bytes that are not for printing: sealed secrets, certificates, metadata bodies.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Columnar for Blob {
    const KIND: Kind = Kind::Bytes;

    fn to_value(&self) -> Value {
        Value::Bytes(self.0.clone())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Bytes(bytes) => Ok(Self(bytes)),
            other => Err(foreign("bytes", &other)),
        }
    }
}

impl<T: Columnar> Columnar for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Columnar::to_value)
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        if value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

/// A list or structure kept as JSON in a text column. What must be searched has a column of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: Serialize + DeserializeOwned> Columnar for Json<T> {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(serde_json::to_string(&self.0).expect("records hold nothing that JSON cannot say"))
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Text(text) => {
                serde_json::from_str(&text).map(Self).map_err(|e| StoreError::Corrupt(format!("JSON column: {e}")))
            }
            other => Err(foreign("JSON", &other)),
        }
    }
}

impl<T> std::ops::Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// JSON as it is kept: read where it is used, not with its row. Equal if the text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText<T>(String, std::marker::PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned> JsonText<T> {
    /// The text to keep.
    #[must_use]
    pub fn of(value: &T) -> Self {
        let text = serde_json::to_string(value).expect("records hold nothing that JSON cannot say");
        Self(text, std::marker::PhantomData)
    }

    /// What it says.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is not what this version writes.
    pub fn read(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.0).map_err(|e| StoreError::Corrupt(format!("JSON column: {e}")))
    }

    /// The text, as the key of what was made of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<T: Serialize + DeserializeOwned> Columnar for JsonText<T> {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        String::from_value(value).map(|text| Self(text, std::marker::PhantomData))
    }
}

/// A public key as it is kept. It is read where it is used, not with its row: checking that a point lies on its curve costs more than
/// the row does, and most rows are read for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey(String);

impl StoredKey {
    /// The key to keep.
    #[must_use]
    pub fn of(key: &latchkey_wire::PublicJwk) -> Self {
        Self(serde_json::to_string(key).expect("a public key is plain JSON"))
    }

    /// The key.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if this is no key.
    pub fn read(&self) -> Result<latchkey_wire::PublicJwk, StoreError> {
        latchkey_wire::PublicJwk::parse(&self.0).map_err(|e| StoreError::Corrupt(format!("a public key: {e}")))
    }
}

impl Columnar for StoredKey {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        String::from_value(value).map(Self)
    }
}

/// Types with one spelling ([`std::fmt::Display`] and [`std::str::FromStr`]) kept as text.
macro_rules! columnar_text {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::value::Columnar for $type {
            const KIND: $crate::value::Kind = $crate::value::Kind::Text;

            fn to_value(&self) -> $crate::value::Value {
                $crate::value::Value::Text(self.to_string())
            }

            fn from_value(value: $crate::value::Value) -> Result<Self, $crate::store::StoreError> {
                let text = <String as $crate::value::Columnar>::from_value(value)?;
                text.parse().map_err(|_| $crate::store::StoreError::Corrupt(format!(
                    concat!("not a ", stringify!($type), ": {:?}"), text
                )))
            }
        }
    )+};
}
pub(crate) use columnar_text;

columnar_text!(
    latchkey_wire::DeviceState,
    latchkey_wire::BindingState,
    latchkey_wire::Platform,
    latchkey_wire::Protection,
    latchkey_wire::ClaimSource,
    latchkey_wire::Channel,
    latchkey_wire::TokenId,
);

impl Columnar for latchkey_wire::Level {
    const KIND: Kind = Kind::Int;

    fn to_value(&self) -> Value {
        Value::Int((*self).into())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        let number = u64::from_value(value)?;
        Self::try_from(number).map_err(|_| StoreError::Corrupt(format!("not an evidence level: {number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_not_printed() {
        assert_eq!(format!("{:?}", Value::Bytes(b"secret".to_vec())), "<6 bytes>");
        assert_eq!(format!("{:?}", Blob(b"secret".to_vec())), "<6 bytes>");
    }

    #[test]
    fn what_this_version_did_not_write_is_corrupt() {
        assert!(matches!(String::from_value(Value::Int(1)), Err(StoreError::Corrupt(_))));
        assert!(matches!(latchkey_wire::Level::from_value(Value::Int(9)), Err(StoreError::Corrupt(_))));
        assert!(matches!(u64::from_value(Value::Int(-1)), Err(StoreError::Corrupt(_))));
        assert!(matches!(Json::<Vec<String>>::from_value(Value::Text("{".into())), Err(StoreError::Corrupt(_))));
    }
}
