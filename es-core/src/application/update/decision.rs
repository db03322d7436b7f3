//! Several that are decided about, which their ids name, and the closure that changes them.
use super::Subject;

/// What [`Application::update_all`](crate::Application::update_all) takes: ids, and a closure that is given what they name in the same form.
///
/// - up to six of any types: `(from, to)` and `|(from, to): (&mut Account, &mut Account)| ..`;
/// - any number of one type: `vec![a, b, c]` and `|accounts: &mut [Account]| ..`;
/// - both: `(order, items)` with a `Vec` of ids, and `|(order, items): (&mut Order, &mut Vec<Item>)| ..`.
///
/// Where one need not exist, the closure takes an `Option` of it: `|(from, to): (&mut Account, &mut Option<Account>)| ..`.
///
/// `S` is what is decided about, `R` is what the closure returns.
#[diagnostic::on_unimplemented(
    message = "these ids and this closure do not fit together",
    label = "give as many ids as the closure takes aggregates, in the same order",
    note = "two of them: `app.update_all((from, to), |(from, to): (&mut Account, &mut Account)| ..)`",
    note = "any number of one type: `app.update_all(vec![a, b], |accounts: &mut [Account]| ..)`"
)]
pub trait Decision<S: Subject, R>: Send {
    #[doc(hidden)]
    fn streams(&self) -> S::Streams;

    #[doc(hidden)]
    fn decide(&mut self, subject: &mut S) -> R;
}

impl<S, F, R> Decision<Vec<S>, R> for (Vec<S::Id>, F)
where
    S: Subject<Id: Send>,
    F: FnMut(&mut [S]) -> R + Send,
{
    fn streams(&self) -> Vec<S::Streams> {
        Vec::<S>::streams(&self.0)
    }

    fn decide(&mut self, several: &mut Vec<S>) -> R {
        (self.1)(several)
    }
}

macro_rules! tuples {
    ($(($($S:ident $place:tt),+))*) => {$(
        impl<$($S,)+ F, R> Decision<($($S,)+), R> for (($($S::Id,)+), F)
        where
            $($S: Subject<Id: Send>,)+
            F: FnMut(($(&mut $S,)+)) -> R + Send,
        {
            fn streams(&self) -> <($($S,)+) as Subject>::Streams {
                <($($S,)+)>::streams(&self.0)
            }

            fn decide(&mut self, several: &mut ($($S,)+)) -> R {
                (self.1)(($(&mut several.$place,)+))
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, G 5)
}
