//! Delivering to a VM what comes back on its calls and streams.

use std::borrow::Cow;

use super::script::TIME;
use super::{GrpcEvent, is_call};
use crate::error::Failure;
use crate::header_map::HeaderMap;
use crate::profile::Profile;
use crate::vm::ROOT;
use crate::worker::Worker;

impl Worker {
    /// Hands on what came back. What comes for a call that is over, or was cancelled, is dropped.
    pub(crate) fn grpc_event(&mut self, token: u32, event: GrpcEvent) -> Result<(), Failure> {
        let vm = self.instance.vm_mut();
        let is_envoy = vm.plugin.profile == Profile::Envoy;
        let Some(link) = vm.grpc.links.get_mut(&token).filter(|link| !link.remote_closed) else {
            return Ok(());
        };
        let is_told = is_envoy && link.ended;
        let timed = |mut metadata: HeaderMap| {
            if !is_told {
                metadata.remove(TIME);
            }
            metadata
        };
        let called = match event {
            GrpcEvent::Initial(metadata) => {
                let metadata = timed(metadata);
                let count = metadata.len() as u32;
                vm.grpc.initial = Some(metadata);
                let name = "proxy_on_grpc_receive_initial_metadata";
                self.instance.call(
                    name,
                    ROOT,
                    |e| e.grpc_receive_initial_metadata.as_ref(),
                    (ROOT, token, count),
                )
            }
            GrpcEvent::Message(message) => {
                let size = message.len() as u32;
                vm.grpc.message = Some(message);
                let name = "proxy_on_grpc_receive";
                self.instance.call(name, ROOT, |e| e.grpc_receive.as_ref(), (ROOT, token, size))
            }
            GrpcEvent::Trailing(metadata) => {
                let metadata = timed(metadata);
                let count = metadata.len() as u32;
                vm.grpc.trailing = Some(metadata);
                let name = "proxy_on_grpc_receive_trailing_metadata";
                self.instance.call(
                    name,
                    ROOT,
                    |e| e.grpc_receive_trailing_metadata.as_ref(),
                    (ROOT, token, count),
                )
            }
            GrpcEvent::Close(status, message) => {
                link.remote_closed = true;
                if is_call(token) || link.local_closed {
                    vm.grpc.links.remove(&token);
                }
                vm.status = (status, Cow::Owned(message));
                let name = "proxy_on_grpc_close";
                self.instance.call(name, ROOT, |e| e.grpc_close.as_ref(), (ROOT, token, status))
            }
        };
        let vm = self.instance.vm_mut();
        // A call that has its message is known until it was told.
        if is_call(token) {
            vm.grpc.links.remove(&token);
        }
        vm.grpc.initial = None;
        vm.grpc.message = None;
        vm.grpc.trailing = None;
        vm.status.1 = Cow::Borrowed("");
        self.follow_up();
        called.map(drop)
    }
}
