//! How a decision ends.
use std::convert::Infallible;

/// What a decision answers: `()`, or a `Result` whose error refuses it.
///
/// Commands decide, and so do the closures of an update and upcasters.
#[diagnostic::on_unimplemented(
    message = "an answer is nothing or a `Result`, not `{Self}`",
    note = "to answer with a value, return `Ok::<_, Refusal>(value)`",
    note = "nothing is waited for here: what has to be asked elsewhere is asked first"
)]
pub trait Outcome {
    /// What it answers when the command is accepted.
    type Value;
    /// What it answers when the command is refused.
    type Refusal;

    /// The answer as a `Result`.
    ///
    /// # Errors
    /// The refusal.
    fn into_result(self) -> Result<Self::Value, Self::Refusal>;
}

impl Outcome for () {
    type Value = ();
    type Refusal = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Refusal = E;

    fn into_result(self) -> Self {
        self
    }
}
