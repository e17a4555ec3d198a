use std::path::Path;

use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, QueryParser, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, TantivyDocument, Term};

use super::documents::Fields;
use super::index::open;
use super::{SearchError, SearchProjection};
use crate::model::Failure;
use crate::projection::Generation;
use crate::projection::files::Copy;

/// A record that a search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) dataset: Option<String>,
    pub(crate) evidence_ref: String,
    pub(crate) policy_label: String,
    pub(crate) score: f32,
}

impl SearchProjection {
    /// Finds records of a published generation by their names, titles and bodies, best first. All
    /// words must be found; a phrase stands in quotes.
    pub(crate) async fn search(
        &self,
        generation: &Generation,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Hit>, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let query = query.to_owned();
        let find = move || find(&folder, &query, limit);
        Ok(tokio::task::spawn_blocking(find).await.map_err(SearchError::from)??)
    }

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

fn parser(index: &Index, fields: &Fields) -> QueryParser {
    let title = fields.column("title");
    let mut parser = QueryParser::for_index(index, vec![fields.name, title, fields.column("body")]);
    parser.set_conjunction_by_default();
    parser.set_field_boost(fields.name, 3.0);
    parser.set_field_boost(title, 2.0);
    parser
}

fn find(folder: &Path, query: &str, limit: usize) -> Result<Vec<Hit>, SearchError> {
    let (index, searcher) = open(folder)?;
    let fields = Fields::new();
    let query = parser(&index, &fields).parse_query(query)?;
    let found = searcher.search(&query, &TopDocs::with_limit(limit.max(1)).order_by_score())?;
    let mut hits = Vec::with_capacity(found.len());
    for (score, address) in found {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |column| fields.text(&document, column).map(str::to_owned);
        hits.push(Hit {
            id: text("id").unwrap_or_default(),
            title: text("title"),
            dataset: text("dataset"),
            evidence_ref: text("evidence_ref").unwrap_or_default(),
            policy_label: text("policy_label").unwrap_or_default(),
            score,
        });
    }
    Ok(hits)
}

fn unfound(folder: &Path, samples: u32) -> Result<Vec<String>, SearchError> {
    let (index, searcher) = open(folder)?;
    let fields = Fields::new();
    let parser = parser(&index, &fields);
    let mut unfound = Vec::new();
    for (segment, reader) in (0..).zip(searcher.segment_readers()) {
        let step = (reader.max_doc() / samples.max(1)).max(1);
        for doc in (0..reader.max_doc()).step_by(step as usize) {
            let document: TantivyDocument = searcher.doc(tantivy::DocAddress::new(segment, doc))?;
            let id = fields.text(&document, "id").unwrap_or_default();
            let term = Term::from_field_text(fields.column("id"), id);
            let by_id: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
            let mut parts = vec![(Occur::Must, by_id)];
            if let Some(words) = own_words(&fields, &document) {
                parts.push((Occur::Must, parser.parse_query(&words)?));
            }
            let found = searcher.search(&BooleanQuery::new(parts), &tantivy::collector::Count)?;
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
