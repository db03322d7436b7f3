//! Tokens as a person would type them. How `TokenStream` prints differs between compilers; this does not.
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The text of a type, a parameter or a path.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

/// A number that changes with the tokens: with their text, with what they are grouped by, and with which punctuation belongs together.
pub(crate) fn fingerprint(tokens: TokenStream) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.tokens(tokens);
    hash.0
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    self.text(match group.delimiter() {
                        Delimiter::Parenthesis => "(",
                        Delimiter::Bracket => "[",
                        Delimiter::Brace => "{",
                        Delimiter::None => "<none>",
                    });
                    self.tokens(group.stream());
                    self.text("end");
                }
                TokenTree::Punct(punct) => {
                    self.text(&punct.as_char().to_string());
                    self.text(if punct.spacing() == Spacing::Joint {
                        "joint"
                    } else {
                        "alone"
                    });
                }
                word => self.text(&word.to_string()),
            }
        }
    }
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
    fn code_that_means_something_else_has_another_fingerprint() {
        let codes = [
            "a && b()",
            "a & &b()",
            "a & b()",
            "1 + 2 * 3",
            "(1 + 2) * 3",
            "ab",
            "a b",
            "{ a }",
            "( a )",
        ];
        let numbers = codes.map(|code| super::fingerprint(code.parse().unwrap()));
        for (place, number) in numbers.iter().enumerate() {
            assert!(
                !numbers[..place].contains(number),
                "`{}` has the fingerprint of another",
                codes[place]
            );
        }
        assert_eq!(
            numbers[0],
            super::fingerprint("a  &&  b ( )".parse().unwrap())
        );
    }

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
