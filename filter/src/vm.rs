//! All contexts of a VM, by the ids that the host gives them.

pub(crate) use crate::abi::Action;
use crate::root::Root;
use crate::stream::Stream;
use countersign_core::exchange::Flow;
use std::collections::BTreeMap;

impl From<Flow> for Action {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Release => Self::Continue,
            Flow::Hold | Flow::Closed => Self::Pause,
        }
    }
}

/// Streams by their context.
pub(crate) type Streams = BTreeMap<u32, Stream>;

/// Root contexts, one for each plugin that shares this VM, and streams.
pub(crate) struct Vm {
    roots: BTreeMap<u32, Root>,
    streams: Streams,
}

impl Vm {
    /// A VM without contexts.
    pub(crate) const fn new() -> Self {
        Self { roots: BTreeMap::new(), streams: BTreeMap::new() }
    }

    /// A root context where `root` is 0, else a stream of that root.
    pub(crate) fn create(&mut self, context: u32, root: u32) {
        if root == 0 {
            self.roots.entry(context).or_insert_with(|| Root::new(context));
        } else {
            self.delete_stream(context);
            self.streams.insert(context, Stream::new(context, root));
        }
    }

    /// Takes up the plugin's configuration; false where it is refused.
    pub(crate) fn configure(&mut self, root: u32) -> bool {
        self.roots.get_mut(&root).is_some_and(|root| root.configure(&mut self.streams))
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, root: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.work(&mut self.streams);
        }
    }

    /// Takes the answer to a call.
    pub(crate) fn call_answered(&mut self, root: u32, token: u32, body_size: usize) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.call_answered(token, body_size, &mut self.streams);
        }
    }

    /// Judges a request. One whose root has no configuration, or that was never announced, is refused.
    pub(crate) fn request_headers(&mut self, context: u32) -> Action {
        let (mut no_stream, mut no_root);
        let stream = match self.streams.get_mut(&context) {
            Some(stream) => stream,
            None => {
                no_stream = Stream::new(context, 0);
                &mut no_stream
            }
        };
        let root = match self.roots.get_mut(&stream.root()) {
            Some(root) => root,
            None => {
                no_root = Root::new(0);
                &mut no_root
            }
        };
        stream.headers(root).into()
    }

    /// A gateway may offer what follows the headers while they are held, and takes the headers along with the first part
    /// that passes (Envoy's `allow_on_headers_stop_iteration`).
    pub(crate) fn request_body(&mut self, context: u32) -> Action {
        self.streams.get(&context).map_or(Action::Pause, |stream| stream.flow().into())
    }

    /// Lets trailers pass that belong to a released request, without what would be read as ours. Those of a held one are not
    /// offered again when it goes on.
    pub(crate) fn request_trailers(&mut self, context: u32, count: usize) -> Action {
        let Some(stream) = self.streams.get(&context) else { return Action::Pause };
        match stream.flow() {
            Flow::Release | Flow::Hold => {
                stream.trailers(self.roots.get(&stream.root()).and_then(Root::settings), count)
            }
            Flow::Closed => Action::Pause,
        }
    }

    /// Forgets a context.
    pub(crate) fn delete(&mut self, context: u32) {
        if let Some(mut root) = self.roots.remove(&context) {
            root.end_held(&mut self.streams);
        } else {
            self.delete_stream(context);
        }
    }

    fn delete_stream(&mut self, context: u32) {
        if let Some(mut stream) = self.streams.remove(&context)
            && let Some(root) = self.roots.get_mut(&stream.root())
        {
            stream.dropped(root);
        }
    }
}
