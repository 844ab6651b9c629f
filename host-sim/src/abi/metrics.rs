//! Metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Guest, Result, slice};
use crate::shared::{Cell, MetricKind};
use crate::status::Status;
use crate::vm::Vm;

/// Ids carry the kind in their two low bits, as in Envoy.
const STEP: u32 = 4;

pub(super) fn define_metric(
    guest: &mut Guest<'_>,
    kind: u32,
    name: u32,
    name_size: u32,
    id_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let name = slice(memory, name, name_size)?;
    let abi_kind = kind;
    let kind = MetricKind::from_abi(kind).ok_or(Status::BadArgument)?;
    vm.keepable(name)?;
    if vm.metrics.len() >= vm.plugin.limits.metrics {
        return Err(Status::InternalFailure.into());
    }
    let nth = vm.metrics.iter().filter(|(id, _)| id % STEP == abi_kind).count() as u32 + 1;
    let id = nth * STEP + abi_kind;
    let cell = vm.shared.metrics.define(kind, name, vm.plugin.limits.metrics)?;
    vm.metrics.push((id, cell));
    guest.write_u32(id_at, id)
}

fn cell(vm: &Vm, id: u32) -> Option<&Cell> {
    // The few that a filter has are quickest found from the front.
    vm.metrics.iter().find(|(known, _)| *known == id).map(|(_, cell)| Arc::as_ref(cell))
}

pub(super) fn increment_metric(guest: &mut Guest<'_>, id: u32, offset: i64) -> Result {
    if id % STEP > 1 {
        return Err(Status::BadArgument.into());
    }
    match cell(guest.vm(), id).ok_or(Status::NotFound)? {
        Cell::Counter(cell) => {
            let offset = u64::try_from(offset).ok().filter(|o| *o > 0).ok_or(Status::BadArgument)?;
            cell.fetch_add(offset, Ordering::Relaxed);
        }
        Cell::Gauge(cell) => {
            cell.fetch_add(offset.cast_unsigned(), Ordering::Relaxed);
        }
        Cell::Histogram(..) => return Err(Status::BadArgument.into()),
    }
    Ok(())
}

pub(super) fn record_metric(guest: &mut Guest<'_>, id: u32, value: u64) -> Result {
    cell(guest.vm(), id).ok_or(Status::NotFound)?.record(value);
    Ok(())
}

pub(super) fn get_metric(guest: &mut Guest<'_>, id: u32, value_at: u32) -> Result {
    if id % STEP > 1 {
        return Err(Status::BadArgument.into());
    }
    let value = match cell(guest.vm(), id).ok_or(Status::NotFound)? {
        Cell::Counter(cell) | Cell::Gauge(cell) => cell.load(Ordering::Relaxed),
        Cell::Histogram(..) => return Err(Status::BadArgument.into()),
    };
    guest.write_u64(value_at, value)
}
