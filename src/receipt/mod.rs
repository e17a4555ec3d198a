//! What can be shown afterwards? The receipt, folded over the events of a run.
