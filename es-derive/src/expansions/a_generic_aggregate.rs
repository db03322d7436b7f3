impl<T: Item, U, const MAX: usize> facade::es_core::__private::HasRoot
for Basket<T, U, MAX>
where
    U: Scratch,
    T: facade::es_core::__private::Send + facade::es_core::__private::Sync + 'static,
    U: facade::es_core::__private::Send + facade::es_core::__private::Sync + 'static,
{
    type Id = facade::es_core::__private::Uuid;
    const CATEGORY: &'static str = "Basket";
    fn root(&self) -> &facade::es_core::__private::Root<Self> {
        &self.root
    }
    fn root_mut(&mut self) -> &mut facade::es_core::__private::Root<Self> {
        &mut self.root
    }
    fn show(&self, visit: &mut facade::es_core::__private::Show<'_>) {
        use facade::es_core::__private::{Hidden as _, Shown as _};
        visit("items", (&facade::es_core::__private::Field(&self.items)).__shown());
        visit("scratch", (&facade::es_core::__private::Field(&self.scratch)).__shown());
    }
}
impl<T: Item, U, const MAX: usize> facade::es_core::__private::Printable
for Basket<T, U, MAX>
where
    U: Scratch,
    T: facade::es_core::__private::Debug,
    U: facade::es_core::__private::Debug,
{
    fn __print(&self, visit: &mut facade::es_core::__private::Show<'_>) {
        use facade::es_core::__private::{Hidden as _, Shown as _};
        visit("items", (&facade::es_core::__private::Field(&self.items)).__shown());
        visit("scratch", (&facade::es_core::__private::Field(&self.scratch)).__shown());
    }
}
impl<T: Item, U, const MAX: usize> facade::es_core::__private::AllEventsStandInOneImpl
for Basket<T, U, MAX>
where
    U: Scratch,
    T: Clone,
{}
const _: () = {
    struct _Parameters<T: Item>(
        facade::es_core::__private::PhantomData<BasketEvent<T>>,
    )
    where
        T: Clone;
    impl<T: Item> facade::es_core::__private::Parameter<0usize> for _Parameters<T>
    where
        T: Clone,
    {
        type Type = T;
    }
};
///What can happen to a [`Basket`].
#[derive(
    facade::es_core::__private::Debug,
    facade::es_core::__private::Clone,
    facade::es_core::__private::PartialEq,
    facade::es_core::__private::Serialize,
    facade::es_core::__private::Deserialize,
)]
#[serde(crate = "facade::es_core::__private::serde")]
#[serde(bound = "")]
#[allow(private_interfaces)]
pub enum BasketEvent<T: Item>
where
    T: Clone,
{
    ///Recorded by `Basket::weave`.
    Woven {},
    ///Recorded by `Basket::fill`.
    Filled {
        ///The argument `item`.
        item: T,
    },
}
impl<T: Item> facade::es_core::__private::Event for BasketEvent<T>
where
    T: Clone,
{
    const SHAPES: &'static [facade::es_core::__private::EventShape] = &[
        facade::es_core::__private::EventShape {
            name: "Woven",
            creates: true,
            was: &[],
            schema: 1u32,
            fields: &[],
        },
        facade::es_core::__private::EventShape {
            name: "Filled",
            creates: false,
            was: &[],
            schema: 1u32,
            fields: &[
                facade::es_core::__private::FieldShape {
                    name: "item",
                    ty: "T",
                    serde: "",
                },
            ],
        },
    ];
    fn name(&self) -> &'static str {
        match *self {
            Self::Woven { .. } => "Woven",
            Self::Filled { .. } => "Filled",
        }
    }
    fn schema(&self) -> u32 {
        match *self {
            Self::Woven { .. } => 1u32,
            Self::Filled { .. } => 1u32,
        }
    }
}
impl<T: Item, U, const MAX: usize> facade::es_core::__private::Declares
for Basket<T, U, MAX>
where
    U: Scratch,
    T: Clone,
{
    type Event = BasketEvent<T>;
}
impl<T: Item, U, const MAX: usize> facade::es_core::__private::Events
for Basket<T, U, MAX>
where
    U: Scratch,
    T: Clone,
{
    const FINGERPRINT: u64 = facade::es_core::__private::fingerprint(
        &[9990584992836790727u64, 12747284934935401953u64],
    );
    fn create(
        event: BasketEvent<T>,
    ) -> facade::es_core::__private::Result<
        Self,
        facade::es_core::__private::Misplaced,
    > {
        match event {
            BasketEvent::Woven {} => {
                facade::es_core::__private::Result::Ok(Self::__create_weave())
            }
            BasketEvent::Filled { .. } => {
                facade::es_core::__private::Result::Err(facade::es_core::__private::Misplaced {
                    event: "Filled",
                })
            }
        }
    }
    fn apply(
        &mut self,
        event: BasketEvent<T>,
    ) -> facade::es_core::__private::Result<(), facade::es_core::__private::Misplaced> {
        match event {
            BasketEvent::Woven { .. } => {
                facade::es_core::__private::Result::Err(facade::es_core::__private::Misplaced {
                    event: "Woven",
                })
            }
            BasketEvent::Filled { item } => {
                facade::es_core::__private::Result::Ok(Self::__apply_fill(self, item))
            }
        }
    }
    fn difference(
        &self,
        other: &Self,
    ) -> facade::es_core::__private::Option<facade::es_core::__private::String> {
        #[allow(unused_imports)]
        use facade::es_core::__private::{Comparable as _, Opaque as _};
        (&facade::es_core::__private::States(self, other)).__difference()
    }
    fn describe(&self, visit: &mut facade::es_core::__private::Show<'_>) {
        #[allow(unused_imports)]
        use facade::es_core::__private::{Described as _, Listed as _};
        (&facade::es_core::__private::State(self)).__describe(visit);
    }
}
impl<T: Item, U, const MAX: usize> Basket<T, U, MAX>
where
    U: Scratch,
    T: Clone,
{
    fn weave() -> Self {
        let id: facade::es_core::__private::Uuid = facade::es_core::__private::Uuid::now_v7();
        let event = BasketEvent::Woven {};
        facade::es_core::__private::record_creation(id, event, Self::__create_weave())
    }
    fn __create_weave() -> Self {
        Self {
            root: Root::new(),
            items: Vec::new(),
            scratch: U::default(),
        }
    }
    fn fill(&mut self, item: T) {
        let event = BasketEvent::Filled {
            item: facade::es_core::__private::Clone::clone(&item),
        };
        facade::es_core::__private::record(
            self,
            event,
            |state| Self::__apply_fill(state, item),
        );
    }
    fn __apply_fill(&mut self, item: T) {
        self.items.push(item);
    }
}
