use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::documents::{Documents, Role};

/// What a publisher may say beside the platform's own term.
const AVAILABLE: &str = "http://purl.org/dc/terms/available";

/// Where STAC documents say it.
const PLACES: [&str; 2] = ["/kfm:embargo_until", "/properties/kfm:embargo_until"];

impl Documents {
    /// When the embargo ends: `kfm:embargo_until` of DCAT or STAC, else `dct:available` of DCAT.
    /// Of several dates the last counts; one that cannot be read leaves the end unknown.
    pub(super) fn embargo_until(&self) -> Option<DateTime<Utc>> {
        let mut stated = Vec::new();
        let dcat = self.dcat.as_ref().and_then(|rdf| Some((rdf, self.record()?)));
        if let Some((rdf, record)) = &dcat {
            stated.extend(rdf.own_term(record, &["embargo_until"]));
        }
        for document in [Role::Collection, Role::Item].into_iter().flat_map(|role| self.of(role)) {
            let said = PLACES.iter().filter_map(|place| document.json.pointer(place));
            // What is no text is no date.
            stated.extend(said.map(|said| said.as_str().map(str::to_owned).unwrap_or_default()));
        }
        if stated.is_empty() {
            stated.extend(dcat.and_then(|(rdf, record)| rdf.object(&record, AVAILABLE)));
        }
        let dates: Option<Vec<_>> = stated.iter().map(|text| moment(text)).collect();
        dates?.into_iter().max()
    }
}

/// A moment in RFC 3339, or a day, which begins at midnight UTC.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc());
    text.parse().ok().or_else(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(dcat: &str, collection: &str) -> Option<DateTime<Utc>> {
        let record = format!(
            r#"{{"@context": {{"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/",
            "kfm": "urn:kfm:term:"}}, "@id": "dcat://d@v", "@type": "dcat:Dataset" {dcat}}}"#
        );
        let bytes = [
            ("catalog/d/v/dcat.jsonld".to_owned(), record.into()),
            ("catalog/d/v/stac/collection.json".to_owned(), collection.to_owned().into()),
        ];
        Documents::parse("d", &"v".parse().unwrap(), &bytes).0.embargo_until()
    }

    #[test]
    fn the_last_date_counts_and_one_that_cannot_be_read_is_none() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().ok();
        assert_eq!(until("", "{}"), None);
        let day = until(r#", "kfm:embargo_until": "2026-06-01""#, "{}");
        assert_eq!(day, at("2026-06-01T00:00:00Z"));
        let both = until(
            r#", "kfm:embargo_until": "2026-06-01T00:00:00Z", "dct:available": "2030-01-01""#,
            r#"{"kfm:embargo_until": "2026-07-01T00:00:00+02:00"}"#,
        );
        assert_eq!(both, at("2026-06-30T22:00:00Z"));
        assert_eq!(until(r#", "dct:available": "2030-01-01""#, "{}"), at("2030-01-01T00:00:00Z"));
        assert_eq!(until(r#", "kfm:embargo_until": "soon""#, "{}"), None);
        let one = until(r#", "kfm:embargo_until": "2026-06-01""#, r#"{"kfm:embargo_until": 7}"#);
        assert_eq!(one, None);
    }
}
