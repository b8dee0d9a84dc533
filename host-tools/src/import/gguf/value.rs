//! Values of metadata: scalars as they are, lists as the bytes they lie in
//!
//! A list is walked once when the file is parsed, so that reading its elements later cannot fail; it is never copied.

use super::reader::Reader;
use crate::error::Error;

/// A value under a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Any of the eight integer types.
    Integer(i128),
    /// f32, widened, or f64.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A string as the file has it, which need not be UTF-8.
    Text(&'a [u8]),
    /// A list of scalars or strings.
    List(List<'a>),
}

/// A list of values of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'a> {
    kind: Kind,
    len: usize,
    bytes: &'a [u8],
}

/// The type of a value. Codes are those of `gguf_metadata_value_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    List,
    U64,
    I64,
    F64,
}

/// Kinds by code.
const KINDS: [Kind; 13] = [
    Kind::U8,
    Kind::I8,
    Kind::U16,
    Kind::I16,
    Kind::U32,
    Kind::I32,
    Kind::F32,
    Kind::Bool,
    Kind::Text,
    Kind::List,
    Kind::U64,
    Kind::I64,
    Kind::F64,
];

impl Kind {
    fn read(reader: &mut Reader<'_>, key: &str) -> Result<Self, Error> {
        let code = reader.u32(key)?;
        let kind = usize::try_from(code).ok().and_then(|code| KINDS.get(code));
        kind.copied().ok_or_else(|| {
            Error::new(key, format!("expected a value type from 0 to 12, found {code}"))
                .hint("the file is damaged, or of a later version of the format")
        })
    }

    /// Bytes of a value, or of a string's or list's length.
    const fn min_bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::Text | Self::List | Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl<'a> Value<'a> {
    /// Reads a type and a value of it.
    pub(super) fn read(reader: &mut Reader<'a>, key: &str) -> Result<Self, Error> {
        match Kind::read(reader, key)? {
            Kind::List => List::read(reader, key).map(Self::List),
            kind => Self::read_kind(reader, kind, key),
        }
    }

    /// A scalar or string.
    fn read_kind(reader: &mut Reader<'a>, kind: Kind, key: &str) -> Result<Self, Error> {
        let integer = |value| Ok(Self::Integer(value));
        match kind {
            Kind::U8 => integer(u8::from_le_bytes(reader.array(key)?).into()),
            Kind::I8 => integer(i8::from_le_bytes(reader.array(key)?).into()),
            Kind::U16 => integer(u16::from_le_bytes(reader.array(key)?).into()),
            Kind::I16 => integer(i16::from_le_bytes(reader.array(key)?).into()),
            Kind::U32 => integer(u32::from_le_bytes(reader.array(key)?).into()),
            Kind::I32 => integer(i32::from_le_bytes(reader.array(key)?).into()),
            Kind::U64 => integer(u64::from_le_bytes(reader.array(key)?).into()),
            Kind::I64 => integer(i64::from_le_bytes(reader.array(key)?).into()),
            Kind::F32 => Ok(Self::Float(f32::from_le_bytes(reader.array(key)?).into())),
            Kind::F64 => Ok(Self::Float(f64::from_le_bytes(reader.array(key)?))),
            Kind::Text => Ok(Self::Text(reader.string(key)?)),
            Kind::Bool => match reader.array(key)? {
                [0] => Ok(Self::Bool(false)),
                [1] => Ok(Self::Bool(true)),
                [byte] => Err(Error::new(key, format!("expected 0 or 1 for false or true, found {byte}"))),
            },
            Kind::List => {
                Err(Error::new(key, "expected a list of scalars or strings, found a list of lists"))
            }
        }
    }
}

impl<'a> List<'a> {
    fn read(reader: &mut Reader<'a>, key: &str) -> Result<Self, Error> {
        let kind = Kind::read(reader, key)?;
        let len = reader.count(kind.min_bytes(), key)?;
        let start = reader.position();
        match kind {
            // Strings and truth values may be wrong one by one, and nested lists are refused.
            Kind::Text | Kind::Bool | Kind::List => {
                for _ in 0..len {
                    Value::read_kind(reader, kind, key)?;
                }
            }
            _ => {
                reader.take(len as u64 * kind.min_bytes(), key)?;
            }
        }
        let bytes = reader.since(start);
        Ok(Self { kind, len, bytes })
    }

    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (kind, mut reader) = (self.kind, Reader::new(self.bytes));
        (0..self.len).map_while(move |_| Value::read_kind(&mut reader, kind, "list").ok())
    }
}
