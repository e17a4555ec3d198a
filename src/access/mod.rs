//! Who may do what, where? Environment markers, secret references, the actor.
