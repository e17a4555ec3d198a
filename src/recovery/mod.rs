//! Which action does which step? Survey, readiness, and one file per step kind.

#[cfg(test)]
mod documents;
