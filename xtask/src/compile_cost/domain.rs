//! The domain that both crates have: ten aggregates of ten events with three fields each.

pub(super) const AGGREGATES: usize = 10;
pub(super) const EVENTS: usize = 10;
const FIELDS: usize = 3;

/// A field of an aggregate, and of the events that set it.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// As an event method takes it.
    pub(super) parameter: &'static str,
    /// As it is stored.
    pub(super) ty: &'static str,
    /// Makes of the one the other.
    pub(super) owned: &'static str,
}

const fn field(
    name: &'static str,
    parameter: &'static str,
    ty: &'static str,
    owned: &'static str,
) -> Field {
    Field {
        name,
        parameter,
        ty,
        owned,
    }
}

/// Every field of an aggregate.
pub(super) const ALL: [Field; 10] = [
    field("title", "&str", "String", ".to_owned()"),
    field("count", "u64", "u64", ""),
    field("labels", "&[String]", "Vec<String>", ".to_vec()"),
    field("open", "bool", "bool", ""),
    field("note", "Option<String>", "Option<String>", ""),
    field("owner", "Uuid", "Uuid", ""),
    field("weight", "f64", "f64", ""),
    field(
        "stock",
        "BTreeMap<String, u32>",
        "BTreeMap<String, u32>",
        "",
    ),
    field("place", "(i32, i32)", "(i32, i32)", ""),
    field("text", "String", "String", ""),
];

/// The fields that an event sets.
pub(super) fn fields(aggregate: usize, event: usize) -> Vec<Field> {
    let first = aggregate + event * FIELDS;
    let chosen = ALL.iter().cycle().skip(first % ALL.len()).take(FIELDS);
    chosen.copied().collect()
}

/// One text for each item, one after the other.
pub(super) fn each<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.into_iter().map(text).collect()
}

/// `title: &str, count: u64, `
pub(super) fn parameters(fields: &[Field]) -> String {
    each(fields, |field| {
        format!("{}: {}, ", field.name, field.parameter)
    })
}
