//! What the guard says to each change that a developer may make to an aggregate that has stored events.
mod lamps;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use self::lamps::*;
use super::{SchemaGuard, schema_guard};

/// A file of its own for a test, gone with it.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("es-schema-guard-{}-{number}.json", process::id())))
    }

    /// A file in which the first version of the lamp is written down.
    fn with_the_first_lamp() -> Self {
        let file = Self::new();
        first::guard(&file).compare(true).unwrap();
        first::guard(&file).compare(false).unwrap();
        file
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The change is refused, blessed or not, and the file stays as it is; gives what is said.
fn refused(version: fn(&File) -> SchemaGuard) -> String {
    let file = File::with_the_first_lamp();
    let before = file.text();
    let said = version(&file).compare(false).unwrap_err();
    assert_eq!(version(&file).compare(true).unwrap_err(), said);
    assert_eq!(file.text(), before);
    assert!(
        said.starts_with("stored events would become unreadable"),
        "{said}"
    );
    said
}

/// The change is told, accepted when blessed, and then no change any more; gives what is said.
fn accepted(version: fn(&File) -> SchemaGuard) -> (String, File) {
    let file = File::with_the_first_lamp();
    let before = file.text();
    let said = version(&file).compare(false).unwrap_err();
    assert!(
        said.starts_with("what is stored changed, and the samples of before still read"),
        "{said}"
    );
    assert!(
        said.contains("ES_BLESS=1") && !said.contains("- \n"),
        "{said}"
    );
    assert_eq!(file.text(), before);
    version(&file).compare(true).unwrap();
    version(&file).compare(false).unwrap();
    (said, file)
}

#[track_caller]
fn assert_says(said: &str, words: &str) {
    assert!(said.contains(words), "`{words}` is not in:\n{said}");
}

#[test]
fn without_a_file_it_says_how_it_is_made() {
    let file = File::new();
    let said = first::guard(&file).compare(false).unwrap_err();
    assert_says(&said, "there are no samples in");
    assert!(!file.0.exists());
}

#[test]
fn what_did_not_change_passes() {
    let file = File::with_the_first_lamp();
    let before = file.text();
    first::guard(&file).compare(true).unwrap();
    retired_event::guard(&file).compare(false).unwrap();
    assert_eq!(file.text(), before);
}

#[test]
fn a_renamed_parameter_is_refused_and_the_way_out_named() {
    let said = refused(renamed_parameter::guard);
    assert_says(
        &said,
        r#"`Dimmed` of `Lamp`, stored as {"percent":50} under schema 1, cannot be read"#,
    );
    assert_says(&said, "missing field `to`");
    assert_says(
        &said,
        r#"write `schema = 2` and an upcaster `#[upcast("Dimmed", from = 1)]`"#,
    );
}

#[test]
fn a_renamed_parameter_that_reads_as_nothing_is_refused() {
    let said = refused(renamed_parameter_with_default::guard);
    assert_says(&said, r#"stored as {"percent":50}, would read as {"to":0}"#);
}

#[test]
fn a_parameter_may_be_renamed_where_its_stored_name_stays() {
    let file = File::with_the_first_lamp();
    renamed_parameter_that_reads_both::guard(&file)
        .compare(false)
        .unwrap();
}

#[test]
fn a_file_that_lists_the_name_of_a_parameter_instead_of_the_stored_one_is_as_good() {
    let versions = [
        (
            renamed_parameter_that_reads_both::guard as fn(&File) -> SchemaGuard,
            r#"#[serde(rename = "percent")]"#,
        ),
        (
            parameter_that_is_written_under_another_name::guard,
            r#"#[serde(rename(serialize = "percent"), alias = "percent")]"#,
        ),
    ];
    for (guard, serde) in versions {
        let file = File::new();
        guard(&file).compare(true).unwrap();
        let now: serde_json::Value = serde_json::from_str(&file.text()).unwrap();
        assert!(now["Lamp"]["Dimmed"]["fields"]["percent"].is_object());
        let mut before = now;
        before["Lamp"]["Dimmed"]["fields"] =
            serde_json::json!({ "to": { "type": "u8", "serde": serde } });
        fs::write(&file.0, before.to_string()).unwrap();
        guard(&file).compare(false).unwrap();
    }
}

#[test]
fn another_stored_name_is_still_refused() {
    let said = refused(another_stored_name::guard);
    assert_says(&said, "missing field `level`");
}

#[test]
fn a_type_that_reads_what_is_stored_may_be_accepted() {
    let (said, file) = accepted(narrower_type::guard);
    assert_says(
        &said,
        "the field `percent` of `Dimmed` of `Lamp` is `i8` instead of `u8`",
    );
    assert_says(&file.text(), "-1");
}

#[test]
fn a_type_that_does_not_read_what_is_stored_is_refused() {
    assert_says(
        &refused(other_type::guard),
        "invalid type: integer, expected a string",
    );
}

#[test]
fn an_added_field_is_refused_unless_it_is_optional() {
    assert_says(&refused(added_field::guard), "missing field `slowly`");
    let (said, file) = accepted(added_optional_field::guard);
    assert_says(&said, "has a new field `slowly: Option<bool>`");
    let text = file.text();
    assert_eq!(
        text.matches("\"payload\"").count(),
        3,
        "the old sample stays beside the new one:\n{text}"
    );
}

#[test]
fn a_set_is_the_same_in_every_order() {
    let file = File::new();
    a_set::guard(&file).compare(true).unwrap();
    for _ in 0..9 {
        a_set::guard(&file).compare(false).unwrap();
    }
    let said = another_set::guard(&file).compare(false).unwrap_err();
    assert_says(&said, "`Dimmed` of `Lamp` has a new sample");
}

#[test]
fn a_removed_field_is_refused() {
    assert_says(&refused(removed_field::guard), r#"would read as {}"#);
}

#[test]
fn a_removed_event_is_refused() {
    let said = refused(removed_event::guard);
    assert_says(&said, "`Lamp` has no event `Dimmed` any more");
    assert_says(&said, "mark it `retired`");
}

#[test]
fn a_renamed_event_is_refused_without_its_old_name() {
    assert_says(&refused(renamed_event::guard), r#"write `was = "Dimmed"`"#);
    let (said, file) = accepted(renamed_event_with_its_old_name::guard);
    assert_says(&said, "`Lowered` of `Lamp` was `Dimmed`");
    let said = renamed_event::guard(&file).compare(true).unwrap_err();
    assert_says(
        &said,
        "`Lowered` of `Lamp` was stored as `Dimmed` before; write `was = \"Dimmed\"`",
    );
    assert!(!said.contains("upcast"), "{said}");
}

#[test]
fn an_event_that_takes_the_place_of_two_reads_the_samples_of_both() {
    let file = File::new();
    two_events::guard(&file).compare(true).unwrap();
    let said = one_event_for_both::guard(&file).compare(false).unwrap_err();
    assert_says(&said, "was `Walked`");
    assert_says(&said, "was `Ran`");
    one_event_for_both::guard(&file).compare(true).unwrap();
    one_event_for_both::guard(&file).compare(false).unwrap();
    assert_says(&file.text(), "\"name\": \"Ran\"");

    let file = File::new();
    two_other_events::guard(&file).compare(true).unwrap();
    let said = one_event_for_both::guard(&file).compare(true).unwrap_err();
    assert_says(&said, "missing field `steps`");
}

#[test]
fn an_event_that_goes_through_the_upcasters_of_another_is_refused() {
    let file = File::new();
    dimmed_and_powered::guard(&file).compare(true).unwrap();
    let said = powered_as_dimmed::guard(&file).compare(true).unwrap_err();
    assert_says(
        &said,
        r#"`Dimmed` of `Lamp`, stored as {"watts":30} under the name `Powered`, would read as {"watts":3}"#,
    );
    assert_says(
        &said,
        "keep `Powered` as an event of its own, marked `retired`",
    );
    assert!(!said.contains("instead of"), "{said}");

    for merged in [lit::guard, lit_of_a_new_schema::guard] {
        let said = merged(&file).compare(true).unwrap_err();
        assert_says(
            &said,
            r#"`Lit` of `Lamp`, stored as {"watts":30} under the name `Powered`, would read as {"watts":3}; keep `Powered`"#,
        );
    }

    // What is merged by the same change that brings the upcaster goes through it as the event itself does, and is told.
    let file = File::new();
    dimmed_and_powered_at_first::guard(&file)
        .compare(true)
        .unwrap();
    let said = powered_as_dimmed::guard(&file).compare(false).unwrap_err();
    assert_says(&said, "still read");
    for under in ["", " under the name `Powered`"] {
        let told = format!(r#"stored as {{"watts":30}}{under}, reads as {{"watts":3}}"#);
        assert_says(&said, &told);
    }
}

#[test]
fn an_event_that_created_cannot_come_to_change() {
    let said = refused(creating_event::guard);
    assert_says(
        &said,
        "`Dimmed` of `Lamp` changed the aggregate when it was stored, and creates it now",
    );
}

#[test]
fn an_optional_field_may_be_added_inside_too() {
    let file = File::new();
    nested::guard(&file).compare(true).unwrap();
    nested_with_an_optional_field::guard(&file)
        .compare(true)
        .unwrap();
    nested_with_an_optional_field::guard(&file)
        .compare(false)
        .unwrap();
}

#[test]
fn samples_may_be_given_in_parts_and_two_types_may_not_share_a_name() {
    let file = File::with_the_first_lamp();
    let twice = |guard: SchemaGuard| guard.samples::<first::Lamp>([]);
    twice(first::guard(&file)).compare(false).unwrap();
    let two = first::guard(&file).samples::<retired_event::Lamp>([]);
    assert_says(
        &two.compare(true).unwrap_err(),
        "two types of aggregates are stored as `Lamp`",
    );
}

#[test]
fn an_old_name_that_is_added_is_told() {
    let (said, _) = accepted(with_an_old_name::guard);
    assert_says(
        &said,
        "`Dimmed` of `Lamp` is read under the name `Lowered` too",
    );
}

#[test]
fn an_old_name_may_become_the_present_one_again() {
    let (_, file) = accepted(renamed_event_with_its_old_name::guard);
    let back = with_an_old_name::guard;
    let told = back(&file).compare(false).unwrap_err();
    assert_says(&told, "`Dimmed` of `Lamp` was `Lowered`");
    back(&file).compare(true).unwrap();
    back(&file).compare(false).unwrap();
}

#[test]
fn a_new_event_is_accepted_with_a_sample() {
    let (said, _) = accepted(new_event::guard);
    assert_says(&said, "`Broken` of `Lamp` is new");
}

#[test]
fn an_event_without_a_sample_is_refused_as_what_it_is() {
    let file = File::with_the_first_lamp();
    let before = file.text();
    let said = no_sample::guard(&file).compare(false).unwrap_err();
    assert_eq!(
        said,
        "what has no sample is not guarded:\n- `Broken` of `Lamp` has no sample; give one"
    );
    assert_eq!(no_sample::guard(&file).compare(true).unwrap_err(), said);
    assert_eq!(file.text(), before);
}

#[test]
fn a_new_schema_is_accepted_where_its_upcasters_read_the_old_samples() {
    let (said, file) = accepted(new_schema::guard);
    assert_says(&said, "`Dimmed` of `Lamp` has schema 2 instead of 1");
    assert_says(
        &refused(new_schema_whose_upcaster_fails::guard),
        "too dark; mend its upcasters",
    );
    assert_says(
        &refused(new_schema_whose_upcaster_panics::guard),
        "it panicked: no such lamp; mend its upcasters",
    );

    let said = first::guard(&file).compare(true).unwrap_err();
    assert_says(&said, "went back from schema 2 to 1");
    let said = new_schema_with_another_upcaster::guard(&file)
        .compare(true)
        .unwrap_err();
    assert_says(
        &said,
        r#"stored as {"percent":50}, would read as {"watts":1}; mend its upcasters"#,
    );
}

#[test]
fn a_sample_that_does_not_come_back_the_same_is_refused() {
    assert_says(
        &refused(lossy::guard),
        "does not come back the same: it is stored as {\"percent\":null}, which reads as Dimmed { percent: None }",
    );
}

#[test]
fn an_aggregate_that_is_not_given_is_missed() {
    let file = File::with_the_first_lamp();
    let said = schema_guard(&file.0).compare(true).unwrap_err();
    assert_says(&said, "`Lamp` is gone");
    assert_says(
        &said,
        "streams are stored under it, so it cannot be renamed",
    );
}

#[test]
fn a_file_that_is_something_else_is_named() {
    let file = File::new();
    fs::write(&file.0, "[]").unwrap();
    assert_says(
        &first::guard(&file).compare(true).unwrap_err(),
        "is not the file of a schema guard",
    );
}
