//! Tokens as a person would type them. How `TokenStream` prints differs between compilers; this does not.
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The text of a type, a parameter or a path.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

/// A number that changes with the text (FNV-1a, 64 bits).
pub(crate) fn fingerprint(texts: impl IntoIterator<Item = String>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = texts
        .into_iter()
        .flat_map(|text| (text + "\0").into_bytes());
    bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

fn write(tokens: TokenStream, text: &mut String) {
    // Whether the last character goes on in the next one, as the first of `::`.
    let mut joint = false;
    for token in tokens {
        let after_word = text.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket if after_word => (" [", "]"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                let alone = !joint && punct.spacing() == Spacing::Alone;
                match punct.as_char() {
                    mark @ (',' | ';') => text.extend([mark, ' ']),
                    ':' if alone => text.push_str(": "),
                    mark @ ('+' | '=') if alone => text.extend([' ', mark, ' ']),
                    '-' => text.push_str(" -"),
                    '>' if text.ends_with('-') => text.push_str("> "),
                    mark => text.push(mark),
                }
            }
            word => {
                if after_word {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
        joint = matches!(&token, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_type_reads_as_it_is_typed() {
        for source in [
            "Vec<String>",
            "std::collections::BTreeMap<String, Vec<u8>>",
            "&'a mut [u8; 4]",
            "Option<(u8, bool)>",
            "Box<dyn Fn(u8) -> bool + Send>",
            "<T as Trait<Item = u8>>::Owned",
            "self: Box<Self>",
            "r#type::Name",
        ] {
            assert_eq!(text(source.parse().unwrap()), source);
        }
    }
}
