//! A response that reaches the filter piece by piece.

use crate::header_map::HeaderMap;
use crate::stream::Stage;
use crate::worker::Worker;

impl Worker {
    /// The head of the upstream's response; `end` says that there is no more.
    pub(crate) fn respond_head(&mut self, id: u32, head: HeaderMap, end: bool) {
        if let Some(stream) = self.stream_mut(id) {
            if stream.response.began() || stream.end.is_some() {
                return;
            }
            stream.response.headers = head;
            stream.response.stage = Stage::Headers;
            stream.response.ended = end;
            self.progress(id);
        }
    }

    /// The trailers of a response, which end it.
    pub(crate) fn response_trailers(&mut self, id: u32, trailers: HeaderMap) {
        if let Some(stream) = self.stream_mut(id) {
            if stream.response.ended {
                return;
            }
            stream.response.trailers = trailers;
            stream.response.has_trailers = true;
            stream.response.ended = true;
            self.progress(id);
        }
    }
}
