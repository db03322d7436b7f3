//! Places where the body of an event would give up, as a function does that returns a `Result`.
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprAsync, ExprClosure, ExprReturn, ExprTry, Item, Macro, Token};

/// Every `?`, and every `return` of an error, that leaves the body itself.
pub(super) fn in_body(body: &Block) -> Vec<TokenStream> {
    let mut refusals = Refusals(Vec::new());
    refusals.visit_block(body);
    refusals.0
}

struct Refusals(Vec<TokenStream>);

/// Macros whose arguments are expressions that are evaluated where they stand.
const PLAIN_MACROS: [&str; 18] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "panic",
    "print",
    "println",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

impl Visit<'_> for Refusals {
    fn visit_expr_try(&mut self, expression: &ExprTry) {
        visit::visit_expr_try(self, expression);
        self.0.push(expression.question_token.to_token_stream());
    }

    fn visit_expr_return(&mut self, expression: &ExprReturn) {
        visit::visit_expr_return(self, expression);
        if expression.expr.as_deref().is_some_and(is_an_error) {
            self.0.push(expression.to_token_stream());
        }
    }

    // These are left by `?` instead of the body.
    fn visit_expr_closure(&mut self, _: &ExprClosure) {}
    fn visit_expr_async(&mut self, _: &ExprAsync) {}
    fn visit_item(&mut self, _: &Item) {}

    fn visit_macro(&mut self, call: &Macro) {
        let name = call.path.segments.last();
        if !name.is_some_and(|name| PLAIN_MACROS.iter().any(|plain| name.ident == plain)) {
            return;
        }
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone());
        for argument in arguments.into_iter().flatten() {
            self.visit_expr(&argument);
        }
    }
}

/// `Err(..)`
fn is_an_error(expression: &Expr) -> bool {
    let Expr::Call(call) = expression else {
        return false;
    };
    let Expr::Path(function) = &*call.func else {
        return false;
    };
    let last = function.path.segments.last();
    last.is_some_and(|last| last.ident == "Err")
}
