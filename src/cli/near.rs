//! What a name that is not known was probably meant to be.

use crate::model::hint::did_you_mean;

/// A hint for an unknown name. People leave off what stands before a slash: then all that end in
/// the name are named, else what is spelt nearly so.
pub(super) fn near<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    let end = format!("/{given}");
    let whole = known.clone().into_iter().filter(|name| name.ends_with(&end));
    let whole: Vec<String> = whole.map(|name| format!("`{name}`")).collect();
    if whole.is_empty() {
        return did_you_mean(given, known);
    }
    Some(format!("did you mean {}?", whole.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_finds_the_whole_of_it() {
        let known = ["postgis/places", "tiles/places", "postgis/counties"];
        let said = |given| near(given, known).unwrap();
        assert_eq!(said("counties"), "did you mean `postgis/counties`?");
        assert_eq!(said("places"), "did you mean `postgis/places` or `tiles/places`?");
        assert_eq!(said("tiles/plcaes"), "did you mean `tiles/places`?");
    }
}
