//! Windows and macOS: the editor is on the host's main thread, so nobody needs to wake it.

use crate::vst3::host_notifier::Vst3HostNotifier;
use std::sync::Arc;
use vst3::ComPtr;
use vst3::Steinberg::IPlugFrame;

/// There is none: see the module.
pub(crate) enum RunLoop {}

impl RunLoop {
    pub(crate) fn register(_: &ComPtr<IPlugFrame>, _: &Arc<Vst3HostNotifier>) -> Option<RunLoop> {
        None
    }
}
