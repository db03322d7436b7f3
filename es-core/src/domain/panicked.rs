//! What the code of a program said when it panicked.
use std::any::Any;

/// From what was caught.
pub(crate) fn what_it_said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message")
}
