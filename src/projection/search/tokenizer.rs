use std::vec::IntoIter;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;

/// Cuts text of any script into words.
///
/// Compatibility forms and case are folded; Arabic vowel signs and the tatweel are left out. A
/// word is a run of letters and digits. Scripts that are written without spaces (Han, kana, Thai,
/// Lao, Khmer, Burmese) give one token for each character: a query is a phrase of them, so that
/// any part of a name is found.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    // The tokens of a text are made at once: names and descriptions are short.
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Tokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens<'a> {
        self.token.reset();
        Tokens { words: words(text).into_iter(), token: &mut self.token }
    }
}

/// The tokens of one text.
pub(super) struct Tokens<'a> {
    words: IntoIter<String>,
    token: &'a mut Token,
}

impl TokenStream for Tokens<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text = word;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.nfkc().flat_map(char::to_lowercase).nfc().filter(|c| !is_silent(*c)) {
        if stands_alone(c) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            words.push(c.to_string());
        } else if c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c) {
            word.push(c);
        } else {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Arabic vowel signs and the tatweel: written or not, the name is the same.
fn is_silent(c: char) -> bool {
    matches!(c, '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}')
}

fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{E00}'..='\u{EFF}'           // Thai, Lao
        | '\u{1000}'..='\u{109F}'       // Burmese
        | '\u{1780}'..='\u{17FF}'       // Khmer
        | '\u{3005}'..='\u{3007}'       // iteration mark, closing mark, zero
        | '\u{3040}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' // kana without the middle dot
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_scripts() {
        let cases: [(&str, &[&str]); 9] = [
            ("St. John's (Fort Scott)", &["st", "john", "s", "fort", "scott"]),
            ("CAÑON Cañón", &["cañon", "cañón"]),
            ("Can\u{303}on", &["cañon"]),
            ("ウィチタ", &["ウ", "ィ", "チ", "タ"]),
            ("ｳｨﾁﾀ・カンザス", &["ウ", "ィ", "チ", "タ", "カ", "ン", "ザ", "ス"]),
            ("威奇托 City", &["威", "奇", "托", "city"]),
            ("ويتشيتا، كَانْسَاس", &["ويتشيتا", "كانساس"]),
            ("애빌린", &["애빌린"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
