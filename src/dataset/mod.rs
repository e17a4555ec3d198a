//! What do the canonical data say? Artifacts as Arrow tables, SQL over them, catalog quads.
