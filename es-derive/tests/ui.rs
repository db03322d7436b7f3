//! What misuse of the macros, and of aggregates, says, word for word; against the real `es-core`, on the toolchain of `rust-toolchain.toml`.
//!
//! `TRYBUILD=overwrite cargo test -p es-derive --test ui` writes down what is said now.

#[test]
fn misuse_is_told_in_the_users_words() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}
