//! What is compared: a file each, called here.

mod decode;
mod encode;
mod memory;
mod record;
mod replay;
mod sqlite;

use crate::harness::Effort;

pub(crate) fn all(effort: &Effort) {
    record::run(effort);
    replay::run(effort, effort.short);
    replay::run(effort, effort.long);
    decode::run(effort);
    encode::run(effort, 1);
    encode::run(effort, effort.short);
    memory::run(effort);
    sqlite::run(effort);
}
