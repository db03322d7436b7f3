//! What is compared: a file each, called here.

mod decode;
mod encode;
mod growth;
mod instructions;
mod learned;
mod memory;
mod named;
mod postgres;
mod record;
mod replay;
mod sqlite;

use crate::harness::Effort;

pub(crate) use instructions::run as instructions;
pub(crate) use postgres::child;

pub(crate) fn all(effort: &Effort) {
    effort.report.table("memory");
    record::run(effort);
    replay::run(effort, effort.short);
    replay::run(effort, effort.long);
    decode::run(effort);
    encode::run(effort, 1);
    encode::run(effort, effort.short);
    memory::run(effort);
    sqlite::run(effort);
    postgres::run(effort);
    growth::run(effort);
}
