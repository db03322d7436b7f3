::core::compile_error! {
    "`Dog` has no root\n\nhelp: add a field `root: Root<Self>`"
}
impl ::es_core::__private::HasRoot for Dog {
    type Id = ::es_core::__private::Uuid;
    const CATEGORY: &'static str = "Dog";
    fn root(&self) -> &::es_core::__private::Root<Self> {
        loop {}
    }
    fn root_mut(&mut self) -> &mut ::es_core::__private::Root<Self> {
        loop {}
    }
}
::core::compile_error! {
    "`#[event]` takes the name the fact is stored under, an UpperCamelCase identifier\n\nhelp: `#[event(\"TrickAdded\")]`"
}
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
    ///Recorded by `Dog::register`.
    Registered {
        ///The argument `name`.
        name: ::es_core::__private::String,
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
    ];
    fn name(&self) -> &'static str {
        match *self {
            Self::Registered { .. } => "Registered",
        }
    }
    fn schema(&self) -> u32 {
        match *self {
            Self::Registered { .. } => 1u32,
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
        &[17053775226368127443u64, 6127655771303972571u64],
    );
    fn create(
        event: DogEvent,
    ) -> ::es_core::__private::Result<Self, ::es_core::__private::Misplaced> {
        match event {
            DogEvent::Registered { name } => {
                ::es_core::__private::Result::Ok(Self::__create_register(&name))
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
    fn register(name: &str) -> Self {
        let id: ::es_core::__private::Uuid = ::es_core::__private::Uuid::now_v7();
        let event = DogEvent::Registered {
            name: ::es_core::__private::ToOwned::to_owned(name),
        };
        ::es_core::__private::record_creation(id, event, Self::__create_register(name))
    }
    fn __create_register(name: &str) -> Self {
        let _ = &name;
        Self { name: name.to_owned() }
    }
    #[allow(dead_code, unused_variables, unused_mut)]
    fn add_trick(&mut self, trick: impl Into<String>) {
        let trick: String = ::es_core::__private::Into::into(trick);
        self.tricks.push(trick);
    }
}
