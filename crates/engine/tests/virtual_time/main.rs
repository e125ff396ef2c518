//! The engine's behaviour in virtual time: no sleeps, no clocks, seeded networks. One behaviour per test.

mod anything;
mod bypass;
mod common;
mod drift;
mod exact;
mod fades;
mod gaps;
mod hostile;
mod hosts;
mod mixing;
mod network;
mod rates;
