//! Data and queues that VMs share.

use super::{Guest, Result, slice};

pub(super) fn get_shared_data(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    data_at: u32,
    size_at: u32,
    cas_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let key = slice(memory, key, key_size)?;
    let mut value = std::mem::take(&mut vm.scratch);
    let found = vm.shared.get(vm.plugin.vm_id.as_bytes(), key, &mut value);
    let given = match found {
        Ok(cas) => guest.give_bytes(&value, data_at, size_at).and_then(|()| guest.write_u32(cas_at, cas)),
        Err(status) => Err(status.into()),
    };
    guest.vm().scratch = value;
    given
}

pub(super) fn set_shared_data(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
    cas: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let key = slice(memory, key, key_size)?;
    let value = slice(memory, value, value_size)?;
    vm.shared.set(vm.plugin.vm_id.as_bytes(), key, value, cas, vm.plugin.limits.shared_bytes)?;
    Ok(())
}

pub(super) fn register_shared_queue(
    guest: &mut Guest<'_>,
    name: u32,
    name_size: u32,
    token_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let name = slice(memory, name, name_size)?;
    vm.keepable(name)?;
    let token = vm.shared.register(
        vm.plugin.vm_id.as_bytes(),
        name,
        vm.plugin.first_worker + vm.worker,
        vm.plugin.limits.metrics,
    )?;
    guest.write_u32(token_at, token)
}

pub(super) fn resolve_shared_queue(
    guest: &mut Guest<'_>,
    vm_id: u32,
    vm_id_size: u32,
    name: u32,
    name_size: u32,
    token_at: u32,
) -> Result {
    let (memory, vm) = guest.split();
    let name = slice(memory, name, name_size)?;
    let vm_id = slice(memory, vm_id, vm_id_size)?;
    let vm_id = if vm_id.is_empty() { vm.plugin.vm_id.as_bytes() } else { vm_id };
    let token = vm.shared.resolve(vm_id, name)?;
    guest.write_u32(token_at, token)
}

pub(super) fn enqueue_shared_queue(guest: &mut Guest<'_>, token: u32, value: u32, value_size: u32) -> Result {
    let (memory, vm) = guest.split();
    let value = slice(memory, value, value_size)?;
    vm.shared.enqueue(token, value, vm.plugin.limits.shared_bytes)?;
    Ok(())
}

pub(super) fn dequeue_shared_queue(guest: &mut Guest<'_>, token: u32, data_at: u32, size_at: u32) -> Result {
    let value = guest.vm().shared.dequeue(token)?;
    guest.give_bytes(&value, data_at, size_at)
}
