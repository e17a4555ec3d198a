//! Do the rooms' parts fit? Seal, verify, restore and verify again on hard stores, and every
//! damage with its finding.

mod damage;
mod kept;
mod ledger;
mod round;
mod scene;
mod upkeep;
