impl ::es_core::__private::HasRoot for Dog {
    type Id = ::es_core::__private::Uuid;
    const CATEGORY: &'static str = "Dog";
    fn root(&self) -> &::es_core::__private::Root<Self> {
        &self.root
    }
    fn root_mut(&mut self) -> &mut ::es_core::__private::Root<Self> {
        &mut self.root
    }
    fn show(&self, visit: &mut ::es_core::__private::Show<'_>) {
        use ::es_core::__private::{Hidden as _, Shown as _};
        visit("name", (&::es_core::__private::Field(&self.name)).__shown());
        visit("tricks", (&::es_core::__private::Field(&self.tricks)).__shown());
    }
}
const _: () = ::es_core::__private::declares_events::<Dog>();
impl ::es_core::__private::AllEventsStandInOneImpl for Dog {}
///What can happen to a [`Dog`].
#[derive(
    ::es_core::__private::Debug,
    ::es_core::__private::Clone,
    ::es_core::__private::PartialEq,
    ::es_core::__private::Serialize,
    ::es_core::__private::Deserialize,
)]
#[serde(crate = "::es_core::__private::serde")]
#[allow(private_interfaces)]
pub enum DogEvent {
    /// Begins the training of a dog.
    Registered {
        ///The argument `name`.
        name: ::es_core::__private::String,
    },
    ///Recorded by `Dog::add_trick`.
    TrickAdded {
        ///The argument `trick`.
        trick: String,
    },
}
impl ::es_core::__private::Event for DogEvent {
    const SHAPES: &'static [::es_core::__private::EventShape] = &[
        ::es_core::__private::EventShape {
            name: "Registered",
            creates: true,
            was: &[],
            schema: 1u32,
            fields: &[
                ::es_core::__private::FieldShape {
                    name: "name",
                    ty: "String",
                    serde: "",
                },
            ],
        },
        ::es_core::__private::EventShape {
            name: "TrickAdded",
            creates: false,
            was: &[],
            schema: 1u32,
            fields: &[
                ::es_core::__private::FieldShape {
                    name: "trick",
                    ty: "String",
                    serde: "",
                },
            ],
        },
    ];
    fn name(&self) -> &'static str {
        match *self {
            Self::Registered { .. } => "Registered",
            Self::TrickAdded { .. } => "TrickAdded",
        }
    }
    fn schema(&self) -> u32 {
        match *self {
            Self::Registered { .. } => 1u32,
            Self::TrickAdded { .. } => 1u32,
        }
    }
}
impl ::es_core::__private::Declares for Dog {
    type Event = DogEvent;
}
impl ::es_core::__private::EventOf for DogEvent {
    const CATEGORY: &'static str = {
        #[allow(unused_imports)]
        use ::es_core::__private::Uncategorized as _;
        <::es_core::__private::CategoryOf<Dog>>::CATEGORY
    };
}
impl ::es_core::__private::Events for Dog {
    const FINGERPRINT: u64 = ::es_core::__private::fingerprint(
        &[16797883721125317633u64, 2567581154646010483u64],
    );
    fn create(
        event: DogEvent,
    ) -> ::es_core::__private::Result<Self, ::es_core::__private::Misplaced> {
        match event {
            DogEvent::Registered { name } => {
                ::es_core::__private::Result::Ok(Self::__create_register(&name))
            }
            DogEvent::TrickAdded { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "TrickAdded",
                })
            }
        }
    }
    fn apply(
        &mut self,
        event: DogEvent,
    ) -> ::es_core::__private::Result<(), ::es_core::__private::Misplaced> {
        match event {
            DogEvent::Registered { .. } => {
                ::es_core::__private::Result::Err(::es_core::__private::Misplaced {
                    event: "Registered",
                })
            }
            DogEvent::TrickAdded { trick } => {
                ::es_core::__private::Result::Ok(Self::__apply_add_trick(self, trick))
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
impl Dog {
    /// The id of the dog of that name.
    pub fn id_for(name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }
    /// Begins the training of a dog.
    pub fn register(name: &str) -> Self {
        let id: ::es_core::__private::Uuid = {
            let chosen: <Self as ::es_core::__private::HasRoot>::Id = {
                Self::id_for(name)
            };
            ::es_core::__private::AggregateId::to_uuid(&chosen)
        };
        let event = DogEvent::Registered {
            name: ::es_core::__private::ToOwned::to_owned(name),
        };
        ::es_core::__private::record_creation(id, event, Self::__create_register(name))
    }
    fn __create_register(name: &str) -> Self {
        let _ = &name;
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }
    pub fn add_trick(&mut self, trick: impl Into<String>) {
        let trick: String = ::es_core::__private::Into::into(trick);
        let event = DogEvent::TrickAdded {
            trick: ::es_core::__private::Clone::clone(&trick),
        };
        ::es_core::__private::record(
            self,
            event,
            |state| Self::__apply_add_trick(state, trick),
        );
    }
    fn __apply_add_trick(&mut self, trick: String) {
        self.tricks.push(trick);
    }
}
