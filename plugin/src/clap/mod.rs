//! The plugin as CLAP, by clack. What it plays, stores and shows is [`crate::instance::Instance`].
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `guard` | any | what must not reach clack |
//! | `gui` | main | the editor in a host's window |
//! | `host` | any but audio | edits and changes, told to the host |
//! | `main_thread` | main | ports, state, render mode |
//! | `parameters` | main, audio | parameters and their events |
//! | `processor` | audio | a call's buffers, whatever the host made of them |

// clack's traits for the extensions have methods of the same names (`count`, `get`), so each is implemented and used
// in a file of its own.
mod guard;
mod gui;
mod host;
mod main_thread;
mod parameters;
mod processor;
mod stand_in;

use crate::instance::{CLASSES, Instance, VENDOR};
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
use host::HostLink;
use main_thread::MainThread;
use processor::Processor;
use rtjam_ui::editor_model::Kind;
use std::ffi::CStr;
use std::sync::Arc;

/// The plugins' ids in projects, in the order of [`CLASSES`]: the same for ever.
pub const IDS: [&str; 2] = ["org.rtjam.rtjam", "org.rtjam.rtjam-multi"];

/// What a host finds in the library: two plugins.
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

/// Both plugins: which one it is, its instance knows.
pub(crate) struct RtJam;

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

/// What all of a plugin's threads share.
pub(crate) struct Shared {
    instance: Arc<Instance>,
    link: Arc<HostLink>,
}

impl PluginShared<'_> for Shared {}

impl Shared {
    fn new(kind: Kind, host: HostSharedHandle<'_>) -> Shared {
        let instance = Arc::new(Instance::new(kind, None));
        let link = Arc::new(HostLink::new(host));
        instance.set_host(Some(Arc::clone(&link) as Arc<dyn crate::instance::Host>));
        Shared { instance, link }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // An editor that is late may hold the instance a little longer than the host lives.
        self.link.cut();
        self.instance.set_host(None);
    }
}

pub use guard::clap_entry;
