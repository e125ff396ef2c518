//! The library's factory and its two plugins.

use super::main_thread::MainThread;
use super::processor::Processor;
use super::shared::Shared;
use crate::instance::{CLASSES, VENDOR};
use clack_extensions::audio_ports::PluginAudioPorts;
use clack_extensions::gui::PluginGui;
use clack_extensions::latency::PluginLatency;
use clack_extensions::params::PluginParams;
use clack_extensions::render::PluginRender;
use clack_extensions::state::PluginState;
use clack_extensions::tail::PluginTail;
use clack_plugin::entry::prelude::*;
use clack_plugin::plugin::features::{AUDIO_EFFECT, MIXING, STEREO, UTILITY};
use clack_plugin::prelude::*;
use std::ffi::CStr;

/// The plugins' ids in projects, in the order of [`CLASSES`]. They never change.
pub const IDS: [&str; 2] = ["org.rtjam.rtjam", "org.rtjam.rtjam-multi"];

/// The library that a host loads.
pub struct Library {
    factory: PluginFactoryWrapper<Factory>,
}

impl Entry for Library {
    fn new(_path: Option<&CStr>) -> Result<Library, EntryLoadError> {
        Ok(Library { factory: PluginFactoryWrapper::new(Factory::new()) })
    }

    fn declare_factories<'a>(&'a self, builder: &mut EntryFactories<'a>) {
        builder.register_factory(&self.factory);
    }
}

struct Factory {
    descriptors: [PluginDescriptor; 2],
}

impl Factory {
    fn new() -> Factory {
        let describe = |index: usize| {
            let class = &CLASSES[index];
            PluginDescriptor::new(IDS[index], class.name)
                .with_vendor(VENDOR)
                .with_version(env!("CARGO_PKG_VERSION"))
                .with_description(class.description)
                .with_features([AUDIO_EFFECT, UTILITY, MIXING, STEREO])
        };
        Factory { descriptors: [describe(0), describe(1)] }
    }
}

impl PluginFactoryImpl for Factory {
    fn plugin_count(&self) -> u32 {
        self.descriptors.len() as u32
    }

    fn plugin_descriptor(&self, index: u32) -> Option<&PluginDescriptor> {
        self.descriptors.get(index as usize)
    }

    fn create_plugin<'a>(&'a self, host_info: HostInfo<'a>, plugin_id: &CStr) -> Option<PluginInstance<'a>> {
        let index = self.descriptors.iter().position(|d| d.id() == Some(plugin_id))?;
        Some(PluginInstance::new::<RtJam>(
            host_info,
            &self.descriptors[index],
            move |host| Ok(Shared::new(CLASSES[index].kind, host)),
            |host, shared| Ok(MainThread::new(host, shared)),
        ))
    }
}

/// Both plugins. The instance knows which one it is.
struct RtJam;

impl Plugin for RtJam {
    type AudioProcessor<'a> = Processor<'a>;
    type Shared<'a> = Shared;
    type MainThread<'a> = MainThread<'a>;

    fn declare_extensions(builder: &mut PluginExtensions<RtJam>, _shared: Option<&Shared>) {
        builder
            .register::<PluginAudioPorts>()
            .register::<PluginGui>()
            .register::<PluginLatency>()
            .register::<PluginParams>()
            .register::<PluginRender>()
            .register::<PluginState>()
            .register::<PluginTail>();
    }
}
