//! How do we know what happened? Events, the run state folded from them, and their store.
