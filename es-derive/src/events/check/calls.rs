//! Calls of event methods in the body of an event.
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprMethodCall, Item, Macro, PathSegment, Type};

/// The names of event methods where the body calls them, as far as that can be seen.
pub(super) fn of_events(body: &Block, aggregate: &Ident, methods: &[Ident]) -> Vec<Ident> {
    let mut calls = Calls {
        aggregate,
        methods,
        found: Vec::new(),
    };
    calls.visit_block(body);
    calls.found
}

/// Finds `self.bark()`, `Self::bark(..)` and `Dog::bark(..)`, in macros too.
struct Calls<'a> {
    aggregate: &'a Ident,
    methods: &'a [Ident],
    found: Vec<Ident>,
}

impl Calls<'_> {
    fn is_event(&self, method: &Ident) -> bool {
        let method = method.unraw();
        self.methods.iter().any(|event| event.unraw() == method)
    }

    fn in_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.in_tokens(group.stream()),
                TokenTree::Ident(method)
                    if self.is_event(method) && self.is_called(&tokens, place) =>
                {
                    self.found.push(method.clone());
                }
                _ => {}
            }
        }
    }

    /// Whether the tokens around read `self.bark(..)`, `Self::bark(..)` or `Dog::bark(..)`.
    fn is_called(&self, tokens: &[TokenTree], place: usize) -> bool {
        let is = |token: Option<&TokenTree>, text: char| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == text);
        let before = |back: usize| place.checked_sub(back).and_then(|place| tokens.get(place));
        let named = |token: Option<&TokenTree>, names: &[&str]| matches!(token, Some(TokenTree::Ident(ident)) if names.iter().any(|name| ident == name));
        // Behind a field of that name may stand an index or a block.
        let called = matches!(tokens.get(place + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        let by_dot = is(before(1), '.') && named(before(2), &["self"]) && !is(before(3), '.');
        let by_path = is(before(1), ':')
            && is(before(2), ':')
            && named(before(3), &["Self", &self.aggregate.to_string()]);
        called && (by_dot || by_path)
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let mut receiver = &*call.receiver;
        while let Expr::Paren(inner) = receiver {
            receiver = &inner.expr;
        }
        if matches!(receiver, Expr::Path(path) if path.path.is_ident("self"))
            && self.is_event(&call.method)
        {
            self.found.push(call.method.clone());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let ident = |segment: &'ast PathSegment| &segment.ident;
            let segments: Vec<_> = function.path.segments.iter().map(ident).collect();
            // `Self::bark`, or `<Self>::bark`; a longer path may lead to another type of that name.
            let (owner, method) = match (&function.qself, &segments[..]) {
                (None, [owner, method]) => (Some(*owner), *method),
                (Some(owner), [method]) => match &*owner.ty {
                    Type::Path(owner) => (owner.path.get_ident(), *method),
                    _ => (None, *method),
                },
                _ => return visit::visit_expr_call(self, call),
            };
            if owner.is_some_and(|owner| owner == "Self" || owner == self.aggregate)
                && self.is_event(method)
            {
                self.found.push(method.clone());
            }
        }
        visit::visit_expr_call(self, call);
    }

    /// An item in a body has a `self` of its own.
    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.in_tokens(call.tokens.clone());
    }
}
