use crate::model::{Code, Failure};
use crate::store::StoreError;

/// Why the catalog could not be looked at. What is wrong with it is a finding, never an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// The store did not do what it was asked.
    #[error("failed to read the catalog")]
    Store(#[from] StoreError),
    /// The embedded schemas do not compile.
    #[error("failed to compile the embedded STAC schemas: {why}")]
    Schemas { why: String },
    /// The task that checked did not come to its end.
    #[error("failed to check the catalog")]
    Task(#[from] tokio::task::JoinError),
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Store(error) => error.into(),
            CatalogError::Schemas { .. } | CatalogError::Task(_) => {
                Self::permanent(Code::Internal, error.to_string())
                    .because(&error)
                    .hint("this is a bug in Coppice: report it")
            }
        }
    }
}
