//! An instance of the plugin under test.

use super::objects::{Application, Edits, Handler, Stream, pointer};
use super::view::{FrameSupport, View};
use super::wide_text;
use ::vst3::Steinberg::Vst::{
    BusDirections_, BusInfo, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait,
    IEditController, IEditControllerTrait, IUnitInfo, IUnitInfoTrait, MediaTypes_, ParameterInfo, ProcessModes_,
    ProcessSetup, SymbolicSampleSizes_, UnitInfo, ViewType,
};
use ::vst3::Steinberg::{FUnknown, IBStream, IPlugView, IPluginBaseTrait, kResultOk, tresult};
use ::vst3::{ComPtr, ComWrapper};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;
use std::sync::Arc;

/// An instance. It owns the host's objects that it uses.
pub struct Effect {
    pub(super) controller: ComPtr<IEditController>,
    pub(super) component: ComPtr<IComponent>,
    pub(super) processor: ComPtr<IAudioProcessor>,
    /// Edits that the plugin made through the host's handler.
    pub edits: Arc<Edits>,
    alive: Cell<bool>,
    _application: Option<ComPtr<FUnknown>>,
    _handler: ComPtr<IComponentHandler>,
}

/// A parameter as the host sees it.
#[derive(Clone, Debug)]
pub struct ParamInfo {
    /// Id.
    pub id: u32,
    /// Name.
    pub title: String,
    /// Number of steps between minimum and maximum.
    pub steps: i32,
    /// Default, 0 to 1.
    pub default: f64,
    /// Its unit (folder).
    pub unit: i32,
    /// Its flags.
    pub flags: i32,
}

impl Effect {
    pub(super) fn new(made: ComPtr<FUnknown>, host: Option<&str>) -> Effect {
        let edits = Arc::new(Edits::default());
        let application = host.map(|name| ComWrapper::new(Application(name.to_owned())));
        let application = application.and_then(|application| application.to_com_ptr::<FUnknown>());
        let handler =
            ComWrapper::new(Handler(Arc::clone(&edits))).to_com_ptr::<IComponentHandler>().expect("it is one");
        let component = made.cast::<IComponent>().expect("a component");
        let controller = made.cast::<IEditController>().expect("a controller");
        // SAFETY: see the module.
        unsafe {
            let context = application.as_ref().map_or(null_mut(), ComPtr::as_ptr);
            assert_eq!(component.initialize(context), kResultOk);
            controller.setComponentHandler(handler.as_ptr());
        }
        let processor = made.cast::<IAudioProcessor>().expect("it plays");
        let alive = Cell::new(true);
        Effect { controller, component, processor, edits, alive, _application: application, _handler: handler }
    }

    /// Releases the instance, whose views may still exist.
    pub fn terminate(&self) -> tresult {
        self.alive.set(false);
        // SAFETY: see the module.
        unsafe {
            self.controller.setComponentHandler(null_mut());
            self.component.terminate()
        }
    }

    /// `setupProcessing`.
    pub fn set_up(&self, rate: f64, block: i32, offline: bool) -> tresult {
        let mode = if offline { ProcessModes_::kOffline } else { ProcessModes_::kRealtime };
        let mut setup = ProcessSetup {
            processMode: mode as i32,
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            maxSamplesPerBlock: block,
            sampleRate: rate,
        };
        // SAFETY: see the module.
        unsafe { self.processor.setupProcessing(&mut setup) }
    }

    /// Activates all buses and the plugin, and starts processing.
    pub fn start(&self, rate: f64, block: i32) {
        assert_eq!(self.set_up(rate, block, false), kResultOk);
        let audio = MediaTypes_::kAudio as i32;
        for direction in [BusDirections_::kInput as i32, BusDirections_::kOutput as i32] {
            // SAFETY: see the module.
            unsafe {
                for bus in 0..self.component.getBusCount(audio, direction) {
                    self.component.activateBus(audio, direction, bus, 1);
                }
            }
        }
        assert_eq!(self.set_active(true), kResultOk);
        self.set_processing(true);
    }

    /// Reverses [`Effect::start`].
    pub fn stop(&self) {
        self.set_processing(false);
        self.set_active(false);
    }

    /// `setActive`.
    pub fn set_active(&self, active: bool) -> tresult {
        // SAFETY: see the module.
        unsafe { self.component.setActive(u8::from(active)) }
    }

    /// `setProcessing`.
    pub fn set_processing(&self, processing: bool) -> tresult {
        // SAFETY: see the module.
        unsafe { self.processor.setProcessing(u8::from(processing)) }
    }

    /// Whether the plugin accepts 64-bit samples.
    pub fn takes_64_bits(&self) -> bool {
        // SAFETY: see the module.
        unsafe { self.processor.canProcessSampleSize(SymbolicSampleSizes_::kSample64 as i32) == kResultOk }
    }

    /// Latency and tail, in frames.
    pub fn latency_and_tail(&self) -> (u32, u32) {
        // SAFETY: see the module.
        unsafe { (self.processor.getLatencySamples(), self.processor.getTailSamples()) }
    }

    /// The plugin's state, as a project stores it.
    pub fn state(&self) -> Vec<u8> {
        self.state_in_parts(usize::MAX).expect("a state")
    }

    /// The same, through a stream that accepts at most `most` bytes per call. `None` if it failed.
    pub fn state_in_parts(&self, most: usize) -> Option<Vec<u8>> {
        let stream = ComWrapper::new(Stream { bytes: RefCell::default(), at: Cell::new(0), most });
        let given = pointer::<_, IBStream>(&stream)?;
        // SAFETY: see the module.
        let result = unsafe { self.component.getState(given.as_ptr()) };
        (result == kResultOk).then(|| stream.bytes.borrow().clone())
    }

    /// Loads a project as hosts do: component, then controller.
    pub fn set_state(&self, state: &[u8]) -> bool {
        self.set_state_in_parts(state, usize::MAX)
    }

    /// The same, through a stream that returns at most `most` bytes per call.
    pub fn set_state_in_parts(&self, state: &[u8], most: usize) -> bool {
        let stream = || Stream { bytes: RefCell::new(state.to_vec()), at: Cell::new(0), most };
        let [one, two] = [(); 2].map(|()| pointer::<_, IBStream>(&ComWrapper::new(stream())).expect("a stream"));
        // SAFETY: see the module.
        unsafe {
            let taken = self.component.setState(one.as_ptr()) == kResultOk;
            self.controller.setComponentState(two.as_ptr());
            taken
        }
    }

    /// Results of calls with null pointers wherever one is possible; none may be [`kResultOk`].
    pub fn answers_to_null(&self) -> Vec<tresult> {
        let (audio, output) = (MediaTypes_::kAudio as i32, BusDirections_::kOutput as i32);
        // SAFETY: null pointers are what is tested.
        unsafe {
            vec![
                self.component.getState(null_mut()),
                self.component.setState(null_mut()),
                self.component.getBusInfo(audio, output, 0, null_mut()),
                self.processor.setupProcessing(null_mut()),
                self.processor.process(null_mut()),
                self.processor.getBusArrangement(output, 0, null_mut()),
                self.processor.setBusArrangements(null_mut(), 1, null_mut(), 1),
                self.controller.getParameterInfo(0, null_mut()),
                self.controller.getParamStringByValue(1, 0.5, null_mut()),
                self.controller.getParamValueByString(1, null_mut(), &mut 0.0),
            ]
        }
    }

    /// Its parameters, in order.
    pub fn params(&self) -> Vec<ParamInfo> {
        // SAFETY: see the module; a zeroed structure is valid.
        unsafe {
            let param = |index| {
                let mut info: ParameterInfo = std::mem::zeroed();
                assert_eq!(self.controller.getParameterInfo(index, &mut info), kResultOk);
                ParamInfo {
                    id: info.id,
                    title: wide_text(&info.title),
                    steps: info.stepCount,
                    default: info.defaultNormalizedValue,
                    unit: info.unitId,
                    flags: info.flags,
                }
            };
            (0..self.controller.getParameterCount()).map(param).collect()
        }
    }

    /// Value of a parameter, 0 to 1.
    pub fn value(&self, id: u32) -> f64 {
        // SAFETY: see the module.
        unsafe { self.controller.getParamNormalized(id) }
    }

    /// Sets a parameter through the controller.
    pub fn set_value(&self, id: u32, normalized: f64) -> tresult {
        // SAFETY: see the module.
        unsafe { self.controller.setParamNormalized(id, normalized) }
    }

    /// Text of a value, or the error.
    pub fn text(&self, id: u32, normalized: f64) -> Result<String, tresult> {
        let mut text = [0; 128];
        // SAFETY: see the module.
        match unsafe { self.controller.getParamStringByValue(id, normalized, &mut text) } {
            result if result == kResultOk => Ok(wide_text(&text)),
            error => Err(error),
        }
    }

    /// Value of a text, or the error.
    pub fn parse(&self, id: u32, text: &str) -> Result<f64, tresult> {
        let mut text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut normalized = 0.0;
        // SAFETY: see the module.
        match unsafe { self.controller.getParamValueByString(id, text.as_mut_ptr(), &mut normalized) } {
            result if result == kResultOk => Ok(normalized),
            error => Err(error),
        }
    }

    /// Names, arrangements and kinds of its buses; its parameters; its units.
    pub fn description(&self) -> Value {
        let [inputs, outputs] = [BusDirections_::kInput, BusDirections_::kOutput].map(|d| self.buses(d as i32));
        // Ardour stores plain values in its projects.
        let plain = |id| unsafe {
            // SAFETY: see the module.
            [0.25, 1.0].map(|normalized| self.controller.normalizedParamToPlain(id, normalized))
        };
        let param = |p: &ParamInfo| {
            json!({
                "id": p.id, "title": p.title, "steps": p.steps, "default": p.default, "unit": p.unit, "flags": p.flags,
                "plain": plain(p.id),
            })
        };
        let params: Vec<Value> = self.params().iter().map(param).collect();
        json!({ "inputs": inputs, "outputs": outputs, "params": params, "units": self.units() })
    }

    fn buses(&self, direction: i32) -> Vec<Value> {
        let audio = MediaTypes_::kAudio as i32;
        // SAFETY: see the module; a zeroed structure is valid.
        unsafe {
            let bus = |index| {
                let mut info: BusInfo = std::mem::zeroed();
                let mut arrangement = 0;
                assert_eq!(self.component.getBusInfo(audio, direction, index, &mut info), kResultOk);
                assert_eq!(self.processor.getBusArrangement(direction, index, &mut arrangement), kResultOk);
                json!({
                    "name": wide_text(&info.name), "channels": info.channelCount, "kind": info.busType,
                    "flags": info.flags, "arrangement": arrangement,
                })
            };
            (0..self.component.getBusCount(audio, direction)).map(bus).collect()
        }
    }

    fn units(&self) -> Vec<Value> {
        let units = self.controller.cast::<IUnitInfo>().expect("it has folders");
        // SAFETY: see the module; a zeroed structure is valid.
        unsafe {
            let unit = |index| {
                let mut info: UnitInfo = std::mem::zeroed();
                assert_eq!(units.getUnitInfo(index, &mut info), kResultOk);
                json!({
                    "id": info.id, "parent": info.parentUnitId, "name": wide_text(&info.name),
                    "programs": info.programListId,
                })
            };
            (0..units.getUnitCount()).map(unit).collect()
        }
    }

    /// Its editor, in a host with the given support for editors.
    ///
    /// # Panics
    /// If the plugin has none.
    pub fn view(&self, offer: FrameSupport) -> View {
        View::new(self.create_view().expect("an editor"), offer)
    }

    /// Its editor; `None` if the plugin makes none.
    pub fn create_view(&self) -> Option<ComPtr<IPlugView>> {
        // SAFETY: see the module.
        unsafe { ComPtr::from_raw(self.controller.createView(ViewType::kEditor)) }
    }
}

impl Drop for Effect {
    fn drop(&mut self) {
        if self.alive.get() {
            self.terminate();
        }
    }
}
