//! What a `main` prints that returns an error: the error with its causes, and not its parts.
use std::error::Error;
use std::fmt;

/// Writes an error with its causes, each in a line of its own.
///
/// # Errors
/// Those of the formatter.
pub fn with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  because: {error}")?;
        cause = error.source();
    }
    Ok(())
}

/// A `Debug` that tells an error with its causes; `{:#?}` shows its parts, as a derived one does. For the errors of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug_with_causes {
    ($error:ident { $($variant:ident $({ $($field:ident),* })? $(($inner:ident))?),* $(,)? }) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                if !f.alternate() {
                    return $crate::__private::with_causes(self, f);
                }
                match self {
                    $(Self::$variant $({ $($field),* })? $(($inner))? => {
                        $crate::__debug_with_causes!(@parts f $variant $({ $($field),* })? $(($inner))?)
                    })*
                }
            }
        }
    };
    (@parts $f:ident $variant:ident) => { $f.write_str(stringify!($variant)) };
    (@parts $f:ident $variant:ident { $($field:ident),* }) => {
        $f.debug_struct(stringify!($variant))$(.field(stringify!($field), $field))*.finish()
    };
    (@parts $f:ident $variant:ident ($inner:ident)) => {
        $f.debug_tuple(stringify!($variant)).field($inner).finish()
    };
}
