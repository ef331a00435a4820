//! What holds for any bytes from outside. Each target is a function here, started by libFuzzer from `fuzz_targets/`.
//!
//! A target's input says first how it is to be read (a byte or two, mostly letters and digits, so that the corpus can
//! be read), then what. A law that does not hold is a panic.
#![expect(clippy::missing_panics_doc, reason = "what does not hold is a panic")]

mod cookie;
mod cuts;
mod decoder;
mod directory;
mod frames;
mod hygiene;
mod json_paths;
mod routes;
mod scanner;
mod websocket;

pub use self::cookie::cookie;
pub use decoder::decoder;
pub use directory::directory;
pub use frames::frames;
pub use hygiene::hygiene;
pub use json_paths::json_paths;
pub use routes::routes;
pub use scanner::scanner;
pub use websocket::websocket;

use contract::identity::{Series, Year};
use gateway::patient::Reading;

const READING: Reading = Reading { year: Year(2026), series: Series { skane: false, short: true } };
