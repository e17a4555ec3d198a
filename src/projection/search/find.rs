use std::path::Path;

use tantivy::collector::Count;
use tantivy::query::{BooleanQuery, Occur, Query, QueryParser, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Index, TantivyDocument, Term};

use super::documents::Fields;
use super::index::open;
use super::{SearchError, SearchProjection};
use crate::model::Failure;
use crate::projection::Generation;
use crate::projection::files::Copy;

impl SearchProjection {
    /// Looks for evenly chosen records of a published generation by their own words, and gives the
    /// ids of those that the index does not find.
    pub(crate) async fn unfound_samples(
        &self,
        generation: &Generation,
        samples: u32,
    ) -> Result<Vec<String>, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let look = move || unfound(&folder, samples);
        Ok(tokio::task::spawn_blocking(look).await.map_err(SearchError::from)??)
    }
}

/// How words are looked for: in names, titles and bodies, all of them; a phrase stands in quotes.
pub(super) fn parser(index: &Index, fields: &Fields) -> QueryParser {
    let title = fields.column("title");
    let mut parser = QueryParser::for_index(index, vec![fields.name, title, fields.column("body")]);
    parser.set_conjunction_by_default();
    parser.set_field_boost(fields.name, 3.0);
    parser.set_field_boost(title, 2.0);
    parser
}

fn unfound(folder: &Path, samples: u32) -> Result<Vec<String>, SearchError> {
    let (index, searcher) = open(folder)?;
    let fields = Fields::new();
    let parser = parser(&index, &fields);
    let mut unfound = Vec::new();
    for (segment, reader) in (0..).zip(searcher.segment_readers()) {
        let step = (reader.max_doc() / samples.max(1)).max(1);
        for doc in (0..reader.max_doc()).step_by(step as usize) {
            let document: TantivyDocument = searcher.doc(DocAddress::new(segment, doc))?;
            let id = fields.text(&document, "id").unwrap_or_default();
            let term = Term::from_field_text(fields.column("id"), id);
            let by_id: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
            let mut parts = vec![(Occur::Must, by_id)];
            if let Some(words) = own_words(&fields, &document) {
                parts.push((Occur::Must, parser.parse_query(&words)?));
            }
            let found = searcher.search(&BooleanQuery::new(parts), &Count)?;
            if found == 0 {
                unfound.push(id.to_owned());
            }
        }
    }
    Ok(unfound)
}

/// The last name of a record, which is often in a script of its own, else its title, as a phrase;
/// `None` if it has no letters.
fn own_words(fields: &Fields, document: &TantivyDocument) -> Option<String> {
    let names = fields.text(document, "names").and_then(|names| names.rsplit('|').next());
    let words = names.filter(|name| !name.is_empty()).or(fields.text(document, "title"))?;
    let clean: String =
        words.chars().map(|c| if matches!(c, '"' | '\\') { ' ' } else { c }).collect();
    clean.chars().any(char::is_alphanumeric).then(|| format!("\"{clean}\""))
}
