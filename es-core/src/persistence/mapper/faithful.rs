//! Refuses, while writing, what JSON would not give back whatever the type. It is no proof that an event comes back: `Some(None)`, and two
//! fields under one name through `flatten`, are found by reading the event again.
//!
//! `serde_json` writes NaN and infinity as `null`, and more levels of nesting than it reads. Both would be found when the event is loaded,
//! which is too late. [`Faithful`] stands between the event and the writer, and changes nothing else.
use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// How many arrays and objects may be inside each other, the payload itself included: what `serde_json` reads.
const DEEPEST: u8 = 127;

/// JSON has such numbers, but an upcaster, a flattened field or a tagged enum would not read them again.
const WIDE: &str = "a 128-bit integer cannot be read again everywhere; store it as text";

/// What `serde_json` says of a key that is a tuple, a struct or the like.
const NO_KEY: &str = "key must be a string";

/// What is said instead.
const PAIRS: &str =
    "a key of a map must be text, a number or an enum without fields; store a list of pairs";

/// A serializer, or a part of one, that is at some depth.
pub(super) struct Faithful<S> {
    inner: S,
    depth: u8,
}

impl<S> Faithful<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, depth: 0 }
    }

    /// Goes one level down, if there is one.
    fn down<T, E: Error>(self, open: impl FnOnce(S) -> Result<T, E>) -> Result<Faithful<T>, E> {
        if self.depth == DEEPEST {
            return Err(E::custom(format_args!(
                "more than {DEEPEST} levels of nesting cannot be read again; store it as text"
            )));
        }
        let depth = self.depth + 1;
        Ok(Faithful {
            inner: open(self.inner)?,
            depth,
        })
    }
}

/// A value inside, at some depth.
struct Inside<'a, T: ?Sized> {
    value: &'a T,
    depth: u8,
}

impl<T: Serialize + ?Sized> Serialize for Inside<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Faithful {
            inner: serializer,
            depth: self.depth,
        })
    }
}

fn not_finite<E: Error>(value: impl Display) -> E {
    E::custom(format_args!(
        "{value} has no JSON form; store an `Option` that is `None` there, or text"
    ))
}

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $ty:ty),*);)*) => {
        $(fn $method(self, $($argument: $ty),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        })*
    };
}

impl<S: Serializer> Serializer for Faithful<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Faithful<S::SerializeSeq>;
    type SerializeTuple = Faithful<S::SerializeTuple>;
    type SerializeTupleStruct = Faithful<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Faithful<S::SerializeTupleVariant>;
    type SerializeMap = Faithful<S::SerializeMap>;
    type SerializeStruct = Faithful<S::SerializeStruct>;
    type SerializeStructVariant = Faithful<S::SerializeStructVariant>;

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(not_finite(value));
        }
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(not_finite(value));
        }
        self.inner.serialize_f64(value)
    }

    fn serialize_i128(self, _: i128) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(WIDE))
    }

    fn serialize_u128(self, _: u128) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(WIDE))
    }

    pass_on! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let depth = self.depth;
        self.inner.serialize_some(&Inside { value, depth })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.depth;
        self.inner
            .serialize_newtype_struct(name, &Inside { value, depth })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // Written as an object of one field.
        let Faithful { inner, depth } = self.down(Ok)?;
        inner.serialize_newtype_variant(name, index, variant, &Inside { value, depth })
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.down(|inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.down(|inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.down(|inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        // Written as an array in an object of one field.
        self.down(Ok)?
            .down(|inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.down(|inner| inner.serialize_map(len))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.down(|inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        // Written as an object in an object of one field.
        self.down(Ok)?
            .down(|inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($part:ident :: $method:ident;)*) => {$(
        impl<S: $part> $part for Faithful<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                let depth = self.depth;
                self.inner.$method(&Inside { value, depth })
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($part:ident;)*) => {$(
        impl<S: $part> $part for Faithful<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                let depth = self.depth;
                self.inner.serialize_field(key, &Inside { value, depth })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<S: SerializeMap> SerializeMap for Faithful<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        let depth = self.depth;
        let written = self.inner.serialize_key(&Inside { value: key, depth });
        written.map_err(|error| match error.to_string() == NO_KEY {
            true => S::Error::custom(PAIRS),
            false => error,
        })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let depth = self.depth;
        self.inner.serialize_value(&Inside { value, depth })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
