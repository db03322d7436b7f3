impl ::es_core::__private::HasRoot for Account {
    type Id = AccountId;
    const CATEGORY: &'static str = "Account";
    fn root(&self) -> &::es_core::__private::Root<Self> {
        &self.root
    }
    fn root_mut(&mut self) -> &mut ::es_core::__private::Root<Self> {
        &mut self.root
    }
    const SNAPSHOTS: ::es_core::__private::Option<
        ::es_core::__private::Snapshots<Self>,
    > = ::es_core::__private::Option::Some(
        ::es_core::__private::snapshots::<Account>(100u64, 15828719897168415305u64),
    );
    const CACHED: ::es_core::__private::Option<fn(&Self) -> Self> = ::es_core::__private::Option::Some(
        ::es_core::__private::copies::<Account>(),
    );
    fn show(&self, visit: &mut ::es_core::__private::Show<'_>) {
        use ::es_core::__private::{Hidden as _, Shown as _};
        visit("balance", (&::es_core::__private::Field(&self.balance)).__shown());
    }
}
const _: () = ::es_core::__private::declares_events::<Account>();
impl ::es_core::__private::AllEventsStandInOneImpl for Account {}
const _: () = {
    struct _Parameters(::es_core::__private::PhantomData<AccountFact>);
    impl ::es_core::__private::Parameter<0usize> for _Parameters {
        type Type = OwnerId;
    }
    impl ::es_core::__private::Parameter<1usize> for _Parameters {
        type Type = Money;
    }
    impl ::es_core::__private::Parameter<2usize> for _Parameters {
        type Type = Tag;
    }
};
///What can happen to a [`Account`].
#[derive(
    ::es_core::__private::Debug,
    ::es_core::__private::Clone,
    ::es_core::__private::PartialEq,
    ::es_core::__private::Serialize,
    ::es_core::__private::Deserialize,
)]
#[derive(Eq)]
#[serde(crate = "::es_core::__private::serde")]
#[allow(private_interfaces)]
pub(crate) enum AccountFact {
    ///Recorded by `Account::open`.
    Opened {
        ///The argument `owner`.
        owner: OwnerId,
        ///The argument `balance`.
        #[serde(default)]
        balance: Money,
    },
    ///Recorded by `Account::deposit`.
    Deposited {
        ///The argument `amount`.
        amount: Money,
        ///The argument `tags`.
        tags: ::es_core::__private::Vec<Tag>,
        ///The argument `receipt`.
        receipt: <Path as ::es_core::__private::ToOwned>::Owned,
    },
    ///Recorded by `Account::close`.
    Closed {},
    ///Recorded by `Account::lend`.
    #[cfg(feature = "loans")]
    Lent {
        ///The argument `amount`.
        amount: Money,
    },
}
impl ::es_core::__private::Event for AccountFact {
    const SHAPES: &'static [::es_core::__private::EventShape] = &[
        ::es_core::__private::EventShape {
            name: "Opened",
            creates: true,
            was: &["Created"],
            schema: 1u32,
            fields: &[
                ::es_core::__private::FieldShape {
                    name: "owner",
                    ty: "OwnerId",
                    serde: "",
                },
                ::es_core::__private::FieldShape {
                    name: "balance",
                    ty: "Money",
                    serde: "#[serde(default)]",
                },
            ],
        },
        ::es_core::__private::EventShape {
            name: "Deposited",
            creates: false,
            was: &[],
            schema: 2u32,
            fields: &[
                ::es_core::__private::FieldShape {
                    name: "amount",
                    ty: "Money",
                    serde: "",
                },
                ::es_core::__private::FieldShape {
                    name: "tags",
                    ty: "Vec<Tag>",
                    serde: "",
                },
                ::es_core::__private::FieldShape {
                    name: "receipt",
                    ty: "<Path as ToOwned>::Owned",
                    serde: "",
                },
            ],
        },
        ::es_core::__private::EventShape {
            name: "Closed",
            creates: false,
            was: &[],
            schema: 1u32,
            fields: &[],
        },
        #[cfg(feature = "loans")]
        ::es_core::__private::EventShape {
            name: "Lent",
            creates: false,
            was: &[],
            schema: 1u32,
            fields: &[
                ::es_core::__private::FieldShape {
                    name: "amount",
                    ty: "Money",
                    serde: "",
                },
            ],
        },
    ];
    fn name(&self) -> &'static str {
        match *self {
            Self::Opened { .. } => "Opened",
            Self::Deposited { .. } => "Deposited",
            Self::Closed { .. } => "Closed",
            #[cfg(feature = "loans")]
            Self::Lent { .. } => "Lent",
        }
    }
    fn schema(&self) -> u32 {
        match *self {
            Self::Opened { .. } => 1u32,
            Self::Deposited { .. } => 2u32,
            Self::Closed { .. } => 1u32,
            #[cfg(feature = "loans")]
            Self::Lent { .. } => 1u32,
        }
    }
    fn upcast(
        event: &'static str,
        from: u32,
        payload: &mut ::es_core::__private::JsonMap,
    ) -> ::es_core::__private::Result<(), ::es_core::__private::UpcastError> {
        match (event, from) {
            ("Deposited", 1u32) => {
                ::es_core::__private::upcast(
                    event,
                    from,
                    <Account>::deposits_have_tags(payload),
                )
            }
            (event, from) => {
                ::es_core::__private::Result::Err(::es_core::__private::UpcastError::Missing {
                    event: event,
                    from: from,
                })
            }
        }
    }
}
impl ::es_core::__private::Declares for Account {
    type Event = AccountFact;
}
impl ::es_core::__private::EventOf for AccountFact {
    const CATEGORY: &'static str = {
        #[allow(unused_imports)]
        use ::es_core::__private::Uncategorized as _;
        <::es_core::__private::CategoryOf<Account>>::CATEGORY
    };
}
impl ::es_core::__private::Events for Account {
    const FINGERPRINT: u64 = ::es_core::__private::fingerprint(
        &[
            969118338829326606u64, 12784165347592783080u64, 8135938366321198852u64,
            #[cfg(feature = "loans")] 15769702558900991114u64, 7545421223340114211u64,
        ],
    );
    fn create(
        event: AccountFact,
    ) -> ::es_core::__private::Result<Self, ::es_core::__private::Misplaced> {
        match event {
            AccountFact::Opened { owner, balance } => {
                ::es_core::__private::Result::Ok(Self::__create_open(owner, balance))
            }
            AccountFact::Deposited { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "Deposited",
                })
            }
            AccountFact::Closed { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "Closed",
                })
            }
            #[cfg(feature = "loans")]
            AccountFact::Lent { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "Lent",
                })
            }
        }
    }
    fn apply(
        &mut self,
        event: AccountFact,
    ) -> ::es_core::__private::Result<(), ::es_core::__private::Misplaced> {
        match event {
            AccountFact::Opened { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "Opened",
                })
            }
            AccountFact::Deposited { amount, tags, receipt } => {
                ::es_core::__private::Result::Ok(
                    Self::__apply_deposit(self, &amount, &tags, &receipt),
                )
            }
            AccountFact::Closed {} => {
                ::es_core::__private::Result::Ok(Self::__apply_close(self))
            }
            #[cfg(feature = "loans")]
            AccountFact::Lent { amount } => {
                ::es_core::__private::Result::Ok(Self::__apply_lend(self, amount))
            }
        }
    }
    fn difference(
        &self,
        other: &Self,
    ) -> ::es_core::__private::Option<::es_core::__private::String> {
        #[allow(unused_imports)]
        use ::es_core::__private::{Comparable as _, Opaque as _};
        (&::es_core::__private::States(self, other)).__difference()
    }
}
#[doc(hidden)]
#[allow(non_snake_case, non_camel_case_types, dead_code, missing_docs, unreachable_pub)]
mod __AccountFact_retired {
    pub struct close;
}
impl Account {
    #[must_use]
    fn open(owner: OwnerId, balance: Money) -> Self {
        let id: ::es_core::__private::Uuid = ::es_core::__private::Uuid::now_v7();
        let event = AccountFact::Opened {
            owner: ::es_core::__private::Clone::clone(&owner),
            balance: ::es_core::__private::Clone::clone(&balance),
        };
        ::es_core::__private::record_creation(
            id,
            event,
            Self::__create_open(owner, balance),
        )
    }
    fn __create_open(owner: OwnerId, balance: Money) -> Self {
        let _ = &owner;
        Self { root: Root::new(), balance }
    }
    fn deposit(&mut self, amount: &Money, tags: &[Tag], receipt: &Path) {
        let event = AccountFact::Deposited {
            amount: ::es_core::__private::Clone::clone(amount),
            tags: ::es_core::__private::ToOwned::to_owned(tags),
            receipt: ::es_core::__private::ToOwned::to_owned(receipt),
        };
        ::es_core::__private::record(
            self,
            event,
            |state| Self::__apply_deposit(state, amount, tags, receipt),
        );
    }
    fn __apply_deposit(&mut self, amount: &Money, tags: &[Tag], receipt: &Path) {
        let _ = &tags;
        let _ = &receipt;
        self.balance += amount;
    }
    #[allow(dead_code, unused_variables, clippy::all, clippy::pedantic)]
    fn close<'never>(&mut self)
    where
        __AccountFact_retired::close: ::es_core::__private::NotRetired<'never>,
    {
        loop {}
    }
    fn __apply_close(&mut self) {}
    #[cfg(feature = "loans")]
    fn lend(&mut self, amount: Money) {
        let event = AccountFact::Lent {
            amount: ::es_core::__private::Clone::clone(&amount),
        };
        ::es_core::__private::record(
            self,
            event,
            |state| Self::__apply_lend(state, amount),
        );
    }
    #[cfg(feature = "loans")]
    fn __apply_lend(&mut self, mut amount: Money) {
        amount.round();
        self.balance += amount;
    }
    fn deposits_have_tags(payload: &mut JsonMap) -> Result<(), Missing> {
        payload.insert("tags".into(), Value::Array(Vec::new()));
        Ok(())
    }
}
