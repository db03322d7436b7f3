//! Who, and why: what is stored beside every event of a commit.
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::JsonMap;

/// Who did it and why, stored with every event of a commit: an actor, a correlation, a causation, and keys of your own.
///
/// Cheap to clone; nothing by default.
///
/// ```
/// use es_core::Metadata;
/// use uuid::Uuid;
///
/// let request = Uuid::from_u128(7);
/// let metadata = Metadata::new().actor("alice").correlation(request).with("channel", "web");
/// assert_eq!(metadata.get_actor(), Some("alice"));
/// assert_eq!(metadata.get("channel"), Some(&"web".into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Absent where there is none, which is most often so.
    fields: Option<Arc<Fields>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "JsonMap::is_empty")]
    keys: JsonMap,
}

/// As a store may keep it: an object with `actor`, `correlation`, `causation` and `keys`, as far as they are said.
impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.fields {
            Some(fields) => fields.serialize(serializer),
            None => Fields::default().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            fields: (fields != Fields::default()).then(|| Arc::new(fields)),
        })
    }
}

impl Metadata {
    /// How many levels of lists and objects a key may have. Readers of JSON commonly give up at 128.
    pub const DEEPEST: usize = 100;

    /// How many bytes of text there may be, which are stored beside each event.
    pub const LARGEST: usize = 1024 * 1024;

    /// No metadata.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says who did it.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.fields().actor = Some(actor.into());
        self
    }

    /// Says what it belongs to: a request, a process that goes over several commits.
    #[must_use]
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.fields().correlation = Some(id);
        self
    }

    /// Says what caused it: the message or the event it answers.
    #[must_use]
    pub fn causation(mut self, id: Uuid) -> Self {
        self.fields().causation = Some(id);
        self
    }

    /// Adds a key of your own, of at most [`DEEPEST`](Self::DEEPEST) levels: what is nested deeper is refused when it is saved.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields().keys.insert(key.into(), value.into());
        self
    }

    /// Says what other metadata says too, and where both say something, what the other says.
    ///
    /// ```
    /// use es_core::Metadata;
    ///
    /// let both = Metadata::new().actor("alice").with("channel", "web").and(Metadata::new().actor("bob"));
    /// assert_eq!(both, Metadata::new().actor("bob").with("channel", "web"));
    /// ```
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let Some(others) = &other.fields else {
            return self;
        };
        if self.is_empty() {
            return other;
        }
        let fields = self.fields();
        let Fields {
            actor,
            correlation,
            causation,
            keys,
        } = Fields::clone(others);
        fields.actor = actor.or(fields.actor.take());
        fields.correlation = correlation.or(fields.correlation);
        fields.causation = causation.or(fields.causation);
        fields.keys.extend(keys);
        self
    }

    /// Who did it.
    #[must_use]
    pub fn get_actor(&self) -> Option<&str> {
        self.fields.as_ref()?.actor.as_deref()
    }

    /// What it belongs to.
    #[must_use]
    pub fn get_correlation(&self) -> Option<Uuid> {
        self.fields.as_ref()?.correlation
    }

    /// What caused it.
    #[must_use]
    pub fn get_causation(&self) -> Option<Uuid> {
        self.fields.as_ref()?.causation
    }

    /// The value of a key of your own.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.as_ref()?.keys.get(key)
    }

    /// The keys of your own, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Value)> {
        let keys = self.fields.iter().flat_map(|fields| &fields.keys);
        keys.map(|(key, value)| (key.as_str(), value))
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_none()
    }

    /// How many bytes of text it has, or the first key that is nested deeper than [`DEEPEST`](Self::DEEPEST).
    pub(crate) fn size(&self) -> Result<usize, &str> {
        let Some(fields) = &self.fields else {
            return Ok(0);
        };
        let mut size = fields.actor.as_ref().map_or(0, String::len);
        let mut left = Vec::new();
        for (key, value) in &fields.keys {
            size += key.len();
            left.push((value, 0));
            // Without recursion: nobody knows yet how deep it is.
            while let Some((value, depth)) = left.pop() {
                match value {
                    Value::String(text) => size += text.len(),
                    Value::Array(_) | Value::Object(_) if depth == Self::DEEPEST => {
                        return Err(key);
                    }
                    Value::Array(values) => {
                        left.extend(values.iter().map(|value| (value, depth + 1)))
                    }
                    Value::Object(fields) => {
                        size += fields.keys().map(String::len).sum::<usize>();
                        left.extend(fields.values().map(|value| (value, depth + 1)));
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) => size += 1,
                }
            }
        }
        Ok(size)
    }

    fn fields(&mut self) -> &mut Fields {
        Arc::make_mut(self.fields.get_or_insert_default())
    }
}
