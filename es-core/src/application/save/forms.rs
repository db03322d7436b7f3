//! What can be saved: one aggregate, or several in any form.
use super::staging::Unsaved;
use crate::domain::{Aggregate, Version};

/// What [`Application::save`](crate::application::Application::save) takes: `&mut A`, and tuples, arrays and `Vec`s of what it takes; also `&mut` to a slice, an array or a `Vec` of aggregates.
///
/// Tuples have up to six members and may be nested. How many aggregates of which types there are may be known when the program runs alone:
///
/// ```
/// use es_core::application::Save;
/// use es_core::{Aggregate, Application, Result, Version};
///
/// # async fn save<Dog: Aggregate, Cat: Aggregate>(app: Application, mut dog: Dog, mut cats: Vec<Cat>) -> Result<()> {
/// let mut batch: Vec<Box<dyn Save<Versions = Version> + '_>> = vec![Box::new(&mut dog)];
/// for cat in &mut cats {
///     batch.push(Box::new(cat));
/// }
/// app.save(batch).await?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved",
    note = "save an aggregate by `&mut dog`, several by `(&mut from, &mut to)`, or by `&mut dogs[..]`"
)]
pub trait Save: Send {
    /// Their versions, in the same form.
    type Versions: Send;

    /// Says the versions of what is to be saved.
    fn versions(&self) -> Self::Versions;

    /// Shows each aggregate to `visit`, in order.
    #[doc(hidden)]
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved));
}

impl<A: Aggregate> Save for &mut A {
    type Versions = Version;

    fn versions(&self) -> Version {
        self.version()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        visit(*self);
    }
}

impl<A: Aggregate> Save for &mut [A] {
    type Versions = Vec<Version>;

    fn versions(&self) -> Vec<Version> {
        self.iter().map(Aggregate::version).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for aggregate in self.iter_mut() {
            visit(aggregate);
        }
    }
}

impl<A: Aggregate, const N: usize> Save for &mut [A; N] {
    type Versions = [Version; N];

    fn versions(&self) -> [Version; N] {
        self.each_ref().map(Aggregate::version)
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        self.as_mut_slice().each(visit);
    }
}

impl<A: Aggregate> Save for &mut Vec<A> {
    type Versions = Vec<Version>;

    fn versions(&self) -> Vec<Version> {
        self.iter().map(Aggregate::version).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        self.as_mut_slice().each(visit);
    }
}

impl<S: Save, const N: usize> Save for [S; N] {
    type Versions = [S::Versions; N];

    fn versions(&self) -> Self::Versions {
        self.each_ref().map(Save::versions)
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for member in self {
            member.each(visit);
        }
    }
}

impl<S: Save> Save for Vec<S> {
    type Versions = Vec<S::Versions>;

    fn versions(&self) -> Self::Versions {
        self.iter().map(Save::versions).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for member in self {
            member.each(visit);
        }
    }
}

impl<S: Save + ?Sized> Save for Box<S> {
    type Versions = S::Versions;

    fn versions(&self) -> Self::Versions {
        (**self).versions()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        (**self).each(visit);
    }
}

macro_rules! save_tuples {
    ($(($($member:ident $place:tt),+))*) => {$(
        impl<$($member: Save),+> Save for ($($member,)+) {
            type Versions = ($($member::Versions,)+);

            fn versions(&self) -> Self::Versions {
                ($(self.$place.versions(),)+)
            }

            fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
                $(self.$place.each(visit);)+
            }
        }
    )*};
}

save_tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}
