//! How are bytes read and published safely? Stores by URL, verified writes, pinned reads, locks.
