use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use tantivy::indexer::NoMergePolicy;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument};

use super::SearchError;
use super::documents::{Fields, ORDINAL, register_analyzer};
use super::records::normal;

/// Bytes of postings held in memory before a segment is written.
const MEMORY: usize = 64 << 20;
/// Blocks of stored fields that a reader keeps; records are read once, in order.
const BLOCKS: usize = 2;
/// Rows in one batch that is read back.
const FULL: usize = 4096;

type Result<T> = std::result::Result<T, SearchError>;

/// Writes records into a new index of one segment, in the order in which they come.
pub(super) struct Builder {
    index: Index,
    writer: IndexWriter,
    fields: Fields,
    folder: PathBuf,
    rows: u64,
}

impl Builder {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let fields = Fields::new();
        let index = Index::create_in_dir(folder, fields.schema.clone())?;
        register_analyzer(&index);
        // One thread, so that the same rows give the same documents in the same segments.
        let writer: IndexWriter = index.writer_with_num_threads(1, MEMORY)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(Self { index, writer, fields, folder: folder.to_owned(), rows: 0 })
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = normal(batch)?;
        self.fields.each_document(&batch, self.rows, |document| {
            self.writer.add_document(document)?;
            Ok(())
        })?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Makes what was added a segment, if it is not one yet.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.writer.commit()?;
        Ok(())
    }

    /// Ends the index, and gives the number of records.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.commit()?;
        let segments = in_order(&self.index)?;
        if segments.len() > 1 {
            self.writer.merge(&segments).wait()?;
        }
        self.writer.garbage_collect_files().wait()?;
        self.writer.wait_merging_threads()?;
        drop(self.index);
        remove_bookkeeping(&self.folder)?;
        Ok(self.rows)
    }
}

/// The segments in the order of the rows that they hold; the index keeps them in any.
fn in_order(index: &Index) -> Result<Vec<tantivy::index::SegmentId>> {
    let mut segments = Vec::new();
    for segment in searcher(index)?.segment_readers() {
        let first = segment.fast_fields().u64(ORDINAL)?.first(0);
        segments.push((first, segment.segment_id()));
    }
    segments.sort_unstable();
    Ok(segments.into_iter().map(|(_, id)| id).collect())
}

/// A view of an index that nobody writes to any more.
fn searcher(index: &Index) -> Result<Searcher> {
    let reader: IndexReader =
        index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(reader.searcher())
}

/// Takes away the locks and the list of files that only a writer needs.
fn remove_bookkeeping(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens an index for reading.
pub(super) fn open(folder: &Path) -> Result<(Index, Searcher)> {
    let index = Index::open_in_dir(folder)?;
    register_analyzer(&index);
    let searcher = searcher(&index)?;
    Ok((index, searcher))
}

/// Hands every record to `each`, as it is stored; stops when `each` says that it has enough.
pub(super) fn each_batch(folder: &Path, mut each: impl FnMut(RecordBatch) -> bool) -> Result<()> {
    let (_index, searcher) = open(folder)?;
    let fields = Fields::new();
    for segment in searcher.segment_readers() {
        let store = segment.get_store_reader(BLOCKS)?;
        let mut documents: Vec<TantivyDocument> = Vec::with_capacity(FULL);
        for document in store.iter(segment.alive_bitset()) {
            documents.push(document?);
            if documents.len() == FULL {
                if !each(fields.batch(&documents)?) {
                    return Ok(());
                }
                documents.clear();
            }
        }
        if !documents.is_empty() && !each(fields.batch(&documents)?) {
            return Ok(());
        }
    }
    Ok(())
}
