//! Types as they are written.
use proc_macro2::Ident;
use syn::visit_mut::{self, VisitMut};
use syn::{ExprPath, Path, QSelf, Token, Type, TypePath, WhereClause};

/// The type inside invisible groups, which `macro_rules!` makes, and parentheses.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        _ => ty,
    }
}

/// Whether a type is written as `Self` or under the aggregate's own name.
pub(crate) fn names(ty: &Type, aggregate: &Ident) -> bool {
    let Type::Path(path) = ungrouped(ty) else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Self" || last.ident == *aggregate)
}

/// Whether a type is written with generic arguments: `Basket<T>`.
pub(crate) fn has_arguments(ty: &Type) -> bool {
    let Type::Path(path) = ungrouped(ty) else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| !last.arguments.is_none())
}

/// Writes out `Self` in a type, for a place where it means something else.
pub(crate) fn name_self(ty: &mut Type, self_type: &Type) {
    NameSelf(self_type).visit_type_mut(ty);
}

/// The same in conditions.
pub(crate) fn name_self_in_conditions(conditions: &mut WhereClause, self_type: &Type) {
    NameSelf(self_type).visit_where_clause_mut(conditions);
}

struct NameSelf<'a>(&'a Type);

impl VisitMut for NameSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty
            && path.path.is_ident("Self")
        {
            *ty = self.0.clone();
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_type_path_mut(&mut self, ty: &mut TypePath) {
        self.qualify(&mut ty.qself, &mut ty.path);
        visit_mut::visit_type_path_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, expression: &mut ExprPath) {
        self.qualify(&mut expression.qself, &mut expression.path);
        visit_mut::visit_expr_path_mut(self, expression);
    }
}

impl NameSelf<'_> {
    /// Makes `<Dog>::LIMIT` of `Self::LIMIT`.
    fn qualify(&self, owner: &mut Option<QSelf>, path: &mut Path) {
        let is_of_self = path
            .segments
            .first()
            .is_some_and(|first| first.ident == "Self");
        if owner.is_some() || !is_of_self || path.segments.len() < 2 {
            return;
        }
        path.segments = std::mem::take(&mut path.segments)
            .into_iter()
            .skip(1)
            .collect();
        path.leading_colon = Some(<Token![::]>::default());
        *owner = Some(QSelf {
            lt_token: <Token![<]>::default(),
            ty: Box::new(self.0.clone()),
            position: 0,
            as_token: None,
            gt_token: <Token![>]>::default(),
        });
    }
}
