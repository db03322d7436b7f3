//! What the macros write, checked in as files under `expansions/`: the best documentation they have.
//!
//! `UPDATE_EXPECT=1 cargo test -p es-derive --lib` writes them anew.
use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{File, Item};

/// What the macros write for these items, without the items themselves.
fn expanded(source: TokenStream) -> String {
    let file: File = syn::parse2(source).expect("the source is Rust");
    let expanded = file.items.into_iter().flat_map(|item| match item {
        Item::Impl(mut item) => {
            let events = item
                .attrs
                .iter()
                .position(|attribute| attribute.path().is_ident("events"));
            let events = item
                .attrs
                .remove(events.expect("every `impl` here is marked"));
            let arguments = events
                .meta
                .require_list()
                .map_or_else(|_| TokenStream::new(), |list| list.tokens.clone());
            crate::events::expand(arguments, item.to_token_stream())
        }
        Item::Enum(item) => crate::event_set::expand(item.to_token_stream()),
        item => crate::aggregate::expand(item.to_token_stream()),
    });
    let tokens = expanded.collect();
    let file = syn::parse2(tokens).expect("what the macros write is Rust");
    prettyplease::unparse(&file)
}

fn check(source: TokenStream, expected: &ExpectFile) {
    let expanded = expanded(source);
    assert!(!expanded.contains("compile_error"), "{expanded}");
    let catch_all = expanded
        .lines()
        .find(|line| line.trim_start().starts_with("_ =>"));
    assert_eq!(catch_all, None, "a `match` that is not exhaustive");
    expected.assert_eq(&expanded);
}

#[test]
fn a_dog() {
    let source = quote! {
        #[aggregate("Dog")]
        pub struct Dog {
            root: Root<Self>,
            name: String,
            tricks: Vec<String>,
        }

        #[events]
        impl Dog {
            /// The id of the dog of that name.
            pub fn id_for(name: &str) -> Uuid {
                Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
            }

            /// Begins the training of a dog.
            #[event("Registered", id = Self::id_for(name))]
            pub fn register(name: &str) -> Self {
                Self { root: Root::new(), name: name.to_owned(), tricks: Vec::new() }
            }

            #[event("TrickAdded")]
            pub fn add_trick(&mut self, trick: impl Into<String>) {
                self.tricks.push(trick);
            }
        }
    };
    check(source, &expect_file!["expansions/a_dog.rs"]);
}

#[test]
fn events_with_a_past() {
    let source = quote! {
        #[aggregate("Account", id = AccountId, snapshot_every = 100, cached)]
        pub(crate) struct Account {
            root: Root<Self>,
            balance: Money,
        }

        #[events(derive(Eq), type_name = AccountFact, vis = pub(crate))]
        impl Account {
            #[event("Opened", was = "Created")]
            #[must_use]
            fn open(owner: OwnerId, #[serde(default)] balance: Money) -> Self {
                Self { root: Root::new(), balance }
            }

            #[event("Deposited", schema = 2)]
            fn deposit(&mut self, amount: &Money, tags: &[Tag], receipt: &Path) {
                self.balance += amount;
            }

            #[event("Closed", retired)]
            fn close(&mut self) {}

            #[cfg(feature = "loans")]
            #[event("Lent")]
            fn lend(&mut self, mut amount: Money) {
                amount.round();
                self.balance += amount;
            }

            #[upcast("Deposited", from = 1)]
            fn deposits_have_tags(payload: &mut JsonMap) -> Result<(), Missing> {
                payload.insert("tags".into(), Value::Array(Vec::new()));
                Ok(())
            }
        }
    };
    check(source, &expect_file!["expansions/events_with_a_past.rs"]);
}

#[test]
fn a_generic_aggregate() {
    let source = quote! {
        #[aggregate("Basket", crate = facade::es_core)]
        struct Basket<T: Item, U, const MAX: usize>
        where
            U: Scratch,
        {
            root: Root<Self>,
            items: Vec<T>,
            scratch: U,
        }

        #[events(crate = facade::es_core)]
        impl<T: Item, U, const MAX: usize> Basket<T, U, MAX>
        where
            U: Scratch,
            T: Clone,
        {
            #[event("Woven")]
            fn weave() -> Self {
                Self { root: Root::new(), items: Vec::new(), scratch: U::default() }
            }

            #[event("Filled")]
            fn fill(&mut self, item: T) {
                self.items.push(item);
            }
        }
    };
    let expected = expect_file!["expansions/a_generic_aggregate.rs"];
    let elsewhere = expanded(source.clone()).replace("facade::es_core", "");
    assert!(
        !elsewhere.contains("es_core"),
        "the crate is reached by its other path alone"
    );
    check(source, &expected);
}

#[test]
fn a_set_of_events() {
    let source = quote! {
        enum LibraryEvent {
            Book(BookEvent),
            Member(crate::members::MemberEvent),
            #[cfg(feature = "loans")]
            Loan(LoanEvent),
        }
    };
    check(source, &expect_file!["expansions/a_set_of_events.rs"]);
}

#[test]
fn after_an_error_what_holds_is_still_there() {
    let source = quote! {
        #[aggregate("Dog")]
        struct Dog {
            name: String,
        }

        #[events]
        impl Dog {
            #[event("Registered")]
            fn register(name: &str) -> Self {
                Self { name: name.to_owned() }
            }

            #[event("trick added")]
            fn add_trick(&mut self, trick: impl Into<String>) {
                self.tricks.push(trick);
            }
        }
    };
    expect_file!["expansions/after_an_error.rs"].assert_eq(&expanded(source));
}
