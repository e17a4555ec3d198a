//! What a rehearsal has on a server, and how it is cleared.

use super::SparqlError;
use super::client::Client;
use super::names::term;

impl Client {
    /// Drops all graphs of a rehearsal; gives how many there were. Twice equals once: the registry,
    /// which names the others, goes after them, and the marker last.
    pub(crate) async fn clear_scratch(&self) -> Result<u64, SparqlError> {
        if !self.space().is_scratch() {
            return Err(SparqlError::NoScratch { server: self.server().to_owned() });
        }
        let (registry, lock, marker) =
            (self.space().registry(), self.space().lock(), self.space().marker());
        let mut graphs = self.parts_of(&registry).await?;
        graphs.extend(self.that_hold_something([&registry, &lock, &marker]).await?);
        for graph in &graphs {
            self.update("clear scratch", format!("DROP SILENT GRAPH <{graph}>")).await?;
        }
        Ok(graphs.len() as u64)
    }

    /// All graphs of quads: each is named in the registry by the update that writes its first quad.
    async fn parts_of(&self, registry: &str) -> Result<Vec<String>, SparqlError> {
        let part = term("part");
        let query =
            format!("SELECT DISTINCT ?g WHERE {{ GRAPH <{registry}> {{ ?attempt {part} ?g }} }}");
        self.graphs(&query).await
    }

    async fn that_hold_something(&self, graphs: [&String; 3]) -> Result<Vec<String>, SparqlError> {
        let mut found = Vec::new();
        for graph in graphs {
            let query = format!(
                "SELECT ?g WHERE {{ VALUES ?g {{ <{graph}> }} GRAPH ?g {{ ?s ?p ?o }} }} LIMIT 1"
            );
            found.extend(self.graphs(&query).await?);
        }
        Ok(found)
    }

    async fn graphs(&self, query: &str) -> Result<Vec<String>, SparqlError> {
        let mut found = self.select("list the graphs of a rehearsal", query).await?;
        Ok(found.iter_mut().filter_map(|row| row.remove("g")).collect())
    }
}
