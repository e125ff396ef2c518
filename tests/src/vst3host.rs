//! A small VST3 host on Linux: as much as a plugin's editor needs of one, with or without a run loop.
//!
//! All calls are `unsafe` beneath; the plugin is the one under test, and its pointers are counted.

use ::vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IRunLoop, IRunLoopTrait, ITimerHandler, ITimerHandlerTrait, TimerInterval,
};
use ::vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, IAudioProcessor, IAudioProcessorTrait, IComponent,
    IComponentHandler, IComponentHandlerTrait, IComponentTrait, IEditController, IEditControllerTrait,
    IHostApplication, IHostApplicationTrait, MediaTypes_, ParamID, ParamValue, ProcessData, ProcessModes_,
    ProcessSetup, String128, SymbolicSampleSizes_, ViewType,
};
use ::vst3::Steinberg::{
    FUnknown, IPlugFrame, IPlugFrameTrait, IPlugView, IPlugViewContentScaleSupport, IPlugViewContentScaleSupportTrait,
    IPlugViewTrait, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, TUID, ViewRect, kNotImplemented,
    kPlatformTypeX11EmbedWindowID, kResultOk, tresult,
};
use ::vst3::{Class, ComPtr, ComWrapper, Interface};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;
use std::rc::Rc;

/// What a VST3 host calls an effect.
const EFFECT: &CStr = c"Audio Module Class";

/// The library, loaded as VST3. It stays loaded: hosts do not unload modules that they may need again.
pub struct Module {
    factory: ComPtr<IPluginFactory>,
}

impl Module {
    /// Loads it.
    ///
    /// # Panics
    /// When there is none, or it is no VST3 module.
    pub fn load() -> Module {
        let path = crate::programs::plugin();
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without zeros");
        // SAFETY: it is the library under test; the functions have the types that VST3 says.
        unsafe {
            let library = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
            let function = |name: &CStr| {
                let found = if library.is_null() { null_mut() } else { libc::dlsym(library, name.as_ptr()) };
                assert!(!found.is_null(), "{}: no {name:?}", path.display());
                found
            };
            let enter: unsafe extern "system" fn(*mut c_void) -> bool = std::mem::transmute(function(c"ModuleEntry"));
            assert!(enter(library), "it does not begin");
            let get: unsafe extern "system" fn() -> *mut IPluginFactory =
                std::mem::transmute(function(c"GetPluginFactory"));
            Module { factory: ComPtr::from_raw(get()).expect("a factory") }
        }
    }

    /// The names of its effects.
    pub fn effects(&self) -> Vec<String> {
        self.classes().into_iter().map(|(name, _)| name).collect()
    }

    fn classes(&self) -> Vec<(String, TUID)> {
        // SAFETY: see the module; zeros are values of the structure, whose texts end with a zero.
        unsafe {
            let classes = (0..self.factory.countClasses()).filter_map(|index| {
                let mut info: PClassInfo = std::mem::zeroed();
                let found = self.factory.getClassInfo(index, &mut info) == kResultOk;
                let is_effect = found && CStr::from_ptr(info.category.as_ptr()) == EFFECT;
                is_effect.then(|| (CStr::from_ptr(info.name.as_ptr()).to_string_lossy().into_owned(), info.cid))
            });
            classes.collect()
        }
    }

    /// An instance of the effect of that name.
    ///
    /// # Panics
    /// When there is none.
    pub fn effect(&self, name: &str) -> Effect {
        let (_, cid) = self.classes().into_iter().find(|(n, _)| n == name).expect("an effect of that name");
        let edits = Rc::new(Edits::default());
        let application = ComWrapper::new(Application).to_com_ptr::<FUnknown>().expect("it is one");
        let handler = ComWrapper::new(Handler(Rc::clone(&edits)));
        let handler = handler.to_com_ptr::<IComponentHandler>().expect("it is one");
        // SAFETY: see the module.
        unsafe {
            let mut made = null_mut();
            self.factory.createInstance(cid.as_ptr(), IComponent::IID.as_ptr().cast(), &mut made);
            let component = ComPtr::from_raw(made.cast::<IComponent>()).expect("an instance");
            assert_eq!(component.initialize(application.as_ptr()), kResultOk);
            let controller = component.cast::<IEditController>().expect("a controller");
            controller.setComponentHandler(handler.as_ptr());
            Effect { controller, component, edits, _application: application, _handler: handler }
        }
    }
}

/// One instance. Drop its views before it.
pub struct Effect {
    controller: ComPtr<IEditController>,
    component: ComPtr<IComponent>,
    /// What it told its host.
    pub edits: Rc<Edits>,
    _application: ComPtr<FUnknown>,
    _handler: ComPtr<IComponentHandler>,
}

impl Effect {
    /// Its editor, with what the host offers it.
    ///
    /// # Panics
    /// When it has none.
    pub fn view(&self, offer: Offer) -> View {
        // SAFETY: see the module.
        let view = unsafe { ComPtr::from_raw(self.controller.createView(ViewType::kEditor)) }.expect("an editor");
        let desk = Rc::new(Desk::default());
        let frame = match offer {
            Offer::Nothing => None,
            Offer::Frame => ComWrapper::new(Frame(Rc::clone(&desk))).to_com_ptr::<IPlugFrame>(),
            Offer::RunLoop => ComWrapper::new(RunLoop(Rc::clone(&desk))).to_com_ptr::<IPlugFrame>(),
        };
        if let Some(frame) = &frame {
            // SAFETY: see the module; the frame lives as long as the view.
            unsafe { view.setFrame(frame.as_ptr()) };
        }
        View { view, desk, _frame: frame }
    }
}

impl Effect {
    /// Activates it, plays a block of silence, and deactivates it again. `outputs` stereo outputs.
    pub fn play_a_block(&self, outputs: usize) {
        let processor = self.component.cast::<IAudioProcessor>().expect("it plays");
        let mut setup = ProcessSetup {
            processMode: ProcessModes_::kRealtime as i32,
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            maxSamplesPerBlock: 64,
            sampleRate: 48_000.0,
        };
        let mut memory = [0.0_f32; 64];
        let mut channels = [memory.as_mut_ptr(); 2];
        let bus = AudioBusBuffers {
            numChannels: 2,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
        };
        let (mut inputs, mut outputs) = ([bus], vec![bus; outputs]);
        let mut block = ProcessData {
            processMode: setup.processMode,
            symbolicSampleSize: setup.symbolicSampleSize,
            numSamples: 64,
            numInputs: 1,
            numOutputs: outputs.len() as i32,
            inputs: inputs.as_mut_ptr(),
            outputs: outputs.as_mut_ptr(),
            inputParameterChanges: null_mut(),
            outputParameterChanges: null_mut(),
            inputEvents: null_mut(),
            outputEvents: null_mut(),
            processContext: null_mut(),
        };
        let (audio, input, output) =
            (MediaTypes_::kAudio as i32, BusDirections_::kInput as i32, BusDirections_::kOutput as i32);
        // SAFETY: see the module; all buffers live until the end of this call.
        unsafe {
            assert_eq!(processor.setupProcessing(&mut setup), kResultOk);
            self.component.activateBus(audio, input, 0, 1);
            (0..outputs.len() as i32).for_each(|bus| {
                self.component.activateBus(audio, output, bus, 1);
            });
            assert_eq!(self.component.setActive(1), kResultOk);
            processor.setProcessing(1);
            assert_eq!(processor.process(&mut block), kResultOk);
            processor.setProcessing(0);
            self.component.setActive(0);
        }
    }
}

impl Drop for Effect {
    fn drop(&mut self) {
        // SAFETY: see the module.
        unsafe {
            self.controller.setComponentHandler(null_mut());
            self.component.terminate();
        }
    }
}

/// What a host offers an editor: some have no frame, some no run loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Not even a frame.
    Nothing,
    /// A frame that cannot run anything.
    Frame,
    /// A frame with a run loop: see [`View::run`].
    RunLoop,
}

/// An editor. Main thread.
pub struct View {
    view: ComPtr<IPlugView>,
    desk: Rc<Desk>,
    _frame: Option<ComPtr<IPlugFrame>>,
}

impl View {
    /// Whether it can be put into an X11 window.
    pub fn is_supported(&self) -> bool {
        // SAFETY: see the module.
        unsafe { self.view.isPlatformTypeSupported(kPlatformTypeX11EmbedWindowID) == kResultOk }
    }

    /// Puts it into a window.
    pub fn attach(&self, id: u32) -> bool {
        // SAFETY: see the module; X11's windows are numbers, passed as a pointer.
        unsafe { self.view.attached(id as usize as *mut c_void, kPlatformTypeX11EmbedWindowID) == kResultOk }
    }

    /// Takes it out.
    pub fn remove(&self) {
        // SAFETY: see the module.
        unsafe { self.view.removed() };
    }

    /// How large it is, or wants to be.
    pub fn size(&self) -> (i32, i32) {
        let mut rect = ViewRect { left: 0, top: 0, right: 0, bottom: 0 };
        // SAFETY: see the module.
        assert_eq!(unsafe { self.view.getSize(&mut rect) }, kResultOk);
        (rect.right - rect.left, rect.bottom - rect.top)
    }

    /// Gives it a size.
    pub fn set_size(&self, (width, height): (i32, i32)) -> bool {
        let mut rect = ViewRect { left: 0, top: 0, right: width, bottom: height };
        // SAFETY: see the module.
        unsafe { self.view.onSize(&mut rect) == kResultOk }
    }

    /// The size that it can have nearest to this one.
    pub fn adjust(&self, (width, height): (i32, i32)) -> (i32, i32) {
        let mut rect = ViewRect { left: 0, top: 0, right: width, bottom: height };
        // SAFETY: see the module.
        unsafe { self.view.checkSizeConstraint(&mut rect) };
        (rect.right - rect.left, rect.bottom - rect.top)
    }

    /// Physical pixels a logical one.
    pub fn set_scale(&self, scale: f32) -> bool {
        let scales = self.view.cast::<IPlugViewContentScaleSupport>();
        // SAFETY: see the module.
        scales.is_some_and(|scales| unsafe { scales.setContentScaleFactor(scale) == kResultOk })
    }

    /// Runs what it registered with the run loop. Gives how many timers there are.
    pub fn run(&self) -> usize {
        let timers: Vec<_> = self.desk.timers.borrow().clone();
        for timer in &timers {
            // SAFETY: see the module; it is held by a count.
            unsafe { timer.onTimer() };
        }
        timers.len()
    }

    /// How large it asked its window to be since the last time.
    pub fn asked_for(&self) -> Option<(i32, i32)> {
        self.desk.asked.take()
    }
}

/// What the plugin told its host of edits, in order: `(parameter, Some(value))`, or `None` for begin and end.
#[derive(Default)]
pub struct Edits(pub RefCell<Vec<(u32, Option<f64>)>>);

struct Application;

impl Class for Application {
    type Interfaces = (IHostApplication,);
}

impl IHostApplicationTrait for Application {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        // SAFETY: the plugin's memory for the name.
        let name = unsafe { &mut *name };
        name.fill(0);
        name.iter_mut().zip("RTJam tests".encode_utf16()).for_each(|(to, from)| *to = from as _);
        kResultOk
    }

    unsafe fn createInstance(&self, _cid: *mut TUID, _iid: *mut TUID, _obj: *mut *mut c_void) -> tresult {
        kNotImplemented
    }
}

struct Handler(Rc<Edits>);

impl Class for Handler {
    type Interfaces = (IComponentHandler,);
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, id: ParamID) -> tresult {
        self.0.0.borrow_mut().push((id, None));
        kResultOk
    }

    unsafe fn performEdit(&self, id: ParamID, value: ParamValue) -> tresult {
        self.0.0.borrow_mut().push((id, Some(value)));
        kResultOk
    }

    unsafe fn endEdit(&self, id: ParamID) -> tresult {
        self.0.0.borrow_mut().push((id, None));
        kResultOk
    }

    unsafe fn restartComponent(&self, _flags: i32) -> tresult {
        kResultOk
    }
}

/// What the editor's frame noted.
#[derive(Default)]
struct Desk {
    asked: Cell<Option<(i32, i32)>>,
    timers: RefCell<Vec<ComPtr<ITimerHandler>>>,
}

impl Desk {
    fn ask(&self, size: *mut ViewRect) -> tresult {
        // SAFETY: the plugin's rectangle, for this call.
        if let Some(size) = unsafe { size.as_ref() } {
            self.asked.set(Some((size.right - size.left, size.bottom - size.top)));
        }
        kResultOk
    }
}

struct Frame(Rc<Desk>);

impl Class for Frame {
    type Interfaces = (IPlugFrame,);
}

impl IPlugFrameTrait for Frame {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        self.0.ask(size)
    }
}

struct RunLoop(Rc<Desk>);

impl Class for RunLoop {
    type Interfaces = (IPlugFrame, IRunLoop);
}

impl IPlugFrameTrait for RunLoop {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        self.0.ask(size)
    }
}

impl IRunLoopTrait for RunLoop {
    unsafe fn registerEventHandler(&self, _handler: *mut IEventHandler, _fd: FileDescriptor) -> tresult {
        kResultOk
    }

    unsafe fn unregisterEventHandler(&self, _handler: *mut IEventHandler) -> tresult {
        kResultOk
    }

    unsafe fn registerTimer(&self, handler: *mut ITimerHandler, _ms: TimerInterval) -> tresult {
        // SAFETY: the plugin's object, counted from here on.
        if let Some(timer) = unsafe { ::vst3::ComRef::from_raw(handler) } {
            self.0.timers.borrow_mut().push(timer.to_com_ptr());
        }
        kResultOk
    }

    unsafe fn unregisterTimer(&self, handler: *mut ITimerHandler) -> tresult {
        self.0.timers.borrow_mut().retain(|timer| timer.as_ptr() != handler);
        kResultOk
    }
}
