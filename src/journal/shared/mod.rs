//! A journal that a team shares, in PostgreSQL. Who holds a run is judged by the server's clock.

mod claims;
mod events;
mod journal;
mod open;
mod requests;
mod retry;
#[cfg(test)]
mod tests;

pub(crate) use journal::SharedJournal;
