//! Is the audit ledger whole? Its chain, its head, and appends to it.
