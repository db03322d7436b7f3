//! Invisible groups, which `macro_rules!` puts around what it is given: of `$e * 3` with `1 + 2`, they make `(1 + 2) * 3`.
//!
//! The compiler forgets them in the output of a procedural macro, so they are made visible.
use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprParen, ItemImpl, token};

/// Keeps the groups of an expression.
pub(crate) fn keep(expression: &mut Expr) {
    Keep.visit_expr_mut(expression);
}

/// Keeps the groups of all expressions in an `impl`.
pub(crate) fn keep_in_impl(item: &mut ItemImpl) {
    Keep.visit_item_impl_mut(item);
}

struct Keep;

impl VisitMut for Keep {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let Expr::Group(group) = expression
            && binds_loosely(&group.expr)
        {
            let inside = std::mem::replace(&mut *group.expr, Expr::PLACEHOLDER);
            *expression = Expr::Paren(ExprParen {
                attrs: Vec::new(),
                paren_token: token::Paren(Span::mixed_site()),
                expr: Box::new(inside),
            });
        }
    }
}

/// Whether an operator beside the expression could take a part of it.
fn binds_loosely(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Assign(_)
            | Expr::Binary(_)
            | Expr::Break(_)
            | Expr::Cast(_)
            | Expr::Closure(_)
            | Expr::Let(_)
            | Expr::Range(_)
            | Expr::Reference(_)
            | Expr::Return(_)
            | Expr::Unary(_)
            | Expr::Yield(_)
    )
}
