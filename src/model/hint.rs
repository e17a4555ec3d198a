//! Which known name a name was probably meant to be.

/// The known name that `given` was probably meant to be.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (given.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(given, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// A hint for an unknown name: the nearest known one, else all of them.
pub(crate) fn did_you_mean<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let mut names: Vec<_> = known.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(12);
    names.truncate(12);
    if names.is_empty() {
        return None;
    }
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("known are {}{tail}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_the_list() {
        let known = ["postgis/places", "postgis/counties"];
        assert_eq!(nearest("postgis/plcaes", known), Some("postgis/places"));
        assert_eq!(nearest("search/kansas", known), None);
        assert_eq!(did_you_mean("x", known).unwrap(), "known are postgis/counties, postgis/places");
    }
}
