//! MJPEG without sockets: pictures as parts of `multipart/x-mixed-replace`, made once for all clients.
//!
//! | file | job |
//! |---|---|
//! | `part` | the bytes of a part, in the form that a client needs |
//! | `feed` | the newest part of each stream, and the subscriptions to it |

mod feed;
mod part;

pub(crate) use feed::{Output, PictureSubscription, Settings};
pub(crate) use part::PartForm;
