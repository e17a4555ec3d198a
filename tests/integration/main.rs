//! Drives `coppice` as a user would, against real parts. One binary, so that it links once.

mod architecture;
mod bench;
mod damage;
mod fence;
mod interrupted;
mod rehearsal;
mod targets;
mod usage;
