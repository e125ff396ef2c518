//! The main thread of an instance: ports, state, render mode, latency.

use super::shared::Shared;
use crate::instance::bus_name;
use clack_extensions::audio_ports::{
    AudioPortFlags, AudioPortInfo, AudioPortInfoWriter, AudioPortType, PluginAudioPortsImpl,
};
use clack_extensions::latency::PluginLatencyImpl;
use clack_extensions::params::{HostParams, ParamRescanFlags};
use clack_extensions::render::{PluginRenderImpl, RenderMode};
use clack_extensions::state::{HostState, PluginStateImpl};
use clack_plugin::plugin::{PluginError, PluginMainThread};
use clack_plugin::prelude::{ClapId, HostMainThreadHandle};
use clack_plugin::stream::{InputStream, OutputStream};
use rtjam_ui::editor::window::Embedded;
use rtjam_ui::editor_model::EditorModel;
use std::io::{Read, Write};
use std::sync::Arc;

/// The largest state that is read, in bytes. RTJam's own is a few kilobytes.
const MAX_STATE: u64 = 1 << 20;

/// The state of the main thread.
pub(crate) struct MainThread<'a> {
    pub(super) shared: &'a Shared,
    pub(super) host: HostMainThreadHandle<'a>,
    pub(super) gui: Embedded,
    params: Option<HostParams>,
    state: Option<HostState>,
}

impl<'a> MainThread<'a> {
    pub(super) fn new(host: HostMainThreadHandle<'a>, shared: &'a Shared) -> MainThread<'a> {
        let gui = Embedded::new(Arc::clone(&shared.instance) as Arc<dyn EditorModel>);
        MainThread { shared, gui, params: host.get_extension(), state: host.get_extension(), host }
    }
}

impl<'a> PluginMainThread<'a, Shared> for MainThread<'a> {
    fn on_main_thread(&self) {
        if self.shared.notifier.take_dirty()
            && let Some(state) = &self.state
        {
            state.mark_dirty(&self.host);
        }
    }
}

impl PluginAudioPortsImpl for MainThread<'_> {
    fn count(&self, is_input: bool) -> u32 {
        if is_input { 1 } else { 1 + self.shared.instance.slot_outputs() as u32 }
    }

    fn get(&self, index: u32, is_input: bool, writer: &mut AudioPortInfoWriter) {
        if index >= PluginAudioPortsImpl::count(self, is_input) {
            return;
        }
        let name = bus_name(index as usize, is_input);
        writer.set(&AudioPortInfo {
            id: ClapId::new(index),
            name: name.as_bytes(),
            channel_count: 2,
            flags: if index == 0 { AudioPortFlags::IS_MAIN } else { AudioPortFlags::empty() },
            port_type: Some(AudioPortType::STEREO),
            in_place_pair: (index == 0).then_some(ClapId::new(0)),
        });
    }
}

impl PluginLatencyImpl for MainThread<'_> {
    /// The network's delay is not the plugin's latency: the musician's own signal passes without delay.
    fn get(&self) -> u32 {
        0
    }
}

impl PluginRenderImpl for MainThread<'_> {
    fn has_hard_realtime_requirement(&self) -> bool {
        false
    }

    fn set(&self, mode: RenderMode) -> Result<(), PluginError> {
        self.shared.instance.set_offline(mode == RenderMode::Offline);
        Ok(())
    }
}

impl PluginStateImpl for MainThread<'_> {
    fn save(&self, output: &mut OutputStream) -> Result<(), PluginError> {
        Ok(output.write_all(&self.shared.instance.save())?)
    }

    fn load(&self, input: &mut InputStream) -> Result<(), PluginError> {
        let mut bytes = Vec::new();
        input.take(MAX_STATE).read_to_end(&mut bytes)?;
        self.shared.instance.load(&bytes).map_err(|e| PluginError::Error(Box::new(e)))?;
        if let Some(params) = &self.params {
            params.rescan(&self.host, ParamRescanFlags::VALUES);
        }
        Ok(())
    }
}
